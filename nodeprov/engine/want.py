"""What a run is to bring a node to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nodeprov.plan.plan import INSTALL, UNINSTALL, Action
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import Family


@dataclass(frozen=True, slots=True)
class Install:
    """A runtime, by the node's settings; `release` is None as long as it is not on this machine."""

    family: Family
    release: Release | None = None
    action: ClassVar[Action] = INSTALL


@dataclass(frozen=True, slots=True)
class Uninstall:
    """Nothing of ours; `drain` allows to evict pods, and `leaving` are nodes uninstalled before this one."""

    family: Family
    drain: bool = False
    leaving: tuple[str, ...] = ()
    release: ClassVar[None] = None
    action: ClassVar[Action] = UNINSTALL


Want = Install | Uninstall
