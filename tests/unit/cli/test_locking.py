from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.cli.locking import insist_on_lock, lock_path, with_lock
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.ssh_signatures import LOCK, sign
from nodeprov.inventory import Inventory, parse
from nodeprov.releases.lock_text import from_text, to_text
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.software import SOFTWARE
from nodeprov.runtimes.obtaining import obtained
from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder
from tests.support.obtaining import VERSION, contents
from tests.support.release_server import ReleaseServer, archived, tree
from tests.support.signing import allowed, ssh_key

RANDOM_CHANGES = 200


@pytest.fixture(autouse=True)
def _apart(folder: Path, no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEPROV_CACHE", str(folder / "cache"))


def inventory(folder: Path, *sets: str) -> Inventory:
    path = folder / "nodeprov.toml"
    return parse(path.read_text(), str(path), options=sets)


def get(folder: Path, *sets: str, architecture: str = "x86_64") -> Release:
    """Do what plan and install do for a node."""
    whole, found = with_lock(inventory(folder, *sets), None)
    assert found
    return found.obtained(obtained)(SOFTWARE, whole.nodes[0].settings.release, architecture)


def refusal(folder: Path, *sets: str, architecture: str = "x86_64") -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        get(folder, *sets, architecture=architecture)
    assert caught.value.hint
    return caught.value


def test_without_a_lock_all_is_as_it_was(folder: Path) -> None:
    whole = inventory(folder)
    assert with_lock(whole, None) == (whole, None)


def test_the_lock_beside_the_inventory_is_found(folder: Path) -> None:
    assert lock_path(inventory(folder), None) == (folder / "nodeprov.lock", False)
    assert lock_path(inventory(folder, "trust.lock=/x/y.lock"), None) == (Path("/x/y.lock"), True)
    assert lock_path(inventory(folder, "trust.lock=/x/y.lock"), Path("z")) == (Path("z"), True)


def test_the_settings_are_shown_with_a_word_on_the_lock(folder: Path, server: ReleaseServer) -> None:
    word = "plan and install use the release and the digests that it names"
    assert word not in said(at_home(folder, "inventory"))
    locked_folder(folder, server)
    assert word in said(at_home(folder, "inventory"))


def test_a_lock_that_is_named_must_be_there(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the lock .*other\.lock"):
        with_lock(inventory(folder), folder / "other.lock")
    with pytest.raises(UsageError, match="there is no lock"):
        insist_on_lock(None, folder / "nodeprov.lock")


def test_what_is_locked_comes_from_the_cache_without_a_network(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    server.requests.clear()
    release = get(folder, "release.version=latest")
    assert contents(release) == tree(VERSION)
    assert server.requests == []


def test_the_lock_decides_whatever_an_origin_says(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    for each in (folder / "cache" / "releases").iterdir():
        each.rename(folder / each.name)
    server.publish(VERSION, archived("20261005.0"))
    assert "the origin has changed: gvisor.tar.zstd has the sha512" in refusal(folder).message


def test_a_release_that_is_not_locked_is_refused_with_what_to_type(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    error = refusal(folder, "release.version=20261005.0")
    assert f"has the release {VERSION}, and 20261005.0 is wanted" in error.message
    assert error.hint.startswith("nodeprov lock --release 20261005.0")


def test_a_node_that_wants_another_release_is_always_looked_at(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    for wanted, is_so in ((VERSION, True), ("latest", True), ("20261005.0", False)):
        whole, found = with_lock(inventory(folder, f"nodes.worker2.release.version={wanted}"), None)
        assert found
        assert found.is_for(whole) is is_so


def test_an_architecture_that_is_not_locked_is_refused_with_what_to_type(
    folder: Path, server: ReleaseServer
) -> None:
    locked_folder(folder, server)
    assert "--arch aarch64 --arch x86_64" in refusal(folder, architecture="aarch64").hint


def test_a_lock_with_programs_for_another_processor_is_refused(folder: Path, server: ReleaseServer) -> None:
    path = locked_folder(folder, server)
    lock = from_text(path.read_text(), SOFTWARE, where="nodeprov.lock")
    path.write_text(to_text(replace(lock, builds={"aarch64": lock.builds["x86_64"]})))
    server.publish(VERSION, archived(VERSION), "aarch64")  # x86-64's archive under the other's name
    assert refusal(folder, architecture="aarch64").message == "runsc is for x86_64, the node is aarch64"


def test_pins_that_contradict_are_said_and_do_not_count(
    folder: Path, server: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_folder(folder, server)
    pin = f'release.sha512={{x86_64={{"gvisor.tar.zstd"="{"0" * 128}"}}}}'
    assert contents(get(folder, pin)) == tree(VERSION)
    assert "the inventory contradicts it, and it counts: [release.sha512] pins gvisor.tar.zstd" in (
        capsys.readouterr().err
    )


def test_a_program_that_was_replaced_in_the_cache_is_refused(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    release = get(folder)
    record = release.folder.parent / "record.json"
    sha512 = release.members[0].sha512
    record.write_text(record.read_text().replace(sha512, "0" * 128))
    assert f"{release.members[0].path} has the sha512 {'0' * 128}" in refusal(folder).message


@contextmanager
def altered(path: Path, chance: random.Random) -> Iterator[bytes]:
    content = path.read_bytes()
    changed = bytearray(content)
    changed[chance.randrange(len(content))] ^= 1 << chance.randrange(7)
    path.write_bytes(changed)
    yield bytes(changed)
    path.write_bytes(content)


def test_a_signed_lock_or_its_signature_that_is_altered_in_any_byte_is_refused(
    folder: Path, server: ReleaseServer
) -> None:
    lock = locked_folder(folder, server)
    signers = allowed(folder, "ann")
    signature = folder / "nodeprov.lock.sig"
    signature.write_bytes(sign(lock.read_bytes(), LOCK, str(ssh_key("ann"))))
    whole = inventory(folder, f"trust.allowed_signers={signers}")
    found = with_lock(whole, None)[1]
    assert found
    assert found.signer == "ann@example.com"
    chance = random.Random(20261128)
    before = sorted((folder / "cache").rglob("*"))
    for number in range(RANDOM_CHANGES):
        path = (lock, signature)[number % 2]
        with altered(path, chance), pytest.raises(UsageError) as caught:
            with_lock(whole, None)
        assert str(path) in str(caught.value)
    assert sorted((folder / "cache").rglob("*")) == before
    assert with_lock(whole, None)[1] == found


def test_an_altered_lock_that_nobody_signs_is_refused_or_the_same(folder: Path, server: ReleaseServer) -> None:
    lock = locked_folder(folder, server)
    whole = inventory(folder)
    found = with_lock(whole, None)[1]
    assert found
    chance = random.Random(20261128)
    refused: list[str] = []
    for _ in range(RANDOM_CHANGES):
        with altered(lock, chance):
            try:
                again = with_lock(whole, None)[1]
            except UsageError as error:
                refused.append(str(error))
                continue
        assert again
        assert again.lock == found.lock
    assert len(refused) > RANDOM_CHANGES * 4 / 5
    assert [each for each in refused if str(lock) not in each] == []


@pytest.mark.parametrize("command", [["plan", "worker1"], ["install", "worker1", "--yes"]])
def test_a_lock_without_its_signature_is_refused_before_a_node_is_reached(
    folder: Path, server: ReleaseServer, command: list[str]
) -> None:
    allowed(folder, "ann")
    locked_folder(folder, server, trust='allowed_signers = "allowed_signers"')
    output = at_home(folder, *command)
    assert output.returncode == 2
    assert "it is not signed" in said(output)
    assert "nodeprov sign" in said(output)
    assert "cannot be reached" not in said(output)
    assert at_home(folder, "sign", "nodeprov.lock", "--key", str(ssh_key("ann"))).returncode == 0
    output = at_home(folder, *command)
    assert "signed by ann@example.com" in said(output)
    assert "cannot be reached" in said(output)
