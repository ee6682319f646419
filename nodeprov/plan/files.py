"""What lies on a node's disk: regular files, symbolic links, folders, and trees of files such as a release."""

import posixpath
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Output, check, rendered
from nodeprov.hosts.trees import parse_tree
from nodeprov.plan.goal import Resource
from nodeprov.states import FileState, LinkState, PresentState, State, TreeState
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class AtPath(Resource):
    """A resource at a path of a node.

    Empty folders strictly below `within` are nodeprov's own, and go with the last thing in them.
    """

    path: str = field()  # without field() the property above would be its default
    within: str = field(default="", kw_only=True)
    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """Its kind and its path."""
        return f"{self.kind}:{self.path}"

    @property
    def title(self) -> str:
        """Its kind and its path, for people."""
        return f"{self.kind} {self.path}"

    def remove(self, host: Host) -> None:
        """Remove it if it is there, and our own folders that it leaves empty."""
        host.remove(self.path, below=self.within)


@dataclass(frozen=True, slots=True)
class FileAt:
    """What file lies at a path?"""

    path: str

    @property
    def script(self) -> str:
        """Print nothing when absent; else mode, owner and kind on a line, then the bytes."""
        return render("hosts/query-file.sh.j2", path=self.path)

    def parse(self, output: Output) -> FileState | None:
        if not output.stdout and output.returncode == 0:
            return None
        if output.returncode != 0:
            raise NodeprovError(f"cannot read {self.path}: {output.said}", "look at its permissions and its kind")
        head, _, content = output.stdout.partition(b"\n")
        mode, uid, gid = head.decode().split()
        return FileState(content, int(mode, 8), int(uid), int(gid))


@dataclass(frozen=True, slots=True)
class File(AtPath):
    """A regular file; one that is `collected` is removed only when nothing needs it."""

    collected: bool = field(default=False, kw_only=True)
    kind: ClassVar[str] = "file"

    @property
    def query(self) -> FileAt:
        return FileAt(self.path)

    def write(self, host: Host, state: FileState | None) -> None:
        if state is None:
            self.remove(host)
        else:
            host.write_file(self.path, state)


@dataclass(frozen=True, slots=True)
class LinkAt:
    """What does the symbolic link at a path hold?"""

    path: str

    @property
    def script(self) -> str:
        """Print nothing when absent, else the link's text; fail for another kind."""
        return render("hosts/query-link.sh.j2", path=self.path)

    def parse(self, output: Output) -> LinkState | None:
        if output.returncode != 0:
            raise NodeprovError(
                f"{self.path} exists and is not a symbolic link, so nodeprov did not make it",
                f"look at it (ls -l {self.path}) and move it away",
            )
        target = output.text.removesuffix("\n")
        return LinkState(target) if target else None


@dataclass(frozen=True, slots=True)
class Link(AtPath):
    """A symbolic link; one that is `collected` is removed only when nothing needs it."""

    collected: bool = field(default=False, kw_only=True)
    kind: ClassVar[str] = "link"

    @property
    def query(self) -> LinkAt:
        return LinkAt(self.path)

    def write(self, host: Host, state: LinkState | None) -> None:
        if state is None:
            self.remove(host)
        else:
            host.write_link(self.path, state.target)


@dataclass(frozen=True, slots=True)
class PresentAt:
    """Is anything at a path?"""

    path: str

    @property
    def script(self) -> str:
        """End with status 0 if so."""
        return f"[ -e {shlex.quote(self.path)} ] || [ -L {shlex.quote(self.path)} ]"

    def parse(self, output: Output) -> PresentState | None:
        return PresentState() if output.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Folder(AtPath):
    """A generation or a release that nothing names any more; it can only be taken away."""

    kind: ClassVar[str] = "folder"
    collected: ClassVar[bool] = True

    @property
    def query(self) -> PresentAt:
        return PresentAt(self.path)

    def write(self, host: Host, state: PresentState | None) -> None:
        if state is None:
            self.remove(host)


@dataclass(frozen=True, slots=True)
class IdleMountAt:
    """Is a path mounted, and is nothing else in its folder?"""

    path: str

    @property
    def script(self) -> str:
        """End with status 0 if so."""
        mounted, folder, name = map(shlex.quote, (f" {self.path} ", *posixpath.split(self.path)))
        return f'grep -qsF -e {mounted} /proc/self/mounts && [ "$(ls -A -- {folder})" = {name} ]'

    def parse(self, output: Output) -> PresentState | None:
        return PresentState() if output.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class IdleMount(AtPath):
    """A mount that a runtime has left behind, in a folder that has nothing else; it can only be taken away."""

    kind: ClassVar[str] = "mount"
    collected: ClassVar[bool] = True

    @property
    def query(self) -> IdleMountAt:
        return IdleMountAt(self.path)

    def write(self, host: Host, state: PresentState | None) -> None:
        if state is None:
            output = host.run(rendered("hosts/free-mount.sh.j2", path=self.path))
            check(output, f"{self.path} cannot be unmounted", where=host.name)


@dataclass(frozen=True, slots=True)
class TreeAt:
    """What files, with which digests, lie below a path?"""

    path: str

    @property
    def script(self) -> str:
        """Print nothing when absent; else kinds and modes, a blank line, and digests."""
        return render("hosts/query-tree.sh.j2", path=self.path)

    def parse(self, output: Output) -> TreeState | None:
        if output.returncode != 0:
            raise NodeprovError(f"cannot read {self.path}: {output.said}", f"look at it: ls -la {self.path}")
        return parse_tree(output)


@dataclass(frozen=True, slots=True)
class Tree(AtPath):
    """A directory of files whose content lies in a folder of the controller; immutable once it is there."""

    source: Path | None = None
    kind: ClassVar[str] = "tree"
    collected: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"release {self.path}"

    @property
    def query(self) -> TreeAt:
        return TreeAt(self.path)

    def write(self, host: Host, state: TreeState | None) -> None:
        self.written(host, None, state)

    def written(self, host: Host, _before: State | None, state: TreeState | None) -> State | None:
        """Give it a state, and return the one that it has then; its bytes are read once for both."""
        if state is None:
            self.remove(host)
            return None
        if self.source is None:
            raise NodeprovError(f"{self.path} cannot be made: this run has not downloaded its files")
        return host.write_tree(self.path, state, self.source)

    def restore(self, host: Host, state: TreeState | None) -> None:
        """Take it away again; a damaged tree that was mended stays mended, for nothing else is of use."""
        if state is None:
            self.remove(host)
