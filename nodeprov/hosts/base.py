"""What a host is: a Reader answers questions and cannot write; a Host can."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, Generic, Protocol, TypeVar

from nodeprov.errors import CommandFailed, NodeprovError
from nodeprov.redaction import redacted
from nodeprov.states import FileState, TreeState
from nodeprov.templates import render

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)

COMMAND_TIMEOUT_SECONDS = 60.0
COMMAND_SETTING = "[ssh] command_timeout_seconds"
"""What gives a node more time for a command."""
TIMED_OUT = 124
"""The status of timeout(1) for a command that it has ended."""
FENCED_STATUS, FENCED_MARK = 75, "nodeprov: this node was taken over by"
"""The status of a command that was not begun, as its run has lost the node's lock; and what it prints first."""
HEARTBEAT = "here"
"""The line by which what a node holds for us hears that this process still runs."""

Guard = Callable[[], str]
"""Write the lines that every script begins with."""
Progress = Callable[[str, int, int], None]
"""Called with what is uploaded, the bytes done and the bytes in all."""
LARGEST_OUTPUT_BYTES = 64 << 20
"""The limit on what one command prints: a cluster of thousands of nodes prints half of it."""
FIRST_LINE_BYTES = 500
"""The most that is read of the first line of a script that is held: it reports whether that is ready."""
_LINE_CHARACTERS = 300
_OF_CLIENT_GO = r"[IWE]\d{4} [\d:.]+ +\d+ \S+\.go:\d+\] "
"""What kubectl's library logs on the way, once for each attempt; what follows says the same for people."""
_IN_VAIN = "timed out waiting for the condition"
"""All that kubectl says for people where it waits and cannot look; its log says why (tools/cache/reflector.go)."""
_LOGGED_ERROR = r'err="((?:[^"\\]|\\.)*)"'
_SAID_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed and how it ended."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are kept visible."""
        return self.stdout.decode(errors="backslashreplace")

    @property
    def said(self) -> str:
        """The last lines of what the program complained of, for a message, without secrets that it may quote."""
        lines = (self.stderr or self.stdout)[-_SAID_BYTES:].decode(errors="backslashreplace").strip().splitlines()
        told = dict.fromkeys(line.strip() for line in redacted("\n".join(_for_people(lines))).splitlines())
        return "; ".join(_shortened(line) for line in [*told][-3:])


def _for_people(lines: list[str]) -> list[str]:
    """Leave out what kubectl's library logs, but for the errors that nothing else tells."""
    told = [line for line in lines if not re.match(_OF_CLIENT_GO, line)]
    if not all(_IN_VAIN in line for line in told):
        return told
    logged = [found[1] for line in lines if (found := re.search(_LOGGED_ERROR, line))]
    return [*(each.replace('\\"', '"') for each in logged), *told] or lines


@dataclass(frozen=True, slots=True)
class Script(Generic[A]):
    """A POSIX shell script as a value; it runs as root in a shell of its own.

    Args:
        name: distinguishes it from all others, for whoever shows it or only rehearses it.
        text: the script itself.
        read: makes of its output what the caller wants to know; may raise NodeprovError.
        when_well: what it prints to standard output where all goes well, as far as anybody reads it.
    """

    name: str
    text: str
    read: Callable[[Output], A]
    when_well: bytes = b""


def plain(name: str, text: str, *, when_well: bytes = b"") -> Script[Output]:
    """Name a script whose output is taken as it is."""
    return Script(name, text, _as_it_is, when_well)


def rendered(template: str, *, when_well: bytes = b"", **values: Any) -> Script[Output]:
    """Render a template as a script of the template's name, whose output is taken as it is."""
    name = PurePosixPath(template).name.removesuffix(".sh.j2")
    return plain(name, render(template, **values), when_well=when_well)


def _as_it_is(output: Output) -> Output:
    return output


class Query(Protocol[A_co]):
    """A question that changes nothing: a POSIX shell script that only reads, and how to understand its output."""

    @property
    def script(self) -> str:
        """The script; it runs as root in a shell of its own."""

    def parse(self, output: Output) -> A_co:
        """Understand what the script printed."""


class Reader(Protocol):
    """A host as planning sees it: it can be asked, and cannot be changed."""

    name: str
    """The node's name, for messages."""

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """Answer all the queries, in their order, in one round trip."""


class Held(Protocol):
    """A script that goes on until it is released; it ends also when we do."""

    first_line: str
    """What it printed when it was ready; empty when it ended at once."""

    @property
    def ended(self) -> bool:
        """Tell whether it has ended on its own, or the connection to it has."""

    def say(self, line: str) -> None:
        """Write a line to its standard input; one that has ended hears nothing."""

    def release(self) -> None:
        """End its standard input and wait for its end."""


@dataclass
class NothingHeld:
    """What holds no script, for hosts on which none runs; it never ends on its own."""

    first_line: str = "held"
    ended: bool = False

    def say(self, line: str) -> None:
        """Nothing hears it."""

    def release(self) -> None:
        """Nothing to end."""


class Host(Reader, Protocol):
    """A host that can be changed. Every write is complete and on disk before its name shows it."""

    def write_file(self, path: str, state: FileState) -> None:
        """Replace a file, or make it and its folders."""

    def write_link(self, path: str, target: str) -> None:
        """Replace a symbolic link by one rename, or make it and its folders."""

    def write_tree(self, path: str, state: TreeState, source: Path) -> TreeState | None:
        """Upload a tree from this machine, verify it there, and rename it into place; return what is there."""

    def remove(self, path: str, *, below: str = "") -> None:
        """Remove a file, link or tree if it is there, and the folders strictly below `below` it leaves empty."""

    def run(self, script: Script[A], *, stdin: bytes = b"", timeout_seconds: float | None = None) -> A:
        """Run a script as root, wait for its end, whatever its status, and return what it reads of its output."""

    def hold(self, script: Script[Any], *, heartbeat_seconds: float = 0) -> Held:
        """Start a script as root that goes on until its standard input ends; wait for its first line.

        It gets a line of its own, `here`, every `heartbeat_seconds`, unless they are 0.
        """

    def guard(self, guard: Guard | None) -> None:
        """Have every script begin with what a guard returns; raise NodeprovError where that ends it as fenced."""

    def watch_uploads(self, progress: Progress | None) -> None:
        """Call something after each chunk of each upload; what it raises ends the upload."""

    def close(self) -> None:
        """Let go of the connection, if there is one."""


def heartbeat(say: Callable[[str], None], seconds: float) -> threading.Event:
    """Send HEARTBEAT every so many seconds, unless they are 0, until the event is set.

    In a thread of its own: a run may do something else for long.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds):
            say(HEARTBEAT)

    if seconds:
        threading.Thread(target=beat, daemon=True).start()
    return over


def _shortened(line: str) -> str:
    return line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}..."


def longer(setting: str) -> str:
    """Name the setting that would give something more time; nothing if there is none."""
    return f" (to wait longer: {setting})" if setting else ""


def ended_late(output: Output, timeout_seconds: float, setting: str) -> Output:
    """Report that a command was ended because it took too long, and which setting would give it more time."""
    late = f"it did not end within {timeout_seconds:.0f} s and was ended{longer(setting)}\n"
    return Output(TIMED_OUT, output.stdout, output.stderr + late.encode())


def too_much(where: str) -> NodeprovError:
    """Report that a command was cut off because it printed without end."""
    return NodeprovError(
        f"a command printed more than {LARGEST_OUTPUT_BYTES >> 20} MiB and was cut off",
        "see which one with -vv, and run it there by hand",
        where=where,
    )


def check(output: Output, doing: str, *, where: str, hint: str = "") -> Output:
    """Return `output` if the program ended well; raise CommandFailed, saying what was being done, if not."""
    if output.returncode == 0:
        return output
    raise CommandFailed(
        f"{doing}: exit status {output.returncode}: {output.said or 'it printed nothing'}",
        hint,
        where=where,
        returncode=output.returncode,
        stderr=output.stderr.decode(errors="backslashreplace"),
    )


class Place(Enum):
    """Where a resource lives."""

    NODE = "node"
    CLUSTER = "cluster"


Readers = Mapping[Place, Reader]
Hosts = Mapping[Place, Host]
"""What a run against one node needs: the node, and for its cluster the machine that runs kubectl."""
