"""Limits that paramiko lacks, set by reaching into two of its privates.

Held against paramiko 4.0.0 and 5.1.0. An upgrade may rename what is used here: `Packetizer._read_timeout`, which
reads the server's first line, and `Channel.event`, which the answer to a request sets.
"""

from __future__ import annotations

import threading

from paramiko import Channel, SSHException, Transport  # noqa: TID251

LARGEST_GREETING_BYTES = 64 << 10


def limit_greeting(transport: Transport) -> None:
    """Keep a server from greeting without end: paramiko gathers its first line in memory."""
    packetizer = transport.packetizer
    read, left = packetizer._read_timeout, LARGEST_GREETING_BYTES  # type: ignore[attr-defined]

    def limited(timeout: float) -> bytes:
        nonlocal left
        chunk: bytes = read(timeout)
        left -= len(chunk)
        if left < 0:
            raise SSHException(f": it greets with more than {LARGEST_GREETING_BYTES >> 10} KiB")
        return chunk

    packetizer._read_timeout = limited  # type: ignore[attr-defined]


def exec_command(channel: Channel, line: str, timeout_seconds: float) -> None:
    """Have a command line run; raise SSHException, as open_session does, if the server does not answer in time.

    paramiko would wait for the answer without end, also when the connection is gone already (its issue 2599).
    """
    channel.event = _LimitedEvent(timeout_seconds)
    try:
        channel.exec_command(line)
    except TimeoutError:
        channel.close()
        raise SSHException("Timeout opening channel.") from None


class _LimitedEvent(threading.Event):
    """An event that is waited for no longer than so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        if not super().wait(self._seconds if timeout is None else timeout):
            raise TimeoutError
        return True
