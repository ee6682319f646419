"""A symbolic link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nodeprov.errors import NodeprovError, of_type
from nodeprov.hosts.base import Host, Output
from nodeprov.plan.resources.base import AtPath, StateKind
from nodeprov.states import LinkState, State
from nodeprov.templates import render


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


class LinkKind(StateKind[LinkState]):
    """The state of a link."""

    name = "link"
    type = LinkState

    def to_json(self, state: LinkState) -> dict[str, Any]:
        return {"target": state.target}

    def from_json(self, value: Mapping[str, Any]) -> LinkState:
        return LinkState(of_type(str, value["target"]))

    def change_text(self, before: State | None, after: LinkState) -> str:
        was = f" (was {before.target})" if isinstance(before, LinkState) else ""
        return f" -> {after.target}{was}"
