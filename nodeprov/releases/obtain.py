"""gVisor's releases: found, downloaded once, verified, and kept unpacked in a cache on this machine."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError
from nodeprov.releases import artifacts
from nodeprov.releases.artifacts import LATEST, Published
from nodeprov.releases.cache import Entry, Place, explained
from nodeprov.releases.pace import USUAL, Patience
from nodeprov.releases.programs import check_programs, named_releases, releases_of_programs
from nodeprov.states import TreeState

if TYPE_CHECKING:
    from nodeprov.releases.download import Progress
    from nodeprov.releases.origin import Origin

DEFAULT_BASE_URL = "https://storage.googleapis.com/gvisor/releases"
BACKOFF_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Release:
    """A release of gVisor for one architecture, unpacked and verified on this machine.

    `folder` is the unpacked tree, and `tree` what it must be on a node. `sha512` has the digest, in hex, of
    each artifact that was downloaded: what an inventory can pin.
    """

    version: str
    architecture: str
    layout: str
    folder: Path
    tree: TreeState
    sha512: Mapping[str, str]

    @property
    def name(self) -> str:
        """The release's folder on a node; other bytes under the same version have another."""
        return f"{self.version}-{self.tree.digest[:12]}"


def resolve(
    version: str,
    architecture: str,
    *,
    base_url: str,
    cache: Path,
    pins: Mapping[str, str],
    on_progress: Progress,
    backoff_seconds: float = BACKOFF_SECONDS,
    patience: Patience = USUAL,
) -> str:
    """Turn "latest" into the version it is now; return any other version as it is, asking nobody.

    Upstream publishes no name for what `release/latest` holds. It copies the same files to `release/latest`
    and to the version's own folder (tools/make_release.sh), and stamps the version into runsc. So what
    `latest` serves is downloaded into the cache, unless it is there already; runsc says which version it is;
    and that version's own folder must publish the same digest. `obtain` then finds it in the cache. GitHub's
    list of releases is no help: it follows the bucket hours or days later, and has releases that the bucket
    never had (gvisor#12167, #14385, #14529), and a mirror has another newest one.

    Args:
        version: "latest", "20260905.0" or "20260905".
        architecture: what `uname -m` prints on a node: "x86_64" or "aarch64". Resolve for one of them, once.
        base_url: as for `obtain`.
        cache: as for `obtain`.
        pins: as for `obtain`.
        on_progress: as for `obtain`.
        backoff_seconds: as for `obtain`.
        patience: as for `obtain`.

    Raises:
        UsageError: it is no version.
        NodeprovError: as for `obtain`, or if it cannot be told which version it is.
    """
    if version != LATEST:
        artifacts.check_version(version)
        return version
    artifacts.check_architecture(architecture)
    base_url = artifacts.normal_base_url(base_url)
    latest = Place.of(cache, base_url, LATEST, architecture)
    with explained(cache), latest.locked(on_progress), _origin(base_url, backoff_seconds, patience) as origin:
        published = artifacts.find(origin, LATEST, architecture, pins)
        if known := latest.version_made_of(published.sha512):
            return known
        tree = _fetch(origin, published, architecture, latest.staging, on_progress)
        version = _version_of(origin, published, architecture, tree)
        if not pins:
            _check_version(origin.url(published.path), published, version, tree)
        place = Place.of(cache, base_url, version, architecture)
        with place.locked(on_progress):
            if place.read() is None:
                place.store(tree, published.layout, published.sha512)
        shutil.rmtree(latest.staging)
    return version


def obtain(
    version: str,
    architecture: str,
    *,
    base_url: str,
    cache: Path,
    pins: Mapping[str, str],
    on_progress: Progress,
    backoff_seconds: float = BACKOFF_SECONDS,
    patience: Patience = USUAL,
) -> Release:
    """Have a release here: out of the cache without any network, or downloaded, verified and unpacked.

    Two runs at once download it once. A run that was interrupted is gone on with. A cached "20260905" stays
    the release it was, although upstream may add a 20260905.1.

    Args:
        version: "20260905.0", or "20260905" for the last release of that day; "latest" is for `resolve`.
        architecture: what `uname -m` prints on the node: "x86_64" or "aarch64".
        base_url: where releases are published (DEFAULT_BASE_URL), or a mirror, or a folder as an absolute path
            or file:// URL, with `release/VERSION/ARCHITECTURE/` below it.
        cache: a folder of this machine; it is made.
        pins: SHA-512 digests in hex by artifact ("gvisor.tar.zstd"); empty to trust the origin's own sums.
        on_progress: called often, with what is being done to which file, the bytes done, and of how many.
        backoff_seconds: the wait before a second retry; it doubles with each.
        patience: what is borne of the origin.

    Raises:
        UsageError: the version, architecture, base_url or pins cannot be meant.
        NodeprovError: it is not there, not what was pinned, not for that architecture, of another version than
            asked for, damaged or hostile; the origin cannot be reached; the disk is full.
    """
    artifacts.check_version(version)
    artifacts.check_architecture(architecture)
    artifacts.allowed_layouts(pins)
    base_url = artifacts.normal_base_url(base_url)
    place = Place.of(cache, base_url, version, architecture)
    with explained(cache):
        entry = _cached(place, pins)
        if entry is None:
            with place.locked(on_progress), _origin(base_url, backoff_seconds, patience) as origin:
                # The run that was waited for may have made it.
                entry = _cached(place, pins) or _make(place, origin, version, architecture, pins, on_progress)
    return Release(version, architecture, entry.layout, place.tree, entry.tree, entry.sha512)


def _origin(base_url: str, backoff_seconds: float, patience: Patience) -> Origin:
    from nodeprov.releases.origin import Origin  # brings requests: 150 ms that a run without network need not pay

    return Origin(base_url, backoff_seconds=backoff_seconds, patience=patience)


def _cached(place: Place, pins: Mapping[str, str]) -> Entry | None:
    """Read the entry, unless it was made of artifacts that are not pinned while others are."""
    entry = place.read()
    if entry is None or (pins and not entry.sha512.keys() <= pins.keys()):
        return None
    if conflict := artifacts.pin_conflict(entry.sha512, pins):
        hint = f"correct the pin; or fetch the release anew: rm -r {shlex.quote(str(place.folder))}"
        raise NodeprovError(f"the cached release is another: {conflict}", hint, where=str(place.folder))
    return entry


def _make(
    place: Place,
    origin: Origin,
    version: str,
    architecture: str,
    pins: Mapping[str, str],
    on_progress: Progress,
) -> Entry:
    try:
        published = artifacts.find(origin, version, architecture, pins)
        tree = _fetch(origin, published, architecture, place.staging, on_progress)
    except NodeprovError as error:
        if place.folder.exists():
            error.hint += f"; the copy in {place.folder} is damaged, or not the pinned one, and was not used"
        raise
    if not pins:  # who pins a digest has said which bytes are meant
        _check_version(origin.url(published.path), published, version, tree)
    return place.store(tree, published.layout, published.sha512)


def _fetch(origin: Origin, published: Published, architecture: str, staging: Path, on_progress: Progress) -> Path:
    """Download, unpack and check a release; what was downloaded stays in `staging` until the entry is made."""
    from nodeprov.releases.archive import unpack
    from nodeprov.releases.download import download

    downloads, tree = staging / "downloads", staging / "tree"
    downloads.mkdir(parents=True, exist_ok=True)
    for artifact, digest in published.sha512.items():
        path = f"{published.path}/{artifact}"
        download(origin, path, downloads / artifact, sha512=digest, on_progress=on_progress)
    if published.layout == "archive":
        where = origin.url(f"{published.path}/{artifact}")
        tree = unpack(downloads / artifact, tree, on_progress=on_progress, where=where)
    else:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(downloads, tree, ignore=lambda _, names: set(names) - published.sha512.keys())
    try:
        check_programs(tree, architecture)
    except NodeprovError as error:
        raise error.at(origin.url(published.path)) from None
    return tree


def _check_version(where: str, published: Published, version: str, tree: Path) -> None:
    """Refuse another release under this version's name, also of one program: as far as each names its own.

    Two tags on one commit make upstream publish one build under two names: release-20250915.0 and
    release-20250922.0 are such a pair.
    """
    for name, named in releases_of_programs(tree).items():
        if not any(each == version or each.startswith(f"{version}.") for each in named):
            pin = "; ".join(f'"{artifact}" = "{digest}"' for artifact, digest in published.sha512.items())
            raise NodeprovError(
                f"asked for {version}, it serves a {name} of {', '.join(sorted(named))}",
                f"look at base_url; or, if these bytes are what you mean, pin them: {pin}",
                where=where,
            )


def _version_of(origin: Origin, published: Published, architecture: str, tree: Path) -> str:
    """Find out which version "latest" is: runsc names it, and it is published under that name, too."""
    named = sorted(named_releases(tree / "runsc"), reverse=True)
    for version in named:
        if artifacts.is_same(origin, published, version, architecture):
            return version
    names = f"{', '.join(named)}, where other files are published" if named else "none"
    raise NodeprovError(
        f"cannot tell which release this is: its runsc names {names}",
        "ask for a version, as 20260905.0; or, if a release is just being published, try again in an hour",
        where=origin.url(published.path),
    )
