"""The files that a node's containerd configuration imports, as they are on the node."""

import base64
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nodeprov.containerd import Config, Refused, Runtime, import_patterns
from nodeprov.containerd.distributions.drop_ins import refused_drop_ins
from nodeprov.containerd.faults import drop_in_problems
from nodeprov.errors import Problem
from nodeprov.hosts.base import Output, Reader
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.plan.containerd_config import candidate_of
from nodeprov.templates import render

OVERRIDE = "containerd 2.x merges what is imported, 1.x puts it in place of the whole section (containerd#5837)"


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that containerd's configuration imports, and when it changed, in seconds since the epoch."""

    config: Config
    changed_at: float


@dataclass(frozen=True, slots=True)
class ImportsQuery:
    """Which files does containerd import by these paths and globs, and what do they hold?"""

    patterns: tuple[str, ...]

    @property
    def script(self) -> str:
        """Print a path and the content in base64 on a line for each file."""
        words = [word for pattern in self.patterns for word in shell_words(pattern)]
        return render("node/query-imports.sh.j2", patterns=words)

    def parse(self, output: Output) -> dict[str, Imported]:
        """Understand what the script printed; what only the shell's globs find is left out."""
        rows = (line.rsplit(" ", 2) for line in output.text.splitlines())
        return {
            path: Imported(Config(base64.b64decode(text).decode(errors="surrogateescape"), path), float(changed))
            for path, changed, text in rows
            if _matches(self.patterns, path)
        }


def shell_words(pattern: str) -> tuple[str, ...]:
    """Write a path or glob of containerd as words for the shell that find at least the same files.

    Go's `*` finds hidden files too, and its classes exclude by `^`; a pattern without `*` is a plain path.
    """
    if not import_patterns.is_glob(pattern):
        return (shlex.quote(pattern),)
    folder, name = posixpath.split(pattern)
    names = (name, "." + name) if name.startswith(("*", "[")) else (name,)
    return tuple(_quoted_glob(posixpath.join(folder, each)) for each in names)


def _quoted_glob(pattern: str) -> str:
    parts = re.split(r"([*?\[\]]+\^?)", pattern)
    return "".join(part.replace("[^", "[!") if part[:1] in "*?[]" else shlex.quote(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Imports:
    """All that a configuration imports, directly or through what it imports."""

    patterns: tuple[str, ...]
    files: Mapping[str, Imported]


def followed(reader: Reader, patterns: tuple[str, ...], files: Mapping[str, Imported]) -> Imports:
    """Follow the imports of imported files: containerd does, and dies of a missing one all the same."""
    while True:
        said: list[str] = []
        for path, file in files.items():
            with suppress(Refused):  # drop_in_problems names it, with its place
                said += import_patterns.import_patterns(file.config, path)
        new = tuple(dict.fromkeys(pattern for pattern in said if pattern not in patterns))
        if not new:
            return Imports(patterns, files)
        files = {**files, **reader.ask([ImportsQuery(new)])[0]}
        patterns = (*patterns, *new)


def read_imports(reader: Reader, daemon: Daemon) -> Imports:
    """Read all that a daemon's configuration imports."""
    query = ImportsQuery(patterns_of(daemon))
    return followed(reader, query.patterns, reader.ask([query])[0])


def patterns_of(daemon: Daemon) -> tuple[str, ...]:
    """List what a daemon's configuration file imports, and what a distribution reads itself to make that file."""
    imported = import_patterns.import_patterns(daemon.file, daemon.config_path)
    return tuple(dict.fromkeys((*imported, *daemon.drop_ins)))


def import_problems(daemon: Daemon, runtime: Runtime, found: Imports) -> tuple[Problem, ...]:
    """Find the reasons not to begin in what is imported."""
    path = daemon.config_path
    # The one that a restart would start; one whose version is not known is judged by the gate.
    version = version_text(daemon.next_version or (2, 4, 0))
    missing = [
        Problem(
            f"{path} imports {target}, which does not exist: containerd does not start again with that",
            f"make the file, or take it out of `imports` in {path}",
            "the next restart, whoever makes it, would be the last one (kata-containers#13141)",
        )
        for target in import_patterns.missing_imports(found.patterns, found.files)
    ]
    own = daemon.drop_in_path(runtime.handler)
    # What a distribution imports it has made itself, also of our drop-in: the effective configuration shows it.
    others = {} if daemon.source else {each: file.config for each, file in found.files.items() if each != own}
    overriding = [
        Problem(each.message, each.hint, OVERRIDE)
        for each in drop_in_problems(path, daemon.file, others, runtime, version)
    ]
    found_too = [
        Problem(
            f"{path} imports {pattern}, which finds every file beside it, also backups and candidates",
            "name the files by their end: *.toml",
            "a copy of the file would be read as a part of it",
        )
        for pattern in found.patterns
        if import_patterns.matches(pattern, candidate_of(path))
    ]
    return (*missing, *overriding, *found_too, *_refused_by_the_distribution(daemon, found))


def is_read_by_distribution(daemon: Daemon, path: str) -> bool:
    """Tell whether a file is read by the distribution alone, and containerd gets what is made of it."""
    imported = import_patterns.import_patterns(daemon.file, daemon.config_path)
    return _matches(daemon.drop_ins, path) and not _matches(imported, path)


def _matches(patterns: Sequence[str], path: str) -> bool:
    return any(import_patterns.matches(pattern, path) for pattern in patterns)


def _refused_by_the_distribution(daemon: Daemon, found: Imports) -> Iterator[Problem]:
    read = {path: file.config for path, file in found.files.items() if _matches(daemon.drop_ins, path)}
    for refused in refused_drop_ins(read, daemon.next_version or (2, 4, 0)):
        yield Problem(refused.message, refused.hint, f"the next restart of {daemon.unit}, whoever makes it, fails")
