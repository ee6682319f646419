"""A host that has a POSIX shell: everything but the transport, which local.py and ssh.py bring."""

import base64
import hashlib
import posixpath
import secrets
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from nodeprov.errors import MALFORMED, NodeprovError, TakenOver, not_understood
from nodeprov.hosts.base import (
    COMMAND_TIMEOUT_SECONDS,
    FENCED_MARK,
    FENCED_STATUS,
    TIMED_OUT,
    A,
    Guard,
    Host,
    Output,
    Progress,
    Query,
    Script,
    check,
    plain,
    rendered,
)
from nodeprov.hosts.timings import UPLOAD, Timings, phase_of
from nodeprov.hosts.trees import parse_tree, tree_text
from nodeprov.states import FileState, TreeState
from nodeprov.templates import as_it_is

_MARK = "@nodeprov"
_SCRIPT = "{{ script }}"

UPLOAD_TIMEOUT_SECONDS = 600.0

OnCommand = Callable[[str, Script[Any]], None]
"""Called with a host's name and the script that is about to run there."""
OnEnded = Callable[[str, str], None]
"""Called with a host's name, and with what a script was for that has ended there, by the thread that ran it."""


class ShellHost(Host, ABC):
    """Reads and writes by rendered shell scripts; subclasses say how a script and a file get there."""

    command_timeout_seconds = COMMAND_TIMEOUT_SECONDS
    command_setting = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_command: OnCommand = lambda _name, _script: None
        self.on_ended: OnEnded = lambda _name, _what: None
        self.timings: Timings | None = None
        self._guard: Guard | None = None
        self._progress: Progress | None = None

    @abstractmethod
    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        """Run a script as root; raise NodeprovError if it cannot be started or does not end in time."""

    @abstractmethod
    def upload_file(self, source: Path, script: str, on_sent: Callable[[int], None]) -> Output:
        """Give a script a file of this machine on standard input; report the bytes that were sent so far."""

    def close(self) -> None:
        """Let go of the connection, if there is one."""

    def run(self, script: Script[A], *, stdin: bytes = b"", timeout_seconds: float | None = None) -> A:
        """Run a script as root, wait for its end, whatever its status, and return what it reads of its output."""
        return self._run(script, script.name, stdin, timeout_seconds)

    def _run(self, script: Script[A], phase: str, stdin: bytes = b"", timeout_seconds: float | None = None) -> A:
        with self._running(script, phase):
            output = self.execute(
                self.guarded(script.text), stdin, timeout_seconds or self.command_timeout_seconds
            )
        return script.read(self.unfenced(output))

    def measured(self, phase: str) -> AbstractContextManager[None]:
        """Measure what is done inside, if anybody wants to know."""
        return self.timings.measured(self.name, phase) if self.timings else nullcontext()

    @contextmanager
    def _running(self, script: Script[Any], phase: str) -> Iterator[None]:
        """Say what is about to run, and that it has ended."""
        self.on_command(self.name, script)
        try:
            with self.measured(phase):
                yield
        finally:
            self.on_ended(self.name, phase)

    def sh(self, text: str, *, stdin: bytes = b"", timeout_seconds: float | None = None) -> Output:
        """Run a script that is no value of its own."""
        return self.run(plain("sh", text), stdin=stdin, timeout_seconds=timeout_seconds)

    def guarded(self, script: str) -> str:
        """Put what the guard returns before a script."""
        return self._guard() + script if self._guard is not None else script

    def unfenced(self, output: Output) -> Output:
        """Return `output`; raise TakenOver if the guard has ended the script."""
        if output.returncode != FENCED_STATUS or not output.stderr.startswith(FENCED_MARK.encode()):
            return output
        error = taken_over(output.said.removeprefix(FENCED_MARK).strip())
        error.where = self.name
        raise error

    def guard(self, guard: Guard | None) -> None:
        """Have every script begin with what a guard returns."""
        self._guard = guard

    def watch_uploads(self, progress: Progress | None) -> None:
        """Call something after each chunk of each upload; what it raises ends the upload."""
        self._progress = progress

    def upload(self, files: Sequence[tuple[Path, str]], folder: str) -> None:
        """Copy files of this machine, as root's, below a folder that exists; the names below it are given."""
        total, done = sum(source.stat().st_size for source, _ in files), 0
        for source, name in files:
            path = posixpath.join(folder, name)
            script = upload_script(path)
            report = partial(self._uploaded, name, done, total)
            with self._running(script, UPLOAD):
                output = self.unfenced(self.upload_file(source, self.guarded(script.text), report))
            check(output, f"cannot upload {path}", where=self.name, hint=remedy(output.said))
            done += source.stat().st_size

    def _uploaded(self, name: str, before: int, total: int, sent: int) -> None:
        if self._progress is not None:
            self._progress(name, before + sent, total)

    def setting_of(self, timeout_seconds: float) -> str:
        """Name the setting that would give a command more time; "" if it has a time of its own."""
        return self.command_setting if timeout_seconds == self.command_timeout_seconds else ""

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """Answer all the queries in one round trip.

        Each script's output travels as one base64 line behind a mark, so that neither a login shell's banner
        nor the bytes of a file can be taken for something else.
        """
        if not queries:
            return []
        output = self._run(ask_script(queries), phase_of(queries))
        if output.returncode == TIMED_OUT:
            raise NodeprovError(f"cannot be read: {output.said}", "is it busy? try again", where=self.name)
        frames = [_unframed(line) for line in output.stdout.splitlines() if line.startswith(_MARK.encode() + b" ")]
        if len(frames) != len(queries) or None in frames:
            raise NodeprovError(
                f"the node's shell answered {len(frames) - frames.count(None)} of {len(queries)} questions: "
                f"{output.said}",
                "log in and see whether `sh`, `base64` and `stat` work there",
                where=self.name,
            )
        answers = []
        for query, frame in zip(queries, frames, strict=True):
            assert frame is not None
            try:
                answers.append(query.parse(Output(*frame, output.stderr)))
            except NodeprovError as error:
                raise error.at(self.name) from None
            except MALFORMED as error:
                raise not_understood(error).at(self.name) from None
        return answers

    def write_file(self, path: str, state: FileState) -> None:
        """Write the file beside its place, bring it to the disk, and rename it."""
        script = rendered(
            "hosts/write-file.sh.j2",
            path=path,
            beside=_beside(path),
            mode=f"{state.mode:o}",
            owner=f"{state.uid}:{state.gid}",
            sha256=hashlib.sha256(state.content).hexdigest(),
        )
        self._change(script, f"cannot write {path}", stdin=state.content)

    def write_link(self, path: str, target: str) -> None:
        """Make the link beside its place and rename it."""
        script = rendered("hosts/write-link.sh.j2", path=path, beside=_beside(path), target=target)
        self._change(script, f"cannot make the link {path}")

    def write_tree(self, path: str, state: TreeState, source: Path) -> TreeState | None:
        """Upload into a private folder beside the place, verify every digest there, and rename it.

        What is returned has the modes that are there in the end, and the digests that were verified.

        Beside, because /tmp may be too small, cannot be renamed from, and need not be writable.
        """
        staging = _beside(path)
        doing = f"cannot install {path}"
        self._change(rendered("hosts/stage-tree.sh.j2", staging=staging), doing)
        try:
            self.upload([(source / entry.path, entry.path) for entry in state.entries], staging)
            values = {"path": path, "staging": staging, "entries": state.entries}
            script = rendered("hosts/write-tree.sh.j2", when_well=tree_text(state), **values)
            return parse_tree(self._change(script, doing, timeout_seconds=UPLOAD_TIMEOUT_SECONDS))
        except BaseException:
            self.run(rendered("hosts/remove.sh.j2", path=staging, beside=_beside(path), below=""))
            raise

    def remove(self, path: str, *, below: str = "") -> None:
        """Remove what lies at a path, and the folders strictly below `below` that this leaves empty."""
        script = rendered("hosts/remove.sh.j2", path=path, beside=_beside(path), below=below)
        self._change(script, f"cannot remove {path}")

    def _change(
        self, script: Script[Output], doing: str, *, stdin: bytes = b"", timeout_seconds: float | None = None
    ) -> Output:
        output = self.run(script, stdin=stdin, timeout_seconds=timeout_seconds)
        return check(output, doing, where=self.name, hint=remedy(output.said))


def ask_script(queries: Sequence[Query[Any]]) -> Script[Output]:
    """Make the one script that answers all the queries."""
    frame = as_it_is("hosts/ask.sh.j2")
    return plain("ask", "".join(["export LC_ALL=C\n", *(frame.replace(_SCRIPT, each.script) for each in queries)]))


def upload_script(path: str) -> Script[Output]:
    """Make the script that takes a file from its standard input into a folder that only root can enter."""
    folder = shlex.quote(posixpath.dirname(path))
    return plain("upload", f"umask 077; mkdir -p -- {folder} && cat > {shlex.quote(path)}")


def _unframed(line: bytes) -> tuple[int, bytes] | None:
    """Read a script's status and output out of its line; None if the line did not arrive whole."""
    try:
        body, _, status = base64.b64decode(line.split(b" ", 1)[1], validate=True).rpartition(b"\n")
        return int(status), body
    except ValueError:
        return None


def _beside(path: str) -> str:
    """Name a new place in the same folder; no containerd import glob (`*.toml`) matches it."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".{name}.nodeprov-{secrets.token_hex(4)}")


def taken_over(holder: str) -> TakenOver:
    """Report that another run has the node now."""
    return TakenOver(
        "this run was not heard of for too long, and another one has taken the node over: "
        f"{holder or 'it has ended'}",
        "leave the rest to that run; then look with nodeprov status, and run this again",
    )


def remedy(said: str) -> str:
    """Name what to do about an error of a node's disk; nothing if it is another one."""
    if "No space left" in said:
        return "free space there (df -h), or set [paths] prefix to a larger file system"
    if "nothing can be executed" in said:
        return "set [paths] prefix to a folder where programs may be executed (see noexec, fapolicyd, SELinux)"
    if "Read-only file system" in said:
        return "set [paths] prefix and bin to folders that can be written"
    return ""
