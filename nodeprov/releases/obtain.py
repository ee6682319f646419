"""Releases: found, downloaded once, verified, and kept unpacked in a cache on this machine."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError
from nodeprov.releases import artifacts
from nodeprov.releases.artifacts import Published
from nodeprov.releases.cache import CachedFile, CacheFolder, Entry, explain_disk_errors
from nodeprov.releases.programs import check_programs, named_releases, releases_of_programs
from nodeprov.releases.source import LATEST, ReleaseSource
from nodeprov.states import TreeState

if TYPE_CHECKING:
    from nodeprov.releases.origin import Origin


@dataclass(frozen=True, slots=True)
class Release:
    """A release for one architecture, unpacked and verified on this machine.

    `folder` is the unpacked tree, and `tree` what it must be on a node. `sha512` has the digest, in hex, of
    each artifact that was downloaded: what an inventory can pin; `size_bytes` their sizes, and `members` the
    files of the tree.
    """

    version: str
    architecture: str
    layout: str
    folder: Path
    tree: TreeState
    sha512: Mapping[str, str]
    size_bytes: Mapping[str, int] = field(default_factory=dict)
    members: tuple[CachedFile, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """The release's folder on a node; other bytes under the same version have another."""
        return f"{self.version}-{self.tree.digest[:12]}"


def resolve(source: ReleaseSource, version: str, architecture: str) -> str:
    """Turn "latest" into the version it is now, as `resolve_point` does; return any other one, asking nobody."""
    if version != LATEST:
        source.software.check_version(version)
        return version
    return resolve_point(source, version, architecture)


def resolve_point(source: ReleaseSource, version: str, architecture: str) -> str:
    """Turn "latest" or a date into the point release it is now; return one as it is, asking nobody.

    An origin has no name for what its `release/latest` holds: the same files are in the version's own folder. So
    what `latest` serves is downloaded into the cache, unless it is there already; its first program says which
    version it is; and that version's own folder must publish the same digest. `obtain` then finds it in the cache.
    A date's folder, `release/20260905`, is as mutable (upstream's tools/make_release.sh).

    Args:
        source: where from.
        version: "latest", "20260905.0" or "20260905".
        architecture: what `uname -m` prints on a node: "x86_64" or "aarch64". Resolve for one of them, once.

    Raises:
        UsageError: it is no version.
        NodeprovError: as for `obtain`, or it is unknown which version it is.
    """
    if version != LATEST:
        source.software.check_version(version)
        if source.software.is_point_release(version):
            return version
    source.software.check_architecture(architecture)
    moving = source.folder(version, architecture)
    with explain_disk_errors(source.cache), moving.locked(source.on_progress), source.connect() as origin:
        published = artifacts.find(source, origin, version, architecture)
        beginning = "" if version == LATEST else f"{version}."
        if known := moving.version_made_of(published.sha512, beginning):
            return known
        tree = _fetch(source, origin, published, architecture, moving.staging)
        sizes = _sizes(moving, published)
        version = _version_of(source, origin, published, architecture, tree, beginning)
        _check_version(source, origin.url(published.path), published, version, tree)
        folder = source.folder(version, architecture)
        with folder.locked(source.on_progress):
            if folder.read() is None:
                folder.store(tree, published.layout, published.sha512, sizes)
        shutil.rmtree(moving.staging)
    return version


def obtain(source: ReleaseSource, version: str, architecture: str, *, with_sizes: bool = False) -> Release:
    """Have a release here: out of the cache without any network, or downloaded, verified and unpacked.

    Two runs at once download it once. An interrupted download is continued. A cached "20260905" stays
    the release it was, although upstream may add a 20260905.1.

    Args:
        source: where from.
        version: "20260905.0", or "20260905" for the last release of that day; "latest" is for `resolve`.
        architecture: what `uname -m` prints on the node: "x86_64" or "aarch64".
        with_sizes: whether an entry of an earlier nodeprov, which has not kept the artifacts' sizes, will not do.

    Raises:
        UsageError: the version, architecture, address or pins cannot be meant.
        NodeprovError: it is not there, not what was pinned, not for that architecture, of another version than
            asked for, damaged or hostile; the origin cannot be reached; the disk is full.
    """
    source.software.check_version(version)
    source.software.check_architecture(architecture)
    source.software.allowed_layouts(source.pins)
    folder = source.folder(version, architecture)
    with explain_disk_errors(source.cache):
        entry = _cached(folder, source.pins)
        if entry is None or (with_sizes and not entry.size_bytes):
            with folder.locked(source.on_progress), source.connect() as origin:
                # The run that was waited for may have made it.
                entry = _cached(folder, source.pins)
                if entry is None or (with_sizes and not entry.size_bytes):
                    entry = _make(source, origin, folder, version, architecture)
    sizes, members = entry.size_bytes, entry.files
    return Release(version, architecture, entry.layout, folder.tree, entry.tree, entry.sha512, sizes, members)


def kept_beside(release: Release, name: str) -> Release | None:
    """Find the release of a folder's name on a node where another one is kept; None if its bytes are not here."""
    version = name.partition("-")[0]
    folder = CacheFolder(release.folder.parent.parent.parent / version / release.architecture)
    if not version or not folder.tree.is_dir() or (entry := folder.read()) is None:
        return None
    found = Release(version, release.architecture, entry.layout, folder.tree, entry.tree, entry.sha512)
    return found if found.name == name else None


def _cached(folder: CacheFolder, pins: Mapping[str, str]) -> Entry | None:
    """Read the entry, unless it was made of artifacts that are not pinned while others are."""
    entry = folder.read()
    if entry is None or (pins and not entry.sha512.keys() <= pins.keys()):
        return None
    if conflict := artifacts.pin_conflict(entry.sha512, pins):
        path = str(folder.path)
        hint = f"correct the pin; or fetch the release anew: rm -r {shlex.quote(path)}"
        raise NodeprovError(f"the cached release differs: {conflict}", hint, where=path)
    return entry


def _make(source: ReleaseSource, origin: Origin, folder: CacheFolder, version: str, architecture: str) -> Entry:
    try:
        published = artifacts.find(source, origin, version, architecture)
        tree = _fetch(source, origin, published, architecture, folder.staging)
    except NodeprovError as error:
        if folder.path.exists():
            error.hint += f"; the copy in {folder.path} is damaged, or not the pinned one, and was not used"
        raise
    _check_version(source, origin.url(published.path), published, version, tree)
    return folder.store(tree, published.layout, published.sha512, _sizes(folder, published))


def _sizes(folder: CacheFolder, published: Published) -> dict[str, int]:
    return {name: (folder.staging / "downloads" / name).stat().st_size for name in published.sha512}


def _fetch(source: ReleaseSource, origin: Origin, published: Published, architecture: str, staging: Path) -> Path:
    """Download, unpack and check a release; what was downloaded stays in `staging` until the entry is made."""
    from nodeprov.releases.archive import unpack
    from nodeprov.releases.download import download

    downloads, tree = staging / "downloads", staging / "tree"
    downloads.mkdir(parents=True, exist_ok=True)
    for artifact, digest in published.sha512.items():
        path = f"{published.path}/{artifact}"
        download(origin, path, downloads / artifact, sha512=digest, on_progress=source.on_progress)
    if published.layout == "archive":
        where, name = origin.url(f"{published.path}/{artifact}"), source.software.name
        tree = unpack(downloads / artifact, tree, software=name, on_progress=source.on_progress, where=where)
    else:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(downloads, tree, ignore=lambda _, names: set(names) - published.sha512.keys())
    try:
        check_programs(tree, architecture, source.software.programs)
    except NodeprovError as error:
        raise error.at(origin.url(published.path)) from None
    return tree


def _check_version(source: ReleaseSource, where: str, published: Published, version: str, tree: Path) -> None:
    """Refuse another release under this version's name, also of one program: as far as each names its own.

    One build may be published under two names, and then names both.
    """
    if source.pins:  # who pins a digest has chosen the bytes
        return
    for name, named in releases_of_programs(tree, source.software).items():
        if not any(each == version or each.startswith(f"{version}.") for each in named):
            pin = "; ".join(f'"{artifact}" = "{digest}"' for artifact, digest in published.sha512.items())
            raise NodeprovError(
                f"asked for {version}, it serves a {name} of {', '.join(sorted(named))}",
                f"look at base_url; or, if these bytes are what you mean, pin them: {pin}",
                where=where,
            )


def _version_of(
    source: ReleaseSource, origin: Origin, published: Published, architecture: str, tree: Path, beginning: str
) -> str:
    """Find out which version it is: a program names it, and it is published under that name, too."""
    program = source.software.programs[0]
    found = named_releases(tree / program, source.software.named_release)
    named = sorted((name for name in found if name.startswith(beginning)), reverse=True)
    for version in named:
        if artifacts.is_published(origin, source.software.path(version, architecture), published.sha512):
            return version
    names = f"{', '.join(named)}, where other files are published" if named else "none"
    hint = f"ask for a version, as {source.software.example}; or, if a release is just being published, "
    raise NodeprovError(
        f"cannot determine which release this is: its {program} names {names}",
        f"{hint}try again in an hour",
        where=origin.url(published.path),
    )
