"""What every host with a shell does, done on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeprov.errors import Cancelled, CommandFailed, NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.plan.files import FileAt, LinkAt, PresentAt, TreeAt
from nodeprov.states import FileState, LinkState, PresentState
from tests.support.memory_host import tree_of

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners, or mounts")

ME = (os.geteuid(), os.getegid())
HOSTILE = ("plain", "two words", "it's", 'a"b', "$(touch pwned)", "back\\slash", "*", "größe")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for some 16 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = run_program(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)])
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount: {mounted.said}")
    yield folder
    run_program(["umount", str(folder)])


def state(content: bytes, mode: int = 0o644, owner: tuple[int, int] = ME) -> FileState:
    return FileState(content, mode, *owner)


def status(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o400])
def test_a_file_gets_the_mode_that_is_said_whatever_it_had(host: LocalHost, tmp_path: Path, mode: int) -> None:
    path = tmp_path / "config.toml"
    for before in (None, 0o777):
        if before is not None:
            path.chmod(before)
        host.write_file(str(path), state(b"x\n", mode))
        assert status(path) == (mode, *ME)
        assert path.read_bytes() == b"x\n"


@root_only
def test_a_file_gets_the_owner_that_is_said(host: LocalHost, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    host.write_file(str(path), FileState(b"x\n", 0o640, 1234, 5678))
    assert status(path) == (0o640, 1234, 5678)
    assert host.ask([FileAt(str(path))]) == [FileState(b"x\n", 0o640, 1234, 5678)]


def test_folders_are_made_for_everybody_to_read_and_an_existing_one_stays_as_it_is(
    host: LocalHost, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    host.write_file(f"{tmp_path}/a/b/secret", state(b"x", 0o600))
    host.write_link(f"{tmp_path}/c/d/link", "target")
    made = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "c", "c/d")]
    assert made == [0o755] * 4
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "etc").mkdir()
    real, link = tmp_path / "real" / "config.toml", tmp_path / "etc" / "config.toml"
    real.write_text("before")
    link.symlink_to("../real/config.toml")
    host.write_file(str(link), state(b"after", 0o600))
    assert link.readlink() == Path("../real/config.toml")
    assert (real.read_bytes(), real.is_symlink(), status(real)) == (b"after", False, (0o600, *ME))
    assert (names(tmp_path / "etc"), names(tmp_path / "real")) == (["config.toml"], ["config.toml"])


def test_a_file_is_replaced_and_not_written_into(host: LocalHost, tmp_path: Path) -> None:
    path, other = tmp_path / "f", tmp_path / "other"
    path.write_text("before")
    other.hardlink_to(path)
    host.write_file(str(path), state(b"after"))
    assert (path.read_text(), other.read_text()) == ("after", "before")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    (tmp_path / "theirs").write_text("")
    file, link = f"{folder}/{name}/f", f"{folder}/{name}/l"
    host.write_file(file, state(b"x"))
    host.write_link(link, name)
    assert host.ask([FileAt(file), LinkAt(link), PresentAt(file)]) == [
        state(b"x"),
        LinkState(name),
        PresentState(),
    ]
    host.remove(link, below=str(tmp_path))
    host.remove(file, below=str(tmp_path))
    assert names(tmp_path) == ["theirs"]


@pytest.mark.parametrize(
    ("below", "left"),
    [("", "a/b/c"), ("a/b/c", "a/b/c"), ("a/b", "a/b"), ("a", "a"), (".", "."), ("elsewhere", "a/b/c")],
)
def test_removing_takes_empty_folders_away_only_where_they_are_ours(
    host: LocalHost, tmp_path: Path, below: str, left: str
) -> None:
    host.write_file(f"{tmp_path}/a/b/c/ours", state(b"x"))
    within = os.path.normpath(tmp_path / below) if below else ""
    host.remove(f"{tmp_path}/a/b/c/ours", below=within)
    deepest = max((path for path in tmp_path.rglob("*")), key=lambda path: len(path.parts), default=tmp_path)
    assert deepest == Path(os.path.normpath(tmp_path / left))


def test_removing_leaves_a_folder_that_somebody_else_uses(host: LocalHost, tmp_path: Path) -> None:
    host.write_file(f"{tmp_path}/a/b/ours", state(b"x"))
    (tmp_path / "a" / "theirs").write_text("y")
    host.remove(f"{tmp_path}/a/b/ours", below=str(tmp_path))
    assert names(tmp_path / "a") == ["theirs"]


def test_a_file_is_not_written_over_a_folder(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(CommandFailed, match=r"cannot write .*/config.toml") as caught:
        host.write_file(f"{tmp_path}/config.toml", state(b"x"))
    assert caught.value.where == "worker1"
    assert names(tmp_path) == ["config.toml"]


def test_a_link_is_not_written_over_a_folder(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()
    with pytest.raises(CommandFailed, match="cannot make the link"):
        host.write_link(f"{tmp_path}/current", "x")
    assert names(tmp_path) == ["current"]
    assert names(tmp_path / "current") == []


@root_only
def test_a_full_disk_leaves_the_file_as_it_was_and_nothing_beside_it(host: LocalHost, tiny: Path) -> None:
    path = tiny / "config.toml"
    host.write_file(str(path), state(b"before", 0o600))
    with pytest.raises(CommandFailed, match="No space left on device") as caught:
        host.write_file(str(path), state(b"x" * 100_000))
    assert "free space there" in caught.value.hint
    assert (path.read_bytes(), status(path), names(tiny)) == (b"before", (0o600, *ME), ["config.toml"])


@root_only
def test_a_read_only_disk_leaves_all_as_it_was(host: LocalHost, tiny: Path) -> None:
    path = tiny / "config.toml"
    host.write_file(str(path), state(b"before"))
    run_program(["mount", "-o", "remount,ro", str(tiny)])
    with pytest.raises(CommandFailed, match="Read-only file system") as caught:
        host.write_file(str(path), state(b"after"))
    assert "[paths] prefix" in caught.value.hint
    with pytest.raises(CommandFailed, match="Read-only file system"):
        host.write_link(f"{tiny}/link", "x")
    with pytest.raises(CommandFailed, match="Read-only file system"):
        host.remove(str(path))
    assert (path.read_bytes(), names(tiny)) == (b"before", ["config.toml"])


@root_only
def test_a_tree_that_does_not_fit_leaves_no_part_of_it(host: LocalHost, tiny: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "small").write_bytes(b"x")
    (source / "zlarge").write_bytes(b"x" * 100_000)
    with pytest.raises(NodeprovError, match=r"cannot upload .*/zlarge: .*No space left on device"):
        host.write_tree(f"{tiny}/releases/r1", tree_of(source), source)
    assert [str(path) for path in tiny.rglob("*")] in ([], [f"{tiny}/releases"])


@root_only
def test_a_tree_whose_bytes_changed_on_the_way_is_not_shown(host: LocalHost, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "runsc").write_bytes(b"good")
    wanted = tree_of(source)
    (source / "runsc").write_bytes(b"evil")
    with pytest.raises(CommandFailed, match="cannot install"):
        host.write_tree(f"{tmp_path}/releases/r1", wanted, source)
    assert list((tmp_path / "releases").iterdir()) == []


@root_only
def test_what_an_earlier_run_had_staged_is_cleared_away(host: LocalHost, tmp_path: Path) -> None:
    source, releases = tmp_path / "source", tmp_path / "releases"
    source.mkdir()
    (source / "runsc").write_bytes(b"good")
    (releases / ".r0.nodeprov-0123abcd").mkdir(parents=True)
    (releases / ".r0.nodeprov-0123abcd" / "runsc").write_bytes(b"half")
    host.write_tree(f"{releases}/r1", tree_of(source), source)
    assert names(releases) == ["r1"]
    assert host.ask([TreeAt(f"{releases}/r1")]) == [tree_of(source)]


def test_an_upload_is_reported_file_by_file(host: LocalHost, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a tree is given to root")
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"12345")
    (source / "b").write_bytes(b"678")
    told: list[tuple[str, int, int]] = []
    host.watch_uploads(lambda what, done, total: told.append((what, done, total)))
    host.write_tree(f"{tmp_path}/r1", tree_of(source), source)
    assert told == [("a", 5, 8), ("b", 8, 8)]


@root_only
def test_an_upload_ends_between_two_chunks_when_that_is_asked_for_and_leaves_nothing(
    host: LocalHost, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "b"):
        (source / name).write_bytes(b"12345")
    told: list[str] = []

    def progress(what: str, _done: int, _total: int) -> None:
        told.append(what)
        raise Cancelled

    host.watch_uploads(progress)
    with pytest.raises(Cancelled):
        host.write_tree(f"{tmp_path}/releases/r1", tree_of(source), source)
    assert told == ["a"]
    assert list((tmp_path / "releases").iterdir()) == []


@dataclass(frozen=True)
class Say:
    """Ask a shell to run something, and take its words as they are."""

    script: str

    def parse(self, output: Output) -> tuple[int, bytes]:
        return output.returncode, output.stdout


class Refuse(Say):
    def parse(self, output: Output) -> tuple[int, bytes]:
        raise NodeprovError(f"not understood: {output.stdout.decode()}")


class Talkative(LocalHost):
    """A machine whose login shell greets before it does what it is told."""

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        greeting = "echo 'Welcome!'; echo; printf '\\377\\000@nodeprov was here\\n'; echo ' @nodeprov eA=='\n"
        return super().execute(greeting + script, stdin, timeout_seconds)


class Prompting(LocalHost):
    """A machine whose greeting does not end its line."""

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        return super().execute("printf 'Welcome! '\n" + script, stdin, timeout_seconds)


BYTES = b"".join(bytes([value]) for value in range(1, 256))


@pytest.mark.parametrize("kind", [LocalHost, Talkative, Prompting])
def test_answers_come_in_their_order_whatever_is_in_them(kind: type[LocalHost], tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\0" + BYTES + b"\n\n")
    answers = kind().ask(
        [
            Say(f"cat {tmp_path}/bytes"),
            Say("echo '@nodeprov eA=='; echo '@nodeprov'"),
            Say("exit 7"),
            Say("printf 'no line end'; false"),
            Say("cd / && export X=1"),
            Say('pwd; echo "${X-unset}"'),
        ]
    )
    here = str(Path.cwd()).encode()
    assert answers == [
        (0, b"\0" + BYTES + b"\n\n"),
        (0, b"@nodeprov eA==\n@nodeprov\n"),
        (7, b""),
        (1, b"no line end"),
        (0, b""),
        (0, here + b"\nunset\n"),
    ]


def test_no_question_is_no_round_trip() -> None:
    class Silent(LocalHost):
        def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
            raise AssertionError("there was nothing to ask")

    assert Silent().ask([]) == []


def test_all_questions_are_one_round_trip(host: LocalHost) -> None:
    ran: list[tuple[str, str]] = []
    host.on_command = lambda name, script: ran.append((name, script.name))
    host.ask([Say("echo 1"), Say("echo 2"), Say("echo 3")])
    assert ran == [("worker1", "ask")]


def test_an_answer_that_is_not_understood_names_the_host(host: LocalHost) -> None:
    with pytest.raises(NodeprovError, match="not understood: two") as caught:
        host.ask([Say("echo one"), Refuse("echo two")])
    assert caught.value.where == "worker1"


class Expired(LocalHost):
    """A machine that lets one in only to say good-bye."""

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        return super().execute(f"echo 'account expired' >&2; exit 1\n{script}", stdin, timeout_seconds)


def test_a_shell_that_does_not_answer_is_quoted_and_the_host_named() -> None:
    with pytest.raises(NodeprovError, match="answered 0 of 2 questions: account expired") as caught:
        Expired("worker1").ask([Say("echo one"), Say("echo two")])
    assert caught.value.where == "worker1"
    assert "see whether `sh`" in caught.value.hint


class Bare(LocalHost):
    """A machine on which no program is found, base64 neither."""

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        return super().execute("PATH=/nonexistent\n" + script, stdin, timeout_seconds)


def test_a_node_without_base64_does_not_pass_for_one_that_answers_nothing() -> None:
    with pytest.raises(NodeprovError, match="answered 0 of 1 questions") as caught:
        Bare("worker1").ask([Say("echo one")])
    assert "`base64`" in caught.value.hint


@dataclass(frozen=True)
class Faulty:
    """A question whose answer our own parser takes for something else."""

    fault: Exception
    script: str = "echo hello"

    def parse(self, output: Output) -> str:
        raise self.fault


def test_an_answer_of_another_form_is_told_and_a_fault_of_our_parser_is_raised(host: LocalHost) -> None:
    with pytest.raises(NodeprovError, match="its answer is not understood: ValueError: no number"):
        host.ask([Faulty(ValueError("no number"))])
    for fault in (AttributeError("'Output' object has no attribute 'txt'"), ZeroDivisionError("division by zero")):
        with pytest.raises(type(fault)):
            host.ask([Faulty(fault)])
