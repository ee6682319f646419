"""What goes through a channel: a command's input, its outputs, and its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

from paramiko import Channel, SSHException  # noqa: TID251

from nodeprov.hosts.base import Output
from nodeprov.hosts.heartbeat import Heartbeat

CHUNK_BYTES = 1 << 20
HOLD_TIMEOUT_SECONDS = 60


class HeldChannel:
    """A command that goes on until its standard input ends."""

    def __init__(self, channel: Channel, mark: str, heartbeat_seconds: float) -> None:
        self._channel = channel
        channel.settimeout(HOLD_TIMEOUT_SECONDS)
        lines = channel.makefile("rb")
        for line in lines:
            if line.endswith(f"{mark}\n".encode()):
                break
        self.first_line = lines.readline().decode(errors="replace").strip()
        self._heartbeat = Heartbeat(self.say, heartbeat_seconds)

    @property
    def ended(self) -> bool:
        """Tell whether it has ended by itself, or the connection to it has."""
        return self._channel.exit_status_ready() or self._channel.closed

    def say(self, line: str) -> None:
        """Write a line to its standard input; one that has ended hears nothing."""
        with contextlib.suppress(SSHException, OSError):
            self._channel.sendall(f"{line}\n".encode())

    def release(self) -> None:
        """End the script's standard input and wait for its end."""
        self._heartbeat.stop()
        with contextlib.suppress(SSHException, OSError):
            self._channel.shutdown_write()
            self._channel.status_event.wait(HOLD_TIMEOUT_SECONDS)
            self._channel.close()


def send(channel: Channel, chunks: Iterable[bytes], on_sent: Callable[[int], None] = lambda _sent: None) -> None:
    """Send all of standard input; a command that ended without reading it says why by its output."""
    sent = 0
    for chunk in chunks:
        try:
            channel.sendall(chunk)
        except TimeoutError:
            raise
        except OSError:  # it reads no more
            return
        sent += len(chunk)
        on_sent(sent)
    with contextlib.suppress(OSError):
        channel.shutdown_write()


def finished(channel: Channel, deadline: float) -> Output:
    """Read what a command prints until it ends; raise TimeoutError or EOFError if that is not seen."""
    stdout = _drain(channel.recv, channel, deadline)
    stderr = _drain(channel.recv_stderr, channel, deadline)
    status = channel.recv_exit_status()
    if status < 0:  # paramiko's word for a channel that closed without one
        raise EOFError
    return Output(status, stdout, stderr)


def _drain(receive: Callable[[int], bytes], channel: Channel, deadline: float) -> bytes:
    chunks = []
    while chunk := receive(CHUNK_BYTES):
        chunks.append(chunk)
        channel.settimeout(max(0.001, deadline - time.monotonic()))
    return b"".join(chunks)
