"""What of a node a conclusion rests on, and a cheap command that shows whether any of it is another by now."""

import hashlib
import math
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from nodeprov.errors import MALFORMED, of_type
from nodeprov.hosts.base import Output
from nodeprov.templates import as_it_is

MOST_PATHS = 600
"""The longest list that still goes into one word of a command line, which Linux limits to 128 KiB."""
_GLOB = re.compile(r"[*?[]")
_ON_THE_WAY = 5
"""How many of the fields of a folder on the way count: what is made and removed in it does not."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched of a node.

    Args:
        files: paths and globs; of each file its kind, mode, owner, inode, device, size and times count, and that
            what is not there stays away. A link counts as itself.
        folders: the folders on the way to them, of which kind, mode, owner, inode and device count.
        values: files below /proc and /sys, whose content counts.
        processes: ids of processes, of which the start counts, and that they are not stopped.
        named: names of programs, of which it counts which processes run them.
        written: paths that root must be able to write: a file system that became read-only shows by no time.
        started: programs that must be allowed to start, for the same reason.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    values: tuple[str, ...]
    processes: tuple[int, ...]
    named: tuple[str, ...]
    written: tuple[str, ...]
    started: tuple[str, ...]

    @classmethod
    def of(
        cls,
        files: Iterable[str],
        *,
        values: Iterable[str],
        processes: Iterable[int],
        named: Iterable[str] = (),
        written: Iterable[str],
        started: Iterable[str],
    ) -> Self:
        """Add the folders on the way, and leave out what is named twice."""
        paths = tuple(dict.fromkeys(posixpath.normpath(each) for each in files if each))
        above = dict.fromkeys(folder for path in (*paths, *written) for folder in _above(path))
        return cls(
            paths,
            tuple(each for each in above if each not in paths),
            tuple(dict.fromkeys(values)),
            tuple(dict.fromkeys(processes)),
            tuple(dict.fromkeys(named)),
            tuple(dict.fromkeys(each for each in written if each)),
            tuple(dict.fromkeys(each for each in started if each)),
        )

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read it back; raise one of MALFORMED_JSON if it is none."""
        some = {name: tuple(of_type(list, value[name])) for name in cls.__slots__}
        for name, each in ((name, each) for name, many in some.items() for each in many):
            of_type(int if name == "processes" else str, each)
        return cls(**some)

    def to_json(self) -> dict[str, Any]:
        """Write it as what JSON has."""
        return asdict(self)

    @property
    def is_small(self) -> bool:
        """Tell whether one command can look at it."""
        return len(self.files) + len(self.folders) <= MOST_PATHS


def _above(path: str) -> Iterator[str]:
    """Name the folders on the way to a path; those of /proc are made anew whenever somebody looks."""
    while not path.startswith("/proc/") and path not in ("/", ""):
        path = posixpath.dirname(path)
        if not _GLOB.search(path):
            # Behind the slash, so that of a link to a folder the folder counts.
            yield path if path == "/" else f"{path}/"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the command printed: a digest of what counts, and the latest change, in seconds since the epoch."""

    digest: str
    latest: float
    processes: frozenset[tuple[int, int]]
    """The processes that run, and when each started, in clock ticks."""


NOTHING = Seen("", math.inf, frozenset())


@dataclass(frozen=True, slots=True)
class WatchedQuery:
    """Is all that is watched as it was?"""

    watched: Watched

    @property
    def script(self) -> str:
        """Print a line for each of what is watched, by three programs besides the shell's own words."""
        it = self.watched
        calls = {
            "value": map(shlex.quote, it.values),
            "process": map(str, it.processes),
            "named": (f"-e {shlex.quote(each)}" for each in it.named),
            "written": map(shlex.quote, it.written),
            "started": map(shlex.quote, it.started),
            "file": (*map(shlex.quote, it.folders), *map(_word, it.files)),
        }
        lines = [f"{name} {' '.join(words)}" for name, words in ((n, [*w]) for n, w in calls.items()) if words]
        return "\n".join([as_it_is("node/watched.sh.j2"), "swaps", *lines])

    def parse(self, output: Output) -> Seen:
        """Understand what the script printed; in another form it shows nothing that could be as before."""
        try:
            return self._seen(output)
        except MALFORMED:
            return NOTHING

    def _seen(self, output: Output) -> Seen:
        folders = {*self.watched.folders}
        kept, latest, processes = [], 0.0, set[tuple[int, int]]()
        for line in output.text.split("\n"):
            kind, _, rest = line.partition(" ")
            if kind == "file":
                fields = rest.split(" ", 8)
                latest = max(latest, float(fields[7]))
                if fields[-1] in folders:
                    rest = " ".join([*fields[:_ON_THE_WAY], fields[-1]])
            elif kind == "process":
                pid, ticks, how = rest.split(" ")
                if how == "runs":
                    processes.add((int(pid), int(ticks)))
            kept.append(f"{kind} {rest}")
        digest = hashlib.sha256("\n".join(kept).encode(errors="surrogateescape")).hexdigest()
        return Seen(digest, latest, frozenset(processes))


def _word(path: str) -> str:
    """Write a path or glob as a word for the shell; a glob that finds nothing stays as it is, and is not there."""
    if not _GLOB.search(path):
        return shlex.quote(path)
    return "".join(
        part if _GLOB.fullmatch(part) else shlex.quote(part) for part in re.split(r"([*?[\]])", path) if part
    )
