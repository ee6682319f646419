"""Where nodeprov's things lie on a node."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nodeprov.inventory import Settings
from nodeprov.inventory.canary import canary_handler

CURRENT = "current"
"""The link whose one rename is an upgrade."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one handler's installation.

    Args:
        prefix: the folder of the releases and the generations.
        handler: the runtime's name in containerd.
        bin: the folder of the link for people; "" for none.
        program: what people call: the link's name, and that of what it leads to in the current generation.
        former: prefixes that earlier settings had.
        named: what of the handler's folder containerd's table names: the link, or one generation.
        mount_hints: whether that table lets pods say by annotations how their volumes are shared.
    """

    prefix: str
    handler: str
    bin: str
    program: str
    former: tuple[str, ...] = ()
    named: str = CURRENT
    mount_hints: bool = False

    @classmethod
    def of(cls, settings: Settings, program: str) -> Layout:
        """Return where things lie by these settings."""
        runtime = settings.runtime
        place = (settings.paths.prefix, runtime.handler, settings.paths.bin, program)
        return cls(*place, mount_hints=runtime.mount_hints)

    @property
    def parent(self) -> str:
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
    def handler_folders(self) -> tuple[str, ...]:
        """The folders of the handler's generations, today's first."""
        return tuple(each.handler_folder for each in (self, *self.earlier))

    @property
    def current(self) -> str:
        """The link whose one rename is an upgrade."""
        return f"{self.handler_folder}/{CURRENT}"

    @property
    def for_containerd(self) -> str:
        """The folder that containerd's table names."""
        return f"{self.handler_folder}/{self.named}"

    def of_canary(self) -> Layout:
        """Return where the things of the handler's canary lie."""
        return replace(self, handler=canary_handler(self.handler), bin="", named=CURRENT)

    def as_wanted(self, settings: Settings, links: Mapping[str, str]) -> Layout:
        """Return the same with containerd's table naming what the settings say; `links` has what is in force."""
        return self.naming(links.get(self.current, "")) if settings.runtime.strict else self

    def naming(self, generation: str) -> Layout:
        """Return the same with containerd's table naming a generation itself; without one, the link."""
        return replace(self, named=generation or CURRENT)

    @property
    def link_for_people(self) -> str:
        """The link by which people find the current program; "" if there is to be none."""
        return f"{self.bin}/{self.program}" if self.bin else ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """All folders in which something of ours may lie, today's first."""
        return (self.prefix, *self.former)

    @property
    def earlier(self) -> tuple[Layout, ...]:
        """The layouts below former prefixes."""
        return tuple(replace(self, prefix=prefix, former=(), named=CURRENT) for prefix in self.former)

    @property
    def links(self) -> tuple[str, ...]:
        """All links of ours."""
        links = (*(each.current for each in (self, *self.earlier)), self.link_for_people)
        return tuple(link for link in links if link)
