"""A node that vanishes in the middle of a command: whatever was its last byte, a run is told so in time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh import host as ssh_host
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import parse
from tests.adversaries.hostile_node import HostileNode, answering, saying

PATIENCE_SECONDS = 3
LAST_BYTES = 700
"""Of a command, at the end of a connection: the login's answer, the channel's, the command's."""
STEP_BYTES = 25  # less than the shortest of its messages
OVERDUE_SECONDS = 30


@dataclass
class Wire:
    """One connection to a node that carries so many of its bytes; then it is cut, or only carries no more."""

    node: HostileNode
    bytes_left: int
    is_cut: bool
    carried: int = 0

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]

    @contextlib.contextmanager
    def laid(self) -> Iterator[Wire]:
        """Carry one connection."""
        threading.Thread(target=self._carry, daemon=True).start()
        try:
            yield self
        finally:
            self._over.set()
            self._door.close()

    def host(self) -> SshHost:
        """The node at this wire's end."""
        folder = self.node.identity.parent / str(self.port)
        folder.mkdir()
        known = folder / "known_hosts"
        known.write_text(self.node.known_hosts.read_text().replace(f"]:{self.node.port}", f"]:{self.port}"))
        node = parse(self.node.inventory(folder).read_text(), "inventory").nodes[0]
        ssh = replace(
            node.ssh,
            port=self.port,
            known_hosts=str(known),
            connect_timeout_seconds=PATIENCE_SECONDS,
            command_timeout_seconds=PATIENCE_SECONDS,
        )
        return SshHost("worker1", ssh)

    def _carry(self) -> None:
        with contextlib.suppress(OSError):
            here, _ = self._door.accept()
            there = socket.create_connection(("127.0.0.1", self.node.port))
            with here, there:
                threading.Thread(target=self._forth, args=(here, there), daemon=True).start()
                while (chunk := there.recv(1 << 16)) and self.bytes_left > 0:
                    here.sendall(chunk[: self.bytes_left])
                    self.bytes_left -= len(chunk)
                    self.carried += len(chunk)
                if not self.is_cut:
                    self._over.wait(2 * OVERDUE_SECONDS)

    def _forth(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := here.recv(1 << 16):
                there.sendall(chunk)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[HostileNode]:
    with answering(HostileNode(tmp_path, saying(b"well\n"))) as node:
        yield node


def said_over(wire: Wire) -> str:
    """What a command over this wire printed, or the error that it ended with."""
    with wire.laid():
        host = wire.host()
        try:
            return host.sh("true").text
        except NodeprovError as error:
            return f"{error.message} ({error.hint})"
        finally:
            host.close()


def all_said(wires: Sequence[Wire]) -> dict[int, str]:
    """What was said over each, by its end, at the same time; a thread that hangs does not keep the test."""
    said: dict[int, str] = {}

    def ask(end: int, wire: Wire) -> None:
        said[end] = said_over(wire)

    threads = [threading.Thread(target=ask, args=(wire.bytes_left, wire), daemon=True) for wire in wires]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + OVERDUE_SECONDS
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return said


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "silent"])
def test_a_command_ends_in_time_whatever_was_the_last_byte_of_its_node(
    monkeypatch: pytest.MonkeyPatch, node: HostileNode, *, is_cut: bool
) -> None:
    monkeypatch.setattr(ssh_host, "GRACE_SECONDS", PATIENCE_SECONDS)
    whole = Wire(node, 1 << 20, is_cut=True)
    assert said_over(whole) == "well\n"
    ends = [whole.carried * eighth // 8 for eighth in range(8)]
    ends += range(whole.carried - LAST_BYTES, whole.carried - STEP_BYTES, STEP_BYTES)
    said = all_said([Wire(node, end, is_cut=is_cut) for end in ends])
    assert [end for end in ends if end not in said] == [], "these were still waiting"
    assert all("(" in each for end, each in said.items() if end < whole.carried - LAST_BYTES // 2), said
    if not is_cut:
        for words in ("stopped answering", "no session in time", "no answer within"):
            assert any(words in each for each in said.values()), (words, said)
