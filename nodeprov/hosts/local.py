"""This machine as a host, and the only place that starts its programs."""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess  # noqa: TID251  the one place
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import (
    COMMAND_TIMEOUT_SECONDS,
    FIRST_LINE_BYTES,
    LARGEST_OUTPUT_BYTES,
    TIMED_OUT,
    Held,
    Output,
    Script,
    check,
    ended_late,
    heartbeat,
    too_much,
)
from nodeprov.hosts.shell import UPLOAD_TIMEOUT_SECONDS, ShellHost

_CHUNK_BYTES = 1 << 16
_LAST_WORDS_SECONDS = 0.5
"""What a program gets to end on its own when its connection has ended."""


class LateError(NodeprovError):
    """A program did not end in time."""


class LocalHost(ShellHost):
    """This machine, or the one around this container; `setting` is what gives its commands more time.

    `enter` is a command before each shell, such as nsenter, by which that sees another machine's files and
    processes.
    """

    def __init__(
        self,
        name: str = "localhost",
        *,
        timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
        setting: str = "",
        enter: Sequence[str] = (),
    ) -> None:
        super().__init__(name)
        self.command_timeout_seconds = timeout_seconds
        self.command_setting = setting
        self._shell = (*enter, "sh", "-c")

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        """Run a script with sh."""
        return self._execute(script, io.BytesIO(stdin), timeout_seconds)

    def upload_file(self, source: Path, script: str, on_sent: Callable[[int], None]) -> Output:
        """Stream a file to `cat`, whose files another machine's may be."""
        with source.open("rb") as file:
            output = self._execute(script, file, UPLOAD_TIMEOUT_SECONDS)
        if output.returncode == 0:
            on_sent(source.stat().st_size)
        return output

    def hold(self, script: Script[Any], *, heartbeat_seconds: float = 0) -> Held:
        """Start a script that goes on until its standard input ends."""
        self.on_command(self.name, script)
        return _HeldProgram([*self._shell, script.text], heartbeat_seconds)

    def _execute(self, script: str, stdin: IO[bytes], timeout_seconds: float) -> Output:
        try:
            return run_program([*self._shell, script], stdin=stdin, timeout_seconds=timeout_seconds)
        except LateError:
            return ended_late(Output(TIMED_OUT, b"", b""), timeout_seconds, self.setting_of(timeout_seconds))
        except NodeprovError as error:
            error.where = self.name
            raise


class _HeldProgram:
    def __init__(self, argv: Sequence[str], heartbeat_seconds: float) -> None:
        self._process = _start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.first_line = self._process.stdout.readline(FIRST_LINE_BYTES).decode(errors="replace").strip()
        self._over = heartbeat(self.say, heartbeat_seconds)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def release(self) -> None:
        self._over.set()
        self._process.communicate()


def _start(
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    stdin: int,
    stdout: int,
    stderr: int | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; raise NodeprovError when it cannot be."""
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **environment} if environment else None,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise NodeprovError(f"cannot run {argv[0]}: {error.strerror}", f"is {argv[0]} installed?") from None


def run_program(
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] = b"",
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Output:
    """Run a program of this machine to its end, whatever its status; `environment` is added to ours.

    Raises NodeprovError when it cannot be started, LateError when it does not end in time; then its process group
    is ended.
    """
    process = _start(
        argv, environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, folder=folder
    )
    try:
        given = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        stdout, stderr = _communicate(process, given, timeout_seconds)
    except BaseException as error:
        end_process_group(process.pid)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        process.wait()
        raise LateError(f"{argv[0]} did not end within {timeout_seconds:.0f} s") from None
    return Output(process.returncode, stdout, stderr)


def _communicate(
    process: subprocess.Popen[bytes], stdin: IO[bytes], timeout_seconds: float
) -> tuple[bytes, bytes]:
    """Do as Popen.communicate does, and end a program that prints without end."""
    deadline = time.monotonic() + timeout_seconds
    assert process.stdin is not None
    streams = [_Stream(each, process.pid) for each in (process.stdout, process.stderr) if each is not None]
    writer = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
    for thread in (writer, *streams):
        thread.start()
    for thread in (*streams, writer):
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            raise subprocess.TimeoutExpired(process.args, timeout_seconds)
    process.wait(max(0.001, deadline - time.monotonic()))
    if any(stream.is_cut for stream in streams):
        raise too_much("localhost")
    stdout, stderr = (bytes(stream.content) for stream in streams)
    return stdout, stderr


class _Stream(threading.Thread):
    """Reads what a program prints; one that prints without end is ended."""

    def __init__(self, stream: IO[bytes], pid: int) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._pid = pid
        self.content = bytearray()
        self.is_cut = False

    def run(self) -> None:
        with self._stream as stream:
            while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
                self.content += chunk
                if len(self.content) > LARGEST_OUTPUT_BYTES:
                    self.is_cut = True
                    end_process_group(self._pid)
                    return


def _feed(stream: IO[bytes], content: IO[bytes]) -> None:
    """Hand a program its input; one that reads no more shows why in its output."""
    with contextlib.suppress(BrokenPipeError), stream:
        shutil.copyfileobj(content, stream)


def run_checked(
    argv: Sequence[str],
    doing: str,
    *,
    stdin: bytes = b"",
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run a program and return what it printed; raise CommandFailed, naming what was being done, if it fails."""
    output = run_program(
        argv, stdin=stdin, timeout_seconds=timeout_seconds, environment=environment, folder=folder
    )
    return check(output, doing, where="localhost").text


def run_streamed(argv: Sequence[str], on_line: Callable[[str], None], *, environment: Mapping[str, str]) -> int:
    """Run a program and hand on each line that it prints, errors too, as it comes; return its exit status.

    `environment` is added to ours. An interruption ends its process group.
    """
    process = _start(argv, environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            on_line(line.decode(errors="replace").rstrip())
        return process.wait()
    except BaseException:
        end_process_group(process.pid)
        raise


def start_daemon(argv: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> int:
    """Start a program in a session of its own, its output in a file; return its process id."""
    with log.open("ab") as out:
        file = out.fileno()
        return _start(argv, environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file).pid


class Relay:
    """A program that carries a connection on its standard streams; it is used as a socket.

    Not paramiko's ProxyCommand: that reads on without a pause when the program has ended, and keeps to itself what
    it complained of.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start it; raise NodeprovError if that cannot be done.

        It stays in our session: one that asks for a passphrase does so on our terminal.
        """
        self._socket, theirs = socket.socketpair()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the program runs
        try:
            end = theirs.fileno()
            self._process = subprocess.Popen(argv, stdin=end, stdout=end, stderr=self._complaints)
        except OSError as error:
            raise NodeprovError(f"cannot run {argv[0]}: {error.strerror}", "look at ProxyCommand") from None
        finally:
            theirs.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def ended(self) -> Output:
        """End it, and tell how it ended, and what it complained of."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_SECONDS)
        self.close()
        self._complaints.seek(0)
        return Output(self._process.wait(), b"", self._complaints.read(LARGEST_OUTPUT_BYTES))

    def close(self) -> None:
        """Close the connection, and end it."""
        self._socket.close()
        self._process.terminate()


def run_attached(argv: Sequence[str]) -> int:
    """Run a program on our own standard streams; return its exit status."""
    return subprocess.call(argv)


def end_process_group(pid: int) -> None:
    """Kill a process group that we started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
