from __future__ import annotations

import copy
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import UsageError
from nodeprov.releases.lock import Lock
from nodeprov.releases.lock_text import lock_json, to_text
from nodeprov.toml import value_text
from tests.support.locks import apt, made, read
from tests.support.obtaining import OLD, VERSION
from tests.support.release_server import ReleaseServer, archived, loose, tree
from tests.support.signing import publish_suite

RANDOM_CHANGES = 200
ARABIC = VERSION.translate({ord("0") + digit: 0x660 + digit for digit in range(10)})


@pytest.fixture
def lock(server: ReleaseServer, cache: Path) -> Lock:
    publish_suite(server)
    return made(server, cache, evidence=apt())


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert caught.value.where == "nodeprov.lock"
    assert "nodeprov lock" in caught.value.hint
    return caught.value.message


def toml(value: dict[str, Any]) -> str:
    """Write values as TOML, in another form than ours: inline tables."""
    return "".join(f"{name} = {value_text(each)}\n" for name, each in value.items())


def test_a_lock_is_read_as_it_was_written(lock: Lock) -> None:
    assert read(to_text(lock)) == lock
    assert to_text(read(to_text(lock))) == to_text(lock)


def test_a_lock_of_loose_programs_is_read_too(server: ReleaseServer, cache: Path) -> None:
    server.publish(OLD, loose(OLD, "aarch64"), "aarch64")
    lock = made(server, cache, OLD)
    assert read(to_text(lock)) == lock


@pytest.mark.parametrize("name", ["a b", 'quo"ted', "[x]", "#", "a=b", "gvisor-bin/.hidden", "a'b", "x" * 200])
def test_every_name_that_an_archive_may_have_is_written_and_read(
    server: ReleaseServer, cache: Path, name: str
) -> None:
    server.publish(VERSION, archived(VERSION, files={**tree(VERSION), name: b"x"}))
    lock = made(server, cache, architectures=["x86_64"])
    assert name in lock.builds["x86_64"].members
    assert read(to_text(lock)) == lock


def test_it_is_sorted_for_review(lock: Lock) -> None:
    headers = [line[1:-1] for line in to_text(lock).splitlines() if line.startswith("[")]
    assert headers == sorted(headers)
    assert to_text(lock).isascii()


def test_json_has_what_the_file_has(lock: Lock) -> None:
    assert lock_json(lock) == tomllib.loads(to_text(lock))


def test_comments_blanks_and_order_mean_nothing(lock: Lock) -> None:
    text = to_text(lock)
    assert read("# another word\n\n" + text.replace(" = ", "   =  ").replace("\n[", "\n\n# here\n[")) == lock
    assert read(toml(tomllib.loads(text))) == lock
    assert read(toml(dict(reversed(tomllib.loads(text).items())))) == lock
    assert read(text.replace("\n", "\r\n")) == lock


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a value, tables and lists too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(each for name, below in inner for each in leaves(below, (*path, name)))]


def changed(value: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> str:
    found = copy.deepcopy(value)
    inner: Any = found
    for name in path[:-1]:
        inner = inner[name]
    change(inner, path[-1])
    return toml(found)


def delete(table: Any, name: Any) -> None:
    del table[name]


def retype(table: Any, name: Any) -> None:
    table[name] = 1.5


def as_text(table: Any, name: Any) -> None:
    table[name] = str(table[name]) + "x"


def alter(table: Any, name: Any) -> None:
    value = table[name]
    if isinstance(value, int):
        table[name] = value + 1
    elif isinstance(value, str):
        # Another one of the same form, where there is one.
        table[name] = value[:-1] + ("1" if value[-1] == "0" else "0")
    elif isinstance(value, dict):
        table[name] = {**value, "unknown": 1}
    else:
        table[name] = [*value, value[0] if value else {}]


@pytest.mark.parametrize("change", [delete, retype, as_text, alter])
def test_every_field_that_is_missing_of_another_type_or_altered_is_refused(
    lock: Lock, change: Callable[[Any, Any], None]
) -> None:
    value = tomllib.loads(to_text(lock))
    for path in leaves(value):
        said = refusal(changed(value, path, change))
        # Where the form is still right, the digest over all of it tells.
        names = {str(each) for each in path if isinstance(each, str)}
        assert "sha256" in said or any(name in said for name in names), (path, said)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("schema = 1", "schema = 2", "schema is 2, and this nodeprov reads 1"),
        ("schema = 1", "schema = true", "schema is True, and not a whole number"),
        ('software = "gVisor"', 'software = "runc"', "software is 'runc'"),
        (f'release = "{VERSION}"', 'release = "20260905"', "release is '20260905', and no release such as"),
        (f'release = "{VERSION}"', 'release = "latest"', "release is 'latest'"),
        (f'release = "{VERSION}"', f'release = "{ARABIC}"', "and no release such as"),
        (f'release = "{VERSION}"', f'release = ["{VERSION}", "{OLD}"]', "release is ['"),
        (f'release = "{VERSION}"', f'release = "{VERSION}"\nrelease = "{OLD}"', "or it is damaged"),
        ("[architecture.aarch64]", "[architecture.x86_64]", "or it is damaged"),
        ("schema = 1", "\ufeffschema = 1", "or it is damaged"),
        ("size_bytes = ", f"size_bytes = {ARABIC[0]}", "or it is damaged"),
        ('origin = "http', 'origin = "ftp', "origin is 'ftp"),
        ("[architecture.x86_64]", "[architecture.riscv64]", "architecture.riscv64 is for no architecture"),
        ('layout = "archive"', 'layout = "heap"', "architecture.aarch64.layout is 'heap'"),
        ('layout = "archive"', 'layout = "loose"', "architecture.aarch64.artifact is not what a release"),
        ('artifact."gvisor.tar.zstd"', 'artifact."gvisor.tar.gz"', "artifact is not what a release"),
        ("size_bytes = ", "size_bytes = -", "size_bytes is -"),
        ('kind = "apt"', 'kind = "hope"', "witnesses[0].kind is 'hope'"),
        ('seen = "2026-11-28"', 'seen = "2026-11-31"', "seen is '2026-11-31', and no date"),
        ('seen = "2026-11-28"', 'seen = "20261128"', "seen is '20261128', and no date"),
        ("schema = 1", 'schema = 1\nmore = "x"', "'more' is no field that is known"),
        ('member."runsc"', 'member."../runsc"', "no name of a file"),
        ('member."gvisor-bin/gvisor_sentry"', 'member."/etc/passwd"', "no name of a file"),
        ('member."runsc"', 'member."runsx"', "architecture.aarch64.member is without runsc"),
    ],
)
def test_what_is_wrong_is_named(lock: Lock, before: str, after: str, said: str) -> None:
    text = to_text(lock)
    assert before in text
    assert said in refusal(text.replace(before, after))


def test_what_is_no_toml_is_no_lock() -> None:
    for text in ("", "<html>", "a = [", "[" * 5000, "schema = 1\nschema = 1"):
        refusal(text)


def test_a_byte_that_changes_is_refused_or_means_nothing(lock: Lock) -> None:
    content, chance = to_text(lock).encode(), random.Random(20261128)
    meaningless = 0
    for _ in range(RANDOM_CHANGES):
        altered = bytearray(content)
        altered[chance.randrange(len(content))] = chance.randrange(32, 127)
        try:
            found = read(altered.decode())
        except UsageError:
            continue
        meaningless += 1
        assert found == lock
    assert meaningless < RANDOM_CHANGES / 5
