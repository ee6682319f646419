"""The flags that a release's runsc takes: the release itself is asked, before it is on any node."""

import mmap
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.local import run_program

Flags = tuple[tuple[str, str], ...]
"""Names without dashes, and their values."""

ASK_TIMEOUT_SECONDS = 10.0
WHY = "a flag that runsc does not take fails every sandbox, and the shim does not name it (gVisor: pkg/shim/v1)"
_HINT = "correct [runtime.flags] in the inventory; `runsc flags` lists what a release takes"
# A user namespace in which nobody is mapped leaves a program no capability once it is executed; in a root that is
# not its mount namespace's it can make no other one (user_namespaces(7)): it reaches no file, and no network.
_ROOM = ("env", "-i", "unshare", "-U", "-m", "-n", "-i", "-p", "-f", "-R")
_NEEDED_FILE, _CONTENT = "proc/sys/vm/mmap_min_addr", "65536\n"
"""What runsc reads when it starts, on every platform (pkg/sentry/platform/systrap, pkg/hostarch)."""
_LISTED = re.compile(r"^ +-([A-Za-z0-9_-]+)(?: |$)", re.MULTILINE)
_TAG = b'flag:"debug-log"'
"""A part of every runsc: the tag of a field of its configuration (runsc/config/config.go)."""


def flag_problems(
    program: Path, version: str, flags: Mapping[str, str], given: Mapping[str, str]
) -> Iterator[Problem]:
    """Find what a release's runsc refuses of the flags that it would get, of which `given` are the inventory's.

    It is asked on this machine, in a room without files and network. Where that cannot be, because it is for
    another processor, or this machine has no such rooms, a name that its bytes do not contain is refused; the
    proof on the node, before anything is visible, finds the rest.
    """
    if not given:
        return
    for said in _refusals(program, program.stat().st_mtime_ns, tuple(flags.items()), tuple(given)):
        yield Problem(f"gVisor {version} does not take [runtime.flags]: {said}", _HINT, WHY)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a runsc says of itself: its flags, and what `runsc --version` prints."""

    flags: frozenset[str]
    version: str


def answers_of(program: Path) -> Answers | None:
    """Ask a runsc, in a room without files and network; None if it does not answer on this machine."""
    with tempfile.TemporaryDirectory(prefix="nodeprov-") as folder:
        room = _Room.furnished(Path(folder), program)
        return Answers(room.names, _said(room.folder, (), "--version")) if room else None


def said_by(program: Path, *words: str) -> str:
    """Return what a runsc prints when it is asked in such a room; "" if it does not answer on this machine."""
    with tempfile.TemporaryDirectory(prefix="nodeprov-") as folder:
        room = _Room.furnished(Path(folder), program)
        return _said(room.folder, (), *words) if room else ""


@lru_cache(maxsize=64)
def _refusals(program: Path, _changed_ns: int, flags: Flags, given: tuple[str, ...]) -> tuple[str, ...]:
    """Ask a program once for all nodes that want the same flags of it."""
    with tempfile.TemporaryDirectory(prefix="nodeprov-") as folder:
        answers = _Room.furnished(Path(folder), program)
        return tuple(_unknown_names(program, given) if answers is None else answers.refusals(flags, given))


@dataclass(frozen=True, slots=True)
class _Room:
    """A root folder that has runsc alone, and the flags that it lists there."""

    folder: Path
    names: frozenset[str]

    @classmethod
    def furnished(cls, folder: Path, program: Path) -> "_Room | None":
        """Make one; None if the program does not answer there."""
        try:
            shutil.copy(program, folder / "runsc")
            (folder / "runsc").chmod(0o755)
            (folder / _NEEDED_FILE).parent.mkdir(parents=True)
            (folder / _NEEDED_FILE).write_text(_CONTENT)
            names = frozenset(_LISTED.findall(_said(folder, ())))
        except (OSError, NodeprovError):
            return None
        return cls(folder, names) if "platform" in names else None

    def refusals(self, flags: Flags, given: tuple[str, ...]) -> Iterator[str]:
        """Ask for all flags together; if they are refused, for each of the inventory alone, so that all are named.

        Alone only what Go's package flag says of it counts: two may be right together, and none of them alone.
        """
        together = self._refusal(flags)
        if not together:
            return
        wanted = dict(flags)
        alone = {name: self._refusal(((name, wanted[name]),)) for name in given}
        wrong = [
            said for name, said in alone.items() if re.search(rf"(defined:|flag|for) -{re.escape(name)}\b", said)
        ]
        yield from wrong or [f"{' '.join(f'--{name}={wanted[name]}' for name in given)}: {together}"]

    def _refusal(self, flags: Flags) -> str:
        """Return why flags are refused, "" if they are not: a program that takes them lists all that there are."""
        if named := [name for name, value in flags if "\0" in value]:
            return f"a NUL cannot be a part of the value for -{named[0]}"
        said = _said(self.folder, flags)
        if "platform" in _LISTED.findall(said):
            return ""
        return next((line.strip() for line in said.splitlines() if line.strip()), "it ends without a message")


def _said(folder: Path, flags: Flags, *command: str) -> str:
    words = [f"--{name}={value}" for name, value in flags]
    output = run_program(
        [*_ROOM, str(folder), "/runsc", *words, *(command or ("flags",))], timeout_seconds=ASK_TIMEOUT_SECONDS
    )
    return output.text + output.stderr.decode(errors="replace")


def _unknown_names(program: Path, names: tuple[str, ...]) -> Iterator[str]:
    """Find the names that a program does not contain: it cannot take them, whatever processor it is for."""
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_TAG) < 0:
            return  # no runsc that we know to read
        for name in names:
            if content.find(name.encode()) < 0:
                yield f"flag provided but not defined: -{name}"
