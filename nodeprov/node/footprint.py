"""What nodeprov has left on a node, and what uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.node.daemon import Record
from nodeprov.node.switch.values import Switched


@dataclass(frozen=True, slots=True)
class Footprint:
    """What is ours on a node."""

    prefixes: tuple[str, ...]
    """Where nodeprov's things may lie: as the settings say, then as earlier ones said."""
    links: Mapping[str, str]
    """What each link of ours leads to; "" where there is none."""
    releases: tuple[str, ...]
    """The releases' folders."""
    generations: Mapping[str, str]
    """Each generation's folder, and the release folder that it names."""
    processes: Mapping[str, int]
    """How many processes run each program below a prefix."""
    bundles: tuple[str, ...]
    """Paths below a prefix that a container's bundle names, also a stopped one's."""
    record: Record | None
    switched: Switched | None = None

    @property
    def in_use(self) -> tuple[str, ...]:
        """The paths of ours that something needs: processes, and bundles of stopped containers."""
        return (*self.processes, *self.bundles)

    def processes_elsewhere(self, program: str, releases: str, release: str) -> int:
        """Count the processes of a program that lies in another release than this one, also in a deleted one."""
        return sum(
            count
            for path, count in self.processes.items()
            if path.startswith(f"{releases}/")
            and path.removesuffix(" (deleted)").endswith(f"/{program}")
            and not path.startswith(f"{releases}/{release}/")
        )

    def uses(self, folder: str) -> bool:
        """Tell whether anything needs what lies in a folder."""
        return any(path.startswith(f"{folder}/") for path in self.in_use)
