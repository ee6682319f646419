"""What every lab keeps, and what it may leave."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder that is there as long as the lab is."""

    path: Path

    @property
    def known_hosts(self) -> Path:
        """The machines' own keys, for a client to check."""
        return self.path / "known_hosts"

    @property
    def admin_conf(self) -> Path:
        """The administrator's kubeconfig; there once the cluster is."""
        return self.path / "admin.conf"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is there of a lab, whole or half; each field has the things of one kind."""

    def __str__(self) -> str:
        return ", ".join(str(each) for field in fields(self) for each in getattr(self, field.name))

    @property
    def nothing(self) -> bool:
        """Say whether nothing is there."""
        return not str(self)
