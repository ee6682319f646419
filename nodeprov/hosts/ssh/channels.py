"""A command on a channel: its input, its outputs, its end; and a limit that paramiko lacks.

It reaches into a private of paramiko (held against 4.0.0 and 5.1.0), which an upgrade may rename: `Channel.event`,
which the answer to a request sets.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from paramiko import Channel, SSHException  # noqa: TID251

from nodeprov.hosts.base import FIRST_LINE_BYTES, LARGEST_OUTPUT_BYTES, Output, heartbeat

CHUNK_BYTES = 1 << 20
PIECE_BYTES = 1 << 16
LARGEST_BANNER_BYTES = 1 << 20
"""The most that a login shell may print before the script begins that is to be held."""
HOLD_TIMEOUT_SECONDS = 60


class TooMuchError(Exception):
    """A command printed more than is read."""


@contextlib.contextmanager
def _closed_after(seconds: float, channel: Channel) -> Iterator[None]:
    """Close a channel, and raise TimeoutError, where this takes too long: each byte would restart a timeout."""
    late = threading.Event()

    def close() -> None:
        late.set()
        with contextlib.suppress(SSHException, OSError, EOFError):  # the connection may be gone too
            channel.close()

    timer = threading.Timer(seconds, close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError


class HeldChannel:
    """A command that runs until its standard input ends; `opening` is what it reads first.

    Raises TimeoutError if its first line does not come in time.
    """

    def __init__(self, channel: Channel, opening: bytes, mark: str, heartbeat_seconds: float) -> None:
        self._channel = channel
        channel.settimeout(HOLD_TIMEOUT_SECONDS)
        with _closed_after(HOLD_TIMEOUT_SECONDS, channel):
            channel.sendall(opening)
            lines, left = channel.makefile("rb"), LARGEST_BANNER_BYTES
            while left > 0 and (line := lines.readline(left)):
                left -= len(line)
                if line.endswith(f"{mark}\n".encode()):
                    break
            self.first_line = lines.readline(FIRST_LINE_BYTES).decode(errors="replace").strip()
        self._over = heartbeat(self.say, heartbeat_seconds)

    @property
    def ended(self) -> bool:
        """Return whether the command or its connection has ended."""
        return self._channel.exit_status_ready() or self._channel.closed

    def say(self, line: str) -> None:
        """Write a line to its standard input, if it still runs."""
        with contextlib.suppress(SSHException, OSError):
            self._channel.sendall(f"{line}\n".encode())

    def release(self) -> None:
        """End the script's standard input and wait for its end."""
        self._over.set()
        with contextlib.suppress(SSHException, OSError):
            self._channel.shutdown_write()
            self._channel.status_event.wait(HOLD_TIMEOUT_SECONDS)
            self._channel.close()


def send(channel: Channel, chunks: Iterable[bytes], on_sent: Callable[[int], None] = lambda _sent: None) -> None:
    """Send all of standard input; if a command ends without reading it, its output shows why."""
    sent = 0
    for chunk in chunks:
        try:
            _send_all(channel, chunk)
        except TimeoutError:
            raise
        except OSError:  # it reads no more
            return
        sent += len(chunk)
        on_sent(sent)
    with contextlib.suppress(OSError):
        channel.shutdown_write()


def _send_all(channel: Channel, content: bytes) -> None:
    """Send it in pieces: for each packet of 32 KiB `sendall` copies all that is left; 56 MB took 44 s by it."""
    for start in range(0, len(content), PIECE_BYTES):
        channel.sendall(content[start : start + PIECE_BYTES])


def read_output(channel: Channel, deadline: float) -> Output:
    """Read what a command prints until it ends.

    Both outputs at once: the window of a channel is one, and who fills the one would block the other.
    Raises TimeoutError or EOFError if the end is not seen, TooMuchError if there is none in sight.
    """
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(_drain, channel.recv_stderr, channel, deadline)
        stdout = _drain(channel.recv, channel, deadline)
        stderr = reading.result()
    # Its outputs have ended; its status may never come.
    if not channel.status_event.wait(max(0.001, deadline - time.monotonic())):
        raise TimeoutError
    status = channel.recv_exit_status()
    if status < 0:  # paramiko's word for a channel that closed without one
        raise EOFError
    return Output(status, stdout, stderr)


def _drain(receive: Callable[[int], bytes], channel: Channel, deadline: float) -> bytes:
    chunks, left = [], LARGEST_OUTPUT_BYTES
    try:
        while chunk := receive(CHUNK_BYTES):
            chunks.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise TooMuchError
            channel.settimeout(max(0.001, deadline - time.monotonic()))
    except BaseException:
        channel.close()  # ends the other reader too
        raise
    return b"".join(chunks)


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
