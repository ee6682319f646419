"""What an origin publishes as one release: which files, in which layout, with which digests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError
from nodeprov.releases.programs import beginning
from nodeprov.releases.source import LATEST, ArtifactLayout, ReleaseSource

if TYPE_CHECKING:
    from nodeprov.releases.origin import Denied, Origin


@dataclass(frozen=True, slots=True)
class Published:
    """A release as an origin publishes it: the folder there, and each artifact's SHA-512 digest in hex."""

    path: str
    layout: str
    sha512: Mapping[str, str]


def pin_conflict(sha512: Mapping[str, str], pins: Mapping[str, str]) -> str:
    """Name the artifact that has another digest than is pinned; nothing if none. Pins of others do not matter."""
    for artifact, digest in sha512.items():
        if pins.get(artifact, digest) != digest:
            return f"{artifact} has the sha512 {digest}, and is pinned to {pins[artifact]}"
    return ""


def find(source: ReleaseSource, origin: Origin, version: str, architecture: str) -> Published:
    """Look which of the layouts an origin has, by asking for their sums.

    With pins, only what is pinned is looked for, and must have that digest; a mirror then needs no sum of it
    that can be read.

    Args:
        source: whose origin it is.
        origin: the connection to it.
        version: a release, or "latest".
        architecture: as `uname -m` prints it.

    Raises:
        NodeprovError: none is there; a sum is malformed, or not the pinned one; the origin fails.
        UsageError: the pins cover no layout.
    """
    path = source.software.path(version, architecture)
    layouts = source.software.allowed_layouts(source.pins)
    denied: list[Denied] = []
    for layout in layouts:
        sha512 = _sums(source, origin, path, layout, denied)
        if sha512:
            if conflict := pin_conflict(sha512, source.pins):
                hint = "use another base_url; or, if you trust the new one, correct the pin"
                raise NodeprovError(f"the origin has changed: {conflict}", hint, where=origin.url(path))
            return Published(path, layout.name, sha512)
    if denied:
        raise denied[0]
    tried = ", ".join(layout.artifacts[0] for layout in layouts)
    number = "" if "." in version or version == LATEST else f"try {version}.0; "
    raise NotPublished(
        f"there is no {source.software.name} {version} for {architecture}: 404 for {tried}",
        f"{number}look at the version and base_url: {source.software.list_hint}",
        where=origin.url(path),
    )


def is_published(origin: Origin, path: str, sha512: Mapping[str, str]) -> bool:
    """Look whether an origin has these very artifacts in a folder."""
    return all(_digest(origin, path, artifact) == digest for artifact, digest in sha512.items())


def _sums(
    source: ReleaseSource, origin: Origin, path: str, layout: ArtifactLayout, denied: list[Denied]
) -> dict[str, str]:
    """Fetch the digests of a layout's artifacts; none at all if the origin does not have the first."""
    from nodeprov.releases.origin import Denied  # brings requests: see source.py

    found: dict[str, str] = {}
    for artifact in layout.artifacts:
        try:
            digest = _digest_or_pin(origin, path, artifact, source.pins.get(artifact))
        except Denied as error:  # what a bucket that may not be listed answers for what it does not have
            denied.append(error)
            return {}
        if digest is not None:
            found[artifact] = digest
        elif found:
            raise NodeprovError(
                f"the release has no {artifact}", source.software.list_hint, where=origin.url(path)
            )
        else:
            return {}
    return found


def _digest_or_pin(origin: Origin, path: str, artifact: str, pin: str | None) -> str | None:
    """Fetch an artifact's digest; where the origin publishes none that can be read, a pin is enough.

    The download is held against it, whatever the origin says. Only a sum that contradicts a pin is worth knowing.
    """
    try:
        digest = _digest(origin, path, artifact)
    except NotUnderstood:
        if pin is None:
            raise
        return pin
    if digest is None and pin is not None and origin.text(f"{path}/{artifact}") is not None:
        return pin
    return digest


def _digest(origin: Origin, path: str, artifact: str) -> str | None:
    text = origin.text(f"{path}/{artifact}.sha512")
    return None if text is None else parse_sum(text, artifact, where=origin.url(f"{path}/{artifact}.sha512"))


class NotPublished(NodeprovError):
    """An origin has no release of this version for this architecture."""


class NotUnderstood(NodeprovError):
    """What an origin has as the sum of a file is none of that file."""


_SUM = re.compile(
    r"""
    (?P<digest>[0-9A-Fa-f]{128}) \ [ *] (?P<name>[^\n]+?) \r?\n?     # sha512sum, which upstream publishes
    | \s* (?P<alone>[0-9A-Fa-f]{128}) \s*                            # Artifactory, Nexus
    | SHA512\ \( (?P<of>[^\n]+) \)\ =\ (?P<tagged>[0-9A-Fa-f]{128}) \r?\n?  # sha512sum --tag
    """,
    re.VERBOSE,
)


def parse_sum(text: str, artifact: str, *, where: str) -> str:
    """Read the digest of an artifact, which its sum must be about if it names a file at all.

    A repository manager computes the sum itself, and answers for any path that ends in .sha512 with a bare digest.

    Raises:
        NotUnderstood: it is no sum, or names another file.
    """
    match = _SUM.fullmatch(text)
    if match is None:
        hint = "is it a proxy's or a portal's page? open the address and look"
        raise NotUnderstood(f"this is not a line of sha512sum ({beginning(text.encode())})", hint, where=where)
    if (name := match["name"] or match["of"]) not in (None, artifact):
        raise NotUnderstood(f"the sum is that of {name!r}", "look at base_url", where=where)
    return (match["digest"] or match["alone"] or match["tagged"]).lower()
