"""What is released, as which files; where releases come from, and how they are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nodeprov.errors import UsageError
from nodeprov.releases.cache import CacheFolder
from nodeprov.releases.pace import USUAL, Limits, Progress

if TYPE_CHECKING:
    from nodeprov.releases.origin import Origin

LATEST = "latest"

_DIGEST = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class ArtifactLayout:
    """One form in which a release may be published: as an archive, or as loose programs."""

    name: str
    artifacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AptPackage:
    """A Debian package with the members of a release.

    Args:
        name: the package.
        folder: where the members are in it, such as "usr/bin".
        architectures: the names that Debian has for those of `uname -m`.
        suite: finds in a version the name of the signed suite that has it.
        keys_at: where its project publishes the keys that sign its suites.
    """

    name: str
    folder: str
    architectures: Mapping[str, str]
    suite: re.Pattern[str]
    keys_at: str


@dataclass(frozen=True, slots=True)
class Software:
    """A runtime, as its project releases it: what is true of every release.

    `layouts` are in the order of preference. Every release has the `programs`; the first names the release that it
    was built from, which `named_release` finds in its bytes. `architectures` are named as `uname -m` does.
    `example` is a version, and `version_hint` explains how to type one. `package` is how its project publishes it
    for apt.
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
    package: AptPackage | None = None

    @staticmethod
    def path(version: str, architecture: str) -> str:
        """Name the folder of a release at an origin."""
        return f"release/{version}/{architecture}"

    def is_point_release(self, version: str) -> bool:
        """Tell whether a version is one whose bytes stay: a date alone is the newest release of that day."""
        return self.version.fullmatch(version) is not None and "." in version

    def check_version(self, version: str) -> None:
        """Refuse what is no version; raise UsageError with what to type instead."""
        if self.version.fullmatch(version):
            return
        meant = self.version.search(version)
        hint = f"type {meant[0]}" if meant else self.version_hint
        raise UsageError(f"{version!r} is not a release of {self.name}", hint)

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
                raise UsageError(
                    f"the pin of {artifact} is not a sha512 digest", "write 128 lower-case hex digits"
                )
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


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """Where releases are published, and where they are kept on this machine.

    Args:
        software: what is released.
        base_url: where they are published, or a mirror, or a folder as an absolute path or file:// URL, with
            `release/VERSION/ARCHITECTURE/` below it.
        cache: a folder of this machine; it is made.
        on_progress: called often, with what is being done to which file, the bytes done, and of how many.
        pins: SHA-512 digests in hex by artifact, a file of the release; empty to trust the origin's own sums.
        limits: how slow the origin may be, and how large its files.
    """

    software: Software
    base_url: str
    cache: Path
    on_progress: Progress
    pins: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = USUAL

    def folder(self, version: str, architecture: str) -> CacheFolder:
        """Find where a release is kept; raise UsageError if `base_url` is not an address."""
        return CacheFolder.of(self.cache, normal_base_url(self.base_url), version, architecture)

    def connect(self) -> Origin:
        """Begin to ask the origin: from now on its time runs."""
        from nodeprov.releases.origin import Origin  # brings requests: 150 ms that a run without network saves

        return Origin(normal_base_url(self.base_url), self.limits)


def normal_base_url(base_url: str) -> str:
    """Bring a base URL into one form; a folder of this machine becomes file://.

    Raises:
        UsageError: it is neither an address nor an absolute path, or has a password, which messages would show.
    """
    base_url = base_url.rstrip("/")
    if base_url.startswith("/"):
        return Path(base_url).as_uri()
    try:
        place = urlsplit(base_url).netloc
    except ValueError as error:
        raise UsageError(
            f"base_url {base_url!r} is not an address: {error}", "write it as a browser shows it"
        ) from None
    if "@" in place:
        raise UsageError("base_url has a user or password in it", "put them into ~/.netrc, for its host")
    if re.match(r"(https?://[^/]|file:///)", base_url):
        return base_url
    raise UsageError(f"base_url {base_url!r} is not an address", "begin it with https://, http://, file:/// or /")
