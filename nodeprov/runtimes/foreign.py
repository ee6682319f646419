"""A runtime of a family that somebody else installed: which programs, of which release, and who runs with them."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.containerd.runtime import Runtime, paths_of
from nodeprov.containerd.takeover import others_table
from nodeprov.hosts.base import Output, Reader
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.plan.files import FileAt
from nodeprov.runtimes.family import Family
from nodeprov.templates import render

FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
"""Where systemd's services look for programs (systemd.exec(5), $PATH); containerd looks there for a shim."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program on the node; `release` is "" where its bytes name none."""

    path: str
    release: str
    processes: int

    @property
    def said(self) -> str:
        """Name it for a person."""
        return f"{self.path} ({f'release {self.release}' if self.release else 'of an unknown release'})"


@dataclass(frozen=True, slots=True)
class ProgramsQuery:
    """Where do some programs lie, of which release are they, and how many processes run each? None is run."""

    folders: tuple[str, ...]
    programs: tuple[str, ...]
    names_release: str
    """An extended regular expression for what a program's bytes say of its release."""

    @property
    def script(self) -> str:
        """Print a line for each."""
        values = {"folders": self.folders, "programs": self.programs, "names_release": self.names_release}
        return render("node/foreign.sh.j2", **values)

    def parse(self, output: Output) -> tuple[Program, ...]:
        """Understand what the script printed."""
        rows = [line.split(" ", 2) for line in output.text.splitlines()]
        return tuple(
            Program(path, "" if release == "-" else release.partition("-")[2], int(count))
            for release, count, path in (row for row in rows if len(row) == 3)
        )


@dataclass(frozen=True, slots=True)
class Foreign:
    """What somebody else installed under our handler's name: a table, programs, and the file of their settings."""

    table: Mapping[str, Any]
    programs: tuple[Program, ...]
    settings_path: str = ""
    settings: str = ""

    def shims(self, shim: str) -> int:
        """Count the shims that run with it: a sandbox has one or more, one for each container in some versions."""
        return sum(each.processes for each in self.programs if posixpath.basename(each.path) == shim)


def table_of_others(daemon: Daemon, runtime: Runtime) -> Mapping[str, Any] | None:
    """Return the table in containerd's own file that somebody else wrote under our handler's name."""
    if daemon.source is not None or daemon.config is None:
        return None
    return others_table(daemon.file, runtime, version_text(daemon.next_version) if daemon.next_version else "")


def read_foreign(reader: Reader, table: Mapping[str, Any], family: Family) -> Foreign:
    """Read of a node what a table of somebody else leads to, in two commands at most."""
    paths = paths_of(table)
    folders = tuple(dict.fromkeys([*(posixpath.dirname(each) for each in paths.values()), *FOLDERS]))
    programs = reader.ask([ProgramsQuery(folders, (family.shim, family.program), family.names_release)])[0]
    # Only the first one that containerd would find counts.
    first: dict[str, Program] = {}
    for each in programs:
        first.setdefault(posixpath.basename(each.path), each)
    path = paths.get("ConfigPath", "")
    found = reader.ask([FileAt(path)])[0] if path else None
    text = found.content.decode(errors="backslashreplace") if found else ""
    return Foreign(table, tuple(first.values()), path if found else "", text)


def described(foreign: Foreign, family: Family) -> Iterator[str]:
    """Say what was found and what becomes of it, for a person who decides about it."""
    told = ", ".join(each.said for each in foreign.programs) or "no program of it was found"
    yield f"{family.name} was installed here by something else: {told}"
    if count := foreign.shims(family.shim):
        yield (
            f"sandboxes run with it ({count} shims): they go on, with its programs, which stay where they are; a "
            "container that restarts inside one is created with the new release, which may fail: recreate such "
            "pods when convenient"
        )
    else:
        yield "its programs stay where they are; nothing else than its table is replaced"
    if settings := _settings(foreign.settings):
        yield (
            f"{foreign.settings_path} is not used any more; it sets {', '.join(settings)}: what of it is still "
            "wanted belongs to [runtime.flags] in the inventory"
        )


def _settings(text: str) -> Sequence[str]:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if "=" in line]
