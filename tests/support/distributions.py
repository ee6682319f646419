"""Where distributions have their files, and our table in them."""

from __future__ import annotations

from nodeprov.states import FileState
from tests.support.runtimes import runsc

RUNSC = runsc("runsc", "/opt/n/handlers/runsc/current/shim", "/opt/n/handlers/runsc/current/runsc.toml")
OLD = runsc("runsc", "/srv/n/handlers/runsc/current/shim", "/srv/n/handlers/runsc/current/runsc.toml")
K3S_CONFIG = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
K0S_CONFIG = "/etc/k0s/containerd.toml"
MANAGED = "# k0s_managed=true\n# a placeholder\nversion = 3\nimports = ['/run/k0s/containerd-cri.toml']\n"


def of(text: str) -> tuple[FileState, float, str]:
    return FileState(text.encode(), 0o600), 1.0, ""
