"""One run at a time on a node, whatever becomes of the controller that holds it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.engine import lock as lock_module
from nodeprov.engine.lock import HolderOf, Lock
from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.states import FileState

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock (util-linux)")
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have `sh` be one that nodes have."""
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "sh").symlink_to(shutil.which(request.param) or "")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return str(request.param)


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "new" / "state")


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that soon takes a silent controller for dead."""
    monkeypatch.setattr(lock_module, "SILENCE_SECONDS", 1)


@pytest.fixture
def silent(brief: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that is not heard, as when its network has vanished or it is suspended."""
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0)


def of(who: str, state: str) -> Lock:
    return Lock(LocalHost(), state, f"{who} since 2026-09-05T10:00:00+00:00")


@pytest.fixture
def held(state: str) -> Iterator[LocalHost]:
    """A node that Ann holds."""
    host = LocalHost()
    with Lock(host, state, "ann@desk since 2026-09-05T10:00:00+00:00"):
        yield host


def test_a_second_run_is_refused_and_told_who_holds_the_node_and_since_when(
    shell: str, held: LocalHost, state: str
) -> None:
    with pytest.raises(NodeprovError) as caught, of("bob@laptop", state):
        pass
    said = "another run holds this node: ann@desk since 2026-09-05 10:00 UTC, last heard of 1 s ago"
    assert caught.value.message in (said, said.replace("1 s", "0 s"), said.replace("1 s", "2 s"))
    assert "40 s after it was last heard of" in caught.value.hint


def test_after_its_end_the_next_run_has_it(shell: str, state: str) -> None:
    for who in ("ann@desk", "bob's $(laptop)"):
        with of(who, state):
            assert f"by={who} since" in Path(state, "lock").read_text()
        assert Path(state, "lock").read_text() == ""


def test_its_folder_is_for_root_alone(held: LocalHost, state: str) -> None:
    for name, mode in {"": 0o700, "receipts": 0o700, "lock": 0o600, "lock.heard": 0o600}.items():
        assert stat.S_IMODE(Path(state, name).stat().st_mode) == mode


def test_a_place_where_no_lock_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with (
        pytest.raises(NodeprovError, match=f"cannot be taken: .*{tmp_path}/state"),
        of("ann", f"{tmp_path}/state"),
    ):
        pass


def test_a_disk_that_is_too_full_for_it_is_told_and_not_taken_for_a_lock(shell: str, state: str) -> None:
    Path(state).mkdir(parents=True)
    Path(state, "lock").symlink_to("/dev/full")
    with pytest.raises(NodeprovError, match=f"cannot be taken: {state} is full"), of("ann", state):
        pass


DAMAGED = {
    "bytes that are no text": b"\xff\xfe\x00by=\x00\n",
    "what commands a terminal": b"ticket=1\nby=\x1b[2J\x1b]0;owned\x07\n",
    "four million letters": b"by=" + b"x" * (4 << 20),
    "many holders": b"by=ann\n" * 1000,
    "a line that is cut off": b"ticket=12",
    "nothing": b"",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_lock_with_anything_in_it_is_taken_if_nobody_holds_it_and_told_of_if_somebody_does(
    state: str, content: bytes
) -> None:
    Path(state).mkdir(parents=True)
    lock = Path(state, "lock")
    lock.write_bytes(content)
    with of("bob@laptop", state):
        assert "by=bob@laptop" in lock.read_text()
    lock.write_bytes(content)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NodeprovError, match="another run holds this node") as caught, of("bob@laptop", state):
            pass
        (holder,) = LocalHost().ask([HolderOf(state)])
    assert len(caught.value.message) < 10_000
    assert holder is None or isinstance(holder.by, str)
    assert lock.read_bytes() == content


def test_a_folder_in_the_locks_place_is_named(state: str) -> None:
    Path(state, "lock").mkdir(parents=True)
    with pytest.raises(NodeprovError, match=f"cannot be taken: .*{state}/lock"), of("bob@laptop", state):
        pass


def kill_holder(state: str) -> None:
    """Kill the shell that holds the lock, and nothing else; it is the one that has the file open."""
    deadline = time.monotonic() + 5
    while len(found := holders(state)) != 1:  # a child that has just been forked lets go of it first of all
        assert time.monotonic() < deadline, "its children must not hold the lock with it"
    os.kill(found[0], signal.SIGKILL)


def holders(state: str) -> list[int]:
    """The processes that have the lock's file open."""
    return [
        int(fd.parent.parent.name)
        for fd in Path("/proc").glob("[0-9]*/fd/9")
        if os.path.realpath(fd) == os.path.realpath(f"{state}/lock")
    ]


def test_a_holder_that_is_killed_leaves_the_node_free_at_once(shell: str, held: LocalHost, state: str) -> None:
    time.sleep(0.3)  # its child waits by now
    kill_holder(state)
    with of("bob@laptop", state):
        pass


def test_a_live_holder_is_never_robbed_however_long_it_takes(
    brief: None, monkeypatch: pytest.MonkeyPatch, shell: str, state: str
) -> None:
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.2)
    with of("ann@desk", state):
        time.sleep(3)
        with pytest.raises(NodeprovError, match="another run holds this node"), of("bob@laptop", state):
            pass


def test_one_that_is_silent_loses_the_node_and_can_change_nothing_any_more(
    silent: None, shell: str, state: str, tmp_path: Path
) -> None:
    host = LocalHost()
    with Lock(host, state, "ann@desk"):
        host.sh(f"touch {tmp_path}/before")
        time.sleep(1.5)
        with of("bob@laptop", state):
            for _ in range(2):
                with pytest.raises(NodeprovError, match="another one has taken the node over: bob@laptop"):
                    host.write_file(f"{tmp_path}/after", FileState(b"x", 0o600))
        with pytest.raises(NodeprovError, match="another one has taken the node over"):
            host.remove(f"{tmp_path}/before")
    assert (tmp_path / "before").exists()
    assert not (tmp_path / "after").exists()
    host.remove(f"{tmp_path}/before")


def test_the_node_itself_refuses_a_command_that_was_on_its_way_when_the_lock_was_lost(
    shell: str, held: LocalHost, state: str, tmp_path: Path
) -> None:
    """Its shell lives, so that nothing here knows of it: another run has come in between two looks."""
    Path(state, "lock").write_text("ticket=another\nby=bob@laptop\n")
    with pytest.raises(NodeprovError, match="taken the node over: bob@laptop"):
        held.sh(f"touch {tmp_path}/changed")
    assert not (tmp_path / "changed").exists()


def test_one_that_was_cut_off_takes_it_again_if_nobody_had_it(shell: str, held: LocalHost, state: str) -> None:
    kill_holder(state)
    time.sleep(0.3)
    assert held.sh("echo on").text == "on\n"
    with pytest.raises(NodeprovError, match="another run holds this node"), of("bob@laptop", state):
        pass


def test_no_clock_that_is_set_plays_a_part(held: LocalHost, state: str) -> None:
    heard = float(Path(state, "lock.heard").read_text())
    assert abs(heard - float(Path("/proc/uptime").read_text().split()[0])) < 20
    os.utime(f"{state}/lock", (0, 0))
    os.utime(f"{state}/lock.heard", (2**31, 2**31))
    with pytest.raises(NodeprovError, match=r"last heard of \d s ago"), of("bob@laptop", state):
        pass
