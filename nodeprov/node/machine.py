"""The machine that a node is: its kernel, its processor, its system, its file systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeprov.node.daemon_choice import Kubelet


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mounts."""

    path: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Machine:
    """What is true of a machine whether or not nodeprov was ever there; None is what it does not tell."""

    uid: int
    """Of the user that the commands run as."""
    architecture: str
    kernel: str
    hostname: str
    os: str
    machine_id: str
    boot_id: str
    page_size: int | None
    user_namespaces: int | None
    cgroup_version: int
    selinux_enforcing: bool | None
    systemd_version: int | None
    free_bytes: int
    free_at: str
    mounts: tuple[Mount, ...]
    kubelets: tuple[Kubelet, ...] = ()
    address_bits: int | None = None
    has_kvm: bool | None = None
    real_paths: Mapping[str, str] = field(default_factory=dict)
    """Where the folders of the settings really lie: /opt is a link on some systems."""
    loose: Mapping[str, str] = field(default_factory=dict)
    """Folders on the way to our places that are not root's alone, and whose they are."""

    def mount_of(self, path: str) -> Mount | None:
        """Find the mount that a path lies on."""
        path = self.real_paths.get(path, path)
        on = [m for m in self.mounts if path == m.path or path.startswith(m.path.rstrip("/") + "/")]
        # Of mounts on one another the last one counts, and max takes the first.
        return max(reversed(on), key=lambda mount: len(mount.path), default=None)
