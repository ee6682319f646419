"""How the state of each kind of thing is read and written."""

from __future__ import annotations

import base64
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nodeprov import containerd
from nodeprov.containerd import Config, Runtime, differences
from nodeprov.containerd.distributions import go_template
from nodeprov.containerd.distributions.distribution import How
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import FileAt, Host, LinkAt, Place, PresentAt, Query, TreeAt
from nodeprov.states import FileState, LinkState, PresentState, State, TreeState
from nodeprov.templates import render

DUMP_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; a collected one is removed only when nothing needs it.

    Empty folders strictly below `within` are nodeprov's own, and go with the last thing in them.
    """

    path: str
    collected: bool = field(default=False, kw_only=True)
    within: str = field(default="", kw_only=True)
    shared: ClassVar[bool] = False
    swapped: ClassVar[bool] = False
    place: ClassVar[Place] = Place.NODE
    kind: ClassVar[str] = "file"

    @property
    def key(self) -> str:
        """Name it by kind and path."""
        return f"{self.kind}:{self.path}"

    @property
    def query(self) -> Query[State | None]:
        """Ask for the state."""
        return FileAt(self.path)

    def write(self, host: Host, state: FileState | None) -> None:
        """Make the state so."""
        if state is None:
            host.remove(self.path, below=self.within)
        else:
            host.write_file(self.path, state)

    restore = write


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; `collected` and `within` as for a file."""

    path: str
    collected: bool = field(default=False, kw_only=True)
    within: str = field(default="", kw_only=True)
    shared: ClassVar[bool] = False
    swapped: ClassVar[bool] = False
    place: ClassVar[Place] = Place.NODE
    kind: ClassVar[str] = "link"

    @property
    def key(self) -> str:
        """Name it by kind and path."""
        return f"{self.kind}:{self.path}"

    @property
    def query(self) -> Query[State | None]:
        """Ask for the state."""
        return LinkAt(self.path)

    def write(self, host: Host, state: LinkState | None) -> None:
        """Make the state so."""
        if state is None:
            host.remove(self.path, below=self.within)
        else:
            host.write_link(self.path, state.target)

    restore = write


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory of files whose content lies in a folder of the controller; immutable once it is there."""

    path: str
    source: Path | None = None
    within: str = field(default="", kw_only=True)
    collected: ClassVar[bool] = True
    shared: ClassVar[bool] = False
    swapped: ClassVar[bool] = False
    place: ClassVar[Place] = Place.NODE
    kind: ClassVar[str] = "tree"

    @property
    def key(self) -> str:
        """Name it by kind and path."""
        return f"{self.kind}:{self.path}"

    @property
    def query(self) -> Query[State | None]:
        """Ask for the state."""
        return TreeAt(self.path)

    def write(self, host: Host, state: TreeState | None) -> None:
        """Make the state so."""
        if state is None:
            host.remove(self.path, below=self.within)
        elif self.source is None:
            raise NodeprovError(f"{self.path} cannot be made: this run has not downloaded its files")
        else:
            host.write_tree(self.path, state, self.source)

    def restore(self, host: Host, state: TreeState | None) -> None:
        """Take it away again; a damaged tree that was mended stays mended, for nothing else is of use."""
        if state is None:
            host.remove(self.path, below=self.within)


@dataclass(frozen=True, slots=True)
class Folder:
    """A generation or a release that nothing names any more; it can only be taken away."""

    path: str
    within: str = field(default="", kw_only=True)
    place: ClassVar[Place] = Place.NODE
    kind: ClassVar[str] = "folder"
    collected: ClassVar[bool] = True
    shared: ClassVar[bool] = False
    swapped: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """Name it by kind and path."""
        return f"{self.kind}:{self.path}"

    @property
    def query(self) -> Query[State | None]:
        """Ask whether it is there."""
        return PresentAt(self.path)

    def write(self, host: Host, state: PresentState | None) -> None:
        """Take it away."""
        if state is None:
            host.remove(self.path, below=self.within)

    restore = write


@dataclass(frozen=True, slots=True)
class ContainerdConfig(File):
    """containerd's configuration file: a file, and a gate before its swap."""

    swapped: ClassVar[bool] = True
    runtime: Runtime
    binary: str
    """The containerd on disk: the one that a restart would start."""

    def write(self, host: Host, state: FileState | None) -> None:
        """Make the state so, if it is allowed."""
        self.allow(host, state)
        self.restore(host, state)

    def allow(self, host: Host, state: FileState | None) -> None:
        """Raise NodeprovError unless the daemon's own reading of the candidate differs from today's by our table.

        `containerd config dump` alone is no gate: it exits 0 for a candidate that does not exist, and reads
        imports relative to the candidate's folder. So the candidate lies beside the file, and its output is
        compared with that of the file as it is.
        """
        if state is not None:
            self.gate(host, self.path, state.content, adds=self.adds(state))

    def gate(self, host: Host, path: str, candidate: bytes, *, adds: bool) -> None:
        """Have containerd read a candidate; raise NodeprovError if that would change more than our table."""
        output = host.run(self.gate_script(path), stdin=candidate, timeout_seconds=DUMP_TIMEOUT_SECONDS)
        lines = (output.text + "\n\n").split("\n")[:2]
        before, after = (Config(base64.b64decode(line).decode()) for line in lines)
        self._judge(before, after, output.said, expected=self.runtime if adds else None)

    def gate_script(self, path: str) -> str:
        """Print what containerd reads now, and what it would read with the candidate on standard input."""
        return render("gate.sh.j2", path=path, candidate=candidate_of(path), binary=self.binary)

    def adds(self, state: FileState) -> bool:
        """Tell whether a state declares our runtime."""
        return Config(containerd.decode(state.content)).declared(self.runtime.handler) is not None

    def _judge(self, before: Config, after: Config, said: str, *, expected: Runtime | None) -> None:
        hint = f"nothing was changed; look at {self.path} and what it imports"
        if not after.text:
            raise NodeprovError(f"containerd does not accept the candidate for {self.path}: {said}", hint)
        table = after.runtime(self.runtime.handler)
        if expected is not None and (table is None or table.get("runtime_path") != expected.runtime_path):
            raise NodeprovError(
                f"with the candidate for {self.path} containerd would not serve {self.runtime.handler}: "
                "something that is imported overrides it",
                hint,
            )
        if missing := after.missing_default_runtime:
            raise NodeprovError(
                f"with the candidate for {self.path} containerd would have no runtime {missing!r}, its default",
                hint,
            )
        if differing := differences(before, after, self.runtime):
            raise NodeprovError(
                f"the candidate for {self.path} would change more than our table: {', '.join(differing)}", hint
            )


@dataclass(frozen=True, slots=True)
class OwnConfig(ContainerdConfig):
    """A file that the configuration file imports and in which our table stands alone."""

    root: str
    """The configuration file."""

    def gate_script(self, path: str) -> str:  # noqa: ARG002  the root file is what containerd is started with
        """Print what containerd reads now, and what it would read with the candidate on standard input."""
        return render("gate-own.sh.j2", root=self.root, candidate=candidate_of(self.root), binary=self.binary)


@dataclass(frozen=True, slots=True)
class ContainerdSource(ContainerdConfig):
    """What a distribution makes containerd's configuration file of, when it starts: a template or a drop-in."""

    made: str
    """The file that is made of it, which containerd reads."""
    how: How

    def allow(self, host: Host, state: FileState | None) -> None:
        """Raise NodeprovError unless containerd accepts today's configuration with our table in it, or without it.

        Only the distribution can expand its template; that it has is looked at after the restart. A drop-in of
        k0s is merged into a file that is yet to be made, so there is nothing to try.
        """
        if state is not None and self.how is not How.DROP_IN:
            self._try(host, adds=self.adds(state))

    def _try(self, host: Host, *, adds: bool) -> None:
        found = host.ask([FileAt(self.made)])[0]
        if found is None:
            return
        text = containerd.decode(found.content)
        edit = containerd.add_runtime if adds else containerd.remove_runtime
        self.gate(host, self.made, edit(text, self.runtime).encode(), adds=adds)

    def adds(self, state: FileState) -> bool:
        """Tell whether a state declares our runtime."""
        text = containerd.decode(state.content)
        if self.how is How.GO_TEMPLATE:
            return go_template.declares(text, self.runtime)
        return Config(text).declared(self.runtime.handler) is not None


def candidate_of(path: str) -> str:
    """Name the candidate: beside the file, for relative imports, and with no name that an import glob finds."""
    return posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.nodeprov-candidate")
