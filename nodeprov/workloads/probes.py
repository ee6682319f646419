"""How the catalogue's behaviours are told on a node: a question to a small program, and what it answers there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MAIN = "plain/main"
CGROUP_V2 = 2
SAME = "same"
"""In place of an answer: that of a pod without the sandbox."""
_OUTSIDE = "outside: "
UNMADE = "?"
"""What an answer begins with that is none."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question whose answer in the sandbox is another than beside it.

    Attributes:
        ask: the question, for the program in the pod; `outside: QUESTION` is asked about it while it runs.
        runc: what it answers without the sandbox, as a pattern; where it does not, nothing is told.
        sandbox: what it answers in the sandbox.
        at: the pod and the container in which it is asked.
        cured_by: flags of the runtime, and patterns of their values, with which the sandbox answers as runc does.
        only_with: flags without which it does.
        releases: what other releases answer, where it is not `sandbox`; "same" is as runc does.
        cgroup_v2: which of these are otherwise on nodes with cgroup v2; None if it was not asked on any.
    """

    ask: str
    runc: str
    sandbox: str
    at: str = MAIN
    cured_by: Mapping[str, str] = field(default_factory=dict)
    only_with: Mapping[str, str] = field(default_factory=dict)
    releases: Mapping[str, str] = field(default_factory=dict)
    cgroup_v2: Mapping[str, Any] | None = None

    def on(self, cgroup_version: int) -> Probe:
        """Return the probe as it is on nodes with a version of cgroups."""
        return replace(self, **(self.cgroup_v2 or {})) if cgroup_version >= CGROUP_V2 else self

    @property
    def outside(self) -> str:
        """The question that is asked from outside of the pod; "" if the program answers it."""
        return self.ask.removeprefix(_OUTSIDE) if self.ask.startswith(_OUTSIDE) else ""

    @property
    def place(self) -> tuple[str, str]:
        """The pod and the container."""
        pod, _, container = self.at.partition("/")
        return pod, container or "main"

    def recorded(self, release: str, flags: Mapping[str, str]) -> str:
        """Return what is recorded for a release with flags: a pattern, or "same"."""
        if _any_set(self.cured_by, flags) or (self.only_with and not _any_set(self.only_with, flags)):
            return SAME
        return self.releases.get(release, self.sandbox)


def _any_set(wanted: Mapping[str, str], flags: Mapping[str, str]) -> bool:
    return any(name in flags and re.fullmatch(pattern, flags[name]) for name, pattern in wanted.items())


def is_made(answer: str | None) -> bool:
    """Tell whether this is an answer, and no reason why there is none."""
    return answer is not None and not answer.startswith(UNMADE)


def matches(pattern: str, answer: str) -> bool:
    """Tell whether an answer is the one that is recorded."""
    return re.fullmatch(pattern, answer, re.DOTALL) is not None
