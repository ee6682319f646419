"""What is released: its name, the form of its versions, the files that are published, and the programs in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.errors import UsageError

LATEST = "latest"

_DIGEST = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class ArtifactLayout:
    """One form in which a release may be published: as an archive, or as loose programs."""

    name: str
    artifacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Software:
    """A runtime, as its project releases it: what is true of every release.

    `layouts` are in the order of preference. Every release has the `programs`; the first names the release that it
    was built from, which `named_release` finds in its bytes. `architectures` are named as `uname -m` does.
    `example` is a version, and `version_hint` says how to type one.
    """

    name: str
    layouts: tuple[ArtifactLayout, ...]
    programs: tuple[str, ...]
    architectures: tuple[str, ...]
    version: re.Pattern[str]
    named_release: re.Pattern[bytes]
    example: str
    version_hint: str
    list_hint: str

    @staticmethod
    def path(version: str, architecture: str) -> str:
        """Name the folder of a release at an origin."""
        return f"release/{version}/{architecture}"

    def check_version(self, version: str) -> None:
        """Refuse what is no version; raise UsageError with what to type instead."""
        if self.version.fullmatch(version):
            return
        meant = self.version.search(version)
        hint = f"type {meant[0]}" if meant else self.version_hint
        raise UsageError(f"{version!r} is no release of {self.name}", hint)

    def check_architecture(self, architecture: str) -> None:
        """Refuse an architecture for which nothing is published; raise UsageError."""
        if architecture not in self.architectures:
            hint = f"use {' or '.join(self.architectures)}"
            raise UsageError(f"{self.name} is not published for {architecture!r}", hint)

    def allowed_layouts(self, pins: Mapping[str, str]) -> tuple[ArtifactLayout, ...]:
        """Name the layouts that may be used: with pins only those whose artifacts are all pinned.

        Raises:
            UsageError: a pin is no digest, or no layout is pinned whole.
        """
        for artifact, digest in pins.items():
            if not _DIGEST.fullmatch(digest):
                raise UsageError(f"the pin of {artifact} is no sha512 digest", "write 128 lower-case hex digits")
        layouts = tuple(layout for layout in self.layouts if not pins or pins.keys() >= set(layout.artifacts))
        if layouts:
            return layouts
        half = [layout for layout in self.layouts if pins.keys() & set(layout.artifacts)]
        if half:
            hint = f"pin {next(artifact for artifact in half[0].artifacts if artifact not in pins)} too"
        else:
            *others, last = (" and ".join(layout.artifacts) for layout in self.layouts)
            hint = f"pin {', '.join(others)}, or {last}"
        raise UsageError(f"the pins ({', '.join(sorted(pins))}) cover no release whole", hint)
