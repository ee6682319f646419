"""What a server can do against the limits stands in tests/adversaries/test_hostile_node.py."""

from __future__ import annotations

import threading
from typing import cast

from paramiko import Channel  # noqa: TID251  what is reached into is paramiko's own

from nodeprov.hosts.ssh.channels import PIECE_BYTES, send


def test_paramiko_has_the_privates_that_are_reached_into() -> None:
    assert isinstance(Channel(0).event, threading.Event)


class _Kept:
    """Keeps what it is given, as a channel that takes all at once."""

    def __init__(self) -> None:
        self.given: list[bytes] = []
        self.has_ended = False

    def sendall(self, content: bytes) -> None:
        self.given.append(content)

    def shutdown_write(self) -> None:
        self.has_ended = True


def test_a_long_input_goes_in_pieces_as_paramiko_copies_all_that_is_left_for_each_packet() -> None:
    kept, content, told = _Kept(), bytes(range(256)) * 4096, list[int]()
    send(cast("Channel", kept), [content[:10], content[10:]], told.append)
    assert b"".join(kept.given) == content
    assert max(map(len, kept.given)) <= PIECE_BYTES
    assert (told, kept.has_ended) == ([10, len(content)], True)
