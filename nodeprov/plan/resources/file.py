"""A regular file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nodeprov.errors import NodeprovError, of_type
from nodeprov.hosts.base import Host, Output
from nodeprov.plan.resources.base import AtPath, StateKind
from nodeprov.states import FileState, State
from nodeprov.templates import render


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


class FileKind(StateKind[FileState]):
    """The state of a file."""

    name = "file"
    type = FileState

    def to_json(self, state: FileState) -> dict[str, Any]:
        content = base64.b64encode(state.content).decode()
        return {"base64": content, "mode": state.mode, "uid": state.uid, "gid": state.gid}

    def from_json(self, value: Mapping[str, Any]) -> FileState:
        content = base64.b64decode(value["base64"], validate=True)
        return FileState(content, *(of_type(int, value[name]) for name in ("mode", "uid", "gid")))

    def summary(self, state: FileState) -> dict[str, Any]:
        """Describe it without its content: that may hold others' secrets, and the diff shows what matters."""
        return {"bytes": len(state.content), "mode": f"{state.mode:04o}", "owner": f"{state.uid}:{state.gid}"}

    def text(self, state: FileState) -> str:
        """Write its content; bytes that are no UTF-8 are kept visible."""
        return state.content.decode(errors="backslashreplace")

    def change_text(self, before: State | None, after: FileState) -> str:
        """Show another mode; another content is shown as a diff."""
        if isinstance(before, FileState) and before.mode != after.mode:
            return f": mode {after.mode:04o} (was {before.mode:04o})"
        return ""
