"""A second origin of a release, whose sums are evidence: a mirror of others, or the assets of a tagged release."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases.artifacts import parse_sum
from nodeprov.releases.source import normal_base_url

if TYPE_CHECKING:
    from nodeprov.releases.origin import Origin
    from nodeprov.releases.source import ReleaseSource

LIST = "SHA512SUMS"
RELEASE = "{release}"
"""Stands in an address for the release."""
_MOST_BYTES = 64 << 10


def witness_address(
    source: ReleaseSource, url: str, version: str, architecture: str, artifact: str, sha512: str
) -> str:
    """Ask a second origin for an artifact's digest, and return the address of what says that it is this one.

    It has the folders that the first has, or is one folder with a list of sums, whose names have the architecture
    in them: NAME-x86_64.tar.zstd.

    Args:
        source: the first origin.
        url: the second, in which `{release}` stands for the version.
        version: a point release.
        architecture: as `uname -m` prints it.
        artifact: the file.
        sha512: what the first origin says, in hex.

    Raises:
        UsageError: it is not an address, or that of the first origin.
        NodeprovError: it says another digest, or nothing of this artifact.
    """
    base_url = normal_base_url(url.replace(RELEASE, version))
    if base_url == normal_base_url(source.base_url):
        raise UsageError(f"{url} is the origin itself", "a witness is another one, in other hands")
    with replace(source, base_url=base_url).connect() as origin:
        path = f"{source.software.path(version, architecture)}/{artifact}.sha512"
        text = origin.text(path)
        said = None if text is None else parse_sum(text, artifact, where=origin.url(path))
        if said is None:
            path, said = LIST, _of_list(origin, artifact, architecture)
        where = origin.url(path)
    if said is None:
        hint = f"it needs release/{version}/{architecture}/{artifact}.sha512, or {LIST}; or leave this witness out"
        raise NodeprovError(f"it has nothing about {artifact} for {architecture}", hint, where=base_url)
    if said != sha512:
        first = normal_base_url(source.base_url)
        raise NodeprovError(
            f"it says that {artifact} for {architecture} has the sha512 {said}, and {first} says {sha512}",
            "one of the two serves something else: install neither before you know which",
            where=where,
        )
    return where


def _of_list(origin: Origin, artifact: str, architecture: str) -> str | None:
    stem, dot, ending = artifact.partition(".")
    name = f"{stem}-{architecture}{dot}{ending}"
    for line in (origin.text(LIST, most_bytes=_MOST_BYTES) or "").splitlines():
        if line.replace(" *", "  ").partition("  ")[2] == name:
            return parse_sum(line, name, where=origin.url(LIST))
    return None
