"""The folder in which a lab is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFolder:
    """What every lab keeps; it is there as long as the lab is."""

    path: Path

    @property
    def known_hosts(self) -> Path:
        """The machines' own keys, for a client to check."""
        return self.path / "known_hosts"

    @property
    def admin_conf(self) -> Path:
        """The administrator's kubeconfig; there once the cluster is."""
        return self.path / "admin.conf"
