"""A server that allows few sessions at a time; OpenSSH's own is held against this in tests/lab/test_ssh.py."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import plain
from nodeprov.hosts.ssh import sessions
from nodeprov.hosts.ssh.host import SshHost
from tests.support.ssh_server import Manners, serving

HOLDING = plain("sh", "echo held; cat > /dev/null")


def run_many(host: SshHost, threads: int, each: int) -> list[str]:
    """Run commands, several at the same time; return what they printed, or why they could not."""
    said: list[str] = []

    def run() -> None:
        for _ in range(each):
            try:
                said.append(host.sh("echo done").text)
            except NodeprovError as error:
                said.append(str(error))

    started = [threading.Thread(target=run) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return said


@pytest.mark.parametrize(
    ("allowed", "held", "threads"),
    [(1, False, 1), (1, False, 3), (2, True, 1), (2, True, 4), (2, False, 6), (3, True, 4)],
)
def test_commands_wait_for_their_turn(tmp_path: Path, allowed: int, held: bool, threads: int) -> None:
    with serving(tmp_path, Manners(max_sessions=allowed)) as server:
        host = server.host()
        lock = host.hold(HOLDING) if held else None
        assert run_many(host, threads, 12 // threads) == ["done\n"] * (12 // threads * threads)
        if lock:
            assert not lock.ended
            lock.release()
        assert host.sh("echo after").text == "after\n"
        host.close()
        assert server.refused_sessions or threads == 1
        assert len(server.peers) == 1


def test_an_upload_waits_for_its_turn(tmp_path: Path) -> None:
    with serving(tmp_path, Manners(max_sessions=2)) as server:
        host = server.host()
        lock = host.hold(HOLDING)
        (tmp_path / "source").write_bytes(b"x" * (3 << 20))
        for number in range(5):
            host.upload([(tmp_path / "source", f"copy{number}")], str(tmp_path / "to"))
        lock.release()
        host.close()
        assert (tmp_path / "to" / "copy4").stat().st_size == 3 << 20


def test_one_session_is_too_few_where_one_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LAG_SECONDS", 0.3)
    with serving(tmp_path, Manners(max_sessions=1)) as server:
        host = server.host()
        lock = host.hold(HOLDING)
        with pytest.raises(NodeprovError, match="allows 1 session on a connection, and 2 are needed") as caught:
            host.sh("true")
        assert caught.value.where == "worker1 (127.0.0.1)"
        assert "MaxSessions 2" in caught.value.hint
        lock.release()
        assert host.sh("echo after").text == "after\n"
        host.close()


def test_a_server_without_sessions_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LAG_SECONDS", 0.3)
    with serving(tmp_path, Manners(max_sessions=0)) as server:
        host = server.host()
        with pytest.raises(NodeprovError, match="the server opens no session: ") as caught:
            host.sh("true")
        assert "MaxSessions" in caught.value.hint
        host.close()


def test_a_command_that_ends_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a command of ours runs, it can make room; only after that the time counts."""
    monkeypatch.setattr(sessions, "LAG_SECONDS", 0.3)
    with serving(tmp_path, Manners(max_sessions=1)) as server:
        host = server.host()
        host.sh("true")
        long = threading.Thread(target=host.sh, args=("sleep 1.5",))
        long.start()
        assert run_many(host, 2, 2) == ["done\n"] * 4
        long.join()
        host.close()
