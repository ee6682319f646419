"""How many workers the lab of containers has, and which of them have no kubelet; the lab's folder remembers it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from nodeprov.errors import UsageError, json_object
from nodeprov.local_files import write_private
from nodeprov_lab.base import Machine

WORKERS = 2
MOST_WORKERS = 200
"""The lab's network has 254 addresses: the controller's, the master's, and from .11 on the workers'."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A master and so many workers. `bare`: those beyond the second have containerd, and no kubelet."""

    workers: int = WORKERS
    bare: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for a number of workers that the lab's network has no addresses for."""
        if not 1 <= self.workers <= MOST_WORKERS:
            raise UsageError(
                f"a lab has 1 to {MOST_WORKERS} workers, not {self.workers}", "nodeprov lab up --workers 6"
            )

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines, the master first."""
        workers = [
            Machine(
                f"worker{number}",
                f"10.123.0.{10 + number}",
                "worker",
                f"10.244.{10 + number}.0/24",
                has_kubelet=not self.bare or number <= WORKERS,
            )
            for number in range(1, self.workers + 1)
        ]
        return (Machine("master", "10.123.0.10", "master", "10.244.10.0/24"), *workers)

    @property
    def options(self) -> str:
        """The options of `nodeprov lab up` for it."""
        return f" --workers {self.workers}{' --bare' if self.bare else ''}" if self != Shape() else ""

    def write(self, folder: Path) -> None:
        """Have the lab's folder remember it."""
        write_private(_file(folder), f"{json.dumps(asdict(self))}\n".encode())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what the lab's folder remembers; None if it remembers nothing that can be read."""
        try:
            return cls(**json_object(_file(folder).read_text()))
        except (OSError, ValueError, TypeError, UsageError):
            return None  # `lab down` removes whatever is there


def _file(folder: Path) -> Path:
    return folder / "shape.json"
