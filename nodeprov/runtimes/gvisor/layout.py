"""Where gVisor lies on a node."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from nodeprov.containerd import Runtime
from nodeprov.inventory import Settings
from nodeprov.node.footprint import Footprint

SHIM = "containerd-shim-runsc-v1"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie on a node."""

    prefix: str
    handler: str

    @property
    def around(self) -> str:
        """The folder that was there before us: empty folders below it are ours."""
        return posixpath.dirname(self.prefix)

    @property
    def releases(self) -> str:
        """The folder of the releases, which all handlers share."""
        return f"{self.prefix}/releases"

    @property
    def handler_folder(self) -> str:
        """The folder of one handler's generations."""
        return f"{self.prefix}/handlers/{self.handler}"

    @property
    def current(self) -> str:
        """The link whose one rename is an upgrade."""
        return f"{self.handler_folder}/current"

    @property
    def runtime(self) -> Runtime:
        """The table in containerd's configuration: it names the shim and runsc.toml through `current`."""
        return Runtime(self.handler, f"{self.current}/{SHIM}", f"{self.current}/runsc.toml")


def layout(settings: Settings) -> Layout:
    """Say where things lie on a node with these settings."""
    return Layout(settings.paths.prefix, settings.runtime.handler)


def former_layouts(footprint: Footprint, settings: Settings) -> tuple[Layout, ...]:
    """Say where things lie that were installed with another prefix."""
    return tuple(Layout(prefix, settings.runtime.handler) for prefix in footprint.prefixes[1:])


def former_runtimes(footprint: Footprint, settings: Settings) -> tuple[Runtime, ...]:
    """Say which tables nodeprov may have written before the prefix was changed."""
    return tuple(each.runtime for each in former_layouts(footprint, settings))
