"""runsc.toml: what the shim reads whenever it creates a container."""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.errors import NodeprovError
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.templates import render

NAME = "runsc.toml"
MAKE_ANEW = "run nodeprov install: it writes it anew"


@dataclass(frozen=True, slots=True)
class ShimOptions:
    """What runsc.toml tells the shim."""

    binary: str
    flags: Mapping[str, str]

    @property
    def text(self) -> str:
        """Write it."""
        return render("gvisor/runsc.toml.j2", binary=self.binary, flags=self.flags)


def parse_shim_options(text: str, path: str) -> ShimOptions:
    """Read runsc.toml as the shim does (gvisor: pkg/shim/v1/runsc/container.go, options.go).

    Raises NodeprovError where the shim would fail, or would silently fall back to PATH's runsc.
    """
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeprovError(f"{path} is not TOML: {error}", MAKE_ANEW) from None
    binary, flags = value.get("binary_name"), value.get("runsc_config", {})
    if not isinstance(binary, str) or not posixpath.isabs(binary):
        raise NodeprovError(
            f"{path} has no absolute binary_name: the shim would take the runsc it finds on PATH", MAKE_ANEW
        )
    if not isinstance(flags, dict) or not all(isinstance(flag, str) for flag in flags.values()):
        raise NodeprovError(f"{path}: every value of [runsc_config] must be a string", "run nodeprov install")
    return ShimOptions(binary, flags)


def runsc_flags(daemon: Daemon, settings: Settings) -> dict[str, str]:
    """Derive runsc's flags.

    systemd-cgroup follows the default runtime's SystemdCgroup in the effective configuration, for that is
    what kubelet's cgroup driver goes with: without it on such a node limits are silently not enforced
    (gvisor#10371), with it on another pods fail (gvisor#13258).
    """
    flags = {"platform": settings.runtime.platform, **settings.runtime.flags}
    if daemon.effective.systemd_cgroup:
        flags["systemd-cgroup"] = "true"
    return dict(sorted(flags.items()))
