"""A folder that nothing needs any more."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.hosts.base import Host, Output
from nodeprov.plan.resources.base import AtPath, StateKind
from nodeprov.states import PresentState


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


class PresentKind(StateKind[PresentState]):
    """The state of what is there, whatever is in it."""

    name = "present"
    type = PresentState

    def to_json(self, _state: PresentState) -> dict[str, Any]:
        return {}

    def from_json(self, _value: Mapping[str, Any]) -> PresentState:
        return PresentState()
