"""`nodeprov fetch`: brings the releases that the inventory wants into this machine's cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nodeprov.cli import options
from nodeprov.cli.output import bar, show_json, show_text

if TYPE_CHECKING:
    from nodeprov.cli.locking import FoundLock
    from nodeprov.inventory import Inventory, ReleaseSettings
    from nodeprov.releases.obtain import Release

Fetched = tuple["ReleaseSettings", "Release"]


@options.command(
    "nodeprov fetch",
    "nodeprov fetch --arch x86_64 --arch aarch64",
    "nodeprov fetch --from bundle.tar",
    codes="0: all of them are in the cache, 1: one cannot be had, or is not what is locked",
)
def fetch(
    arch: options.Architectures = None,
    lock: options.Lock = None,
    bundle: options.From = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Bring the releases that the inventory and its lock want into this machine's cache.

    No node is connected to. After it `install` needs no network, except that to the nodes.
    """
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import with_lock

    whole, locked = with_lock(load(inventory, sets), lock, bundle)
    in_bundle = sorted(locked.bundle.layers) if locked and locked.bundle else ()
    found = list(fetched(whole, locked, arch or in_bundle))
    if as_json:
        from nodeprov.local_files import cache_folder

        show_json({"cache": str(cache_folder()), "releases": [_json(*each) for each in found]})
    else:
        show_text("\n".join(_told(release) for _, release in found))


def fetched(whole: Inventory, locked: FoundLock | None, architectures: Sequence[str]) -> Iterator[Fetched]:
    """Have each release that a node wants in the cache, for each architecture; those of the lock by default.

    Raises:
        UsageError: nothing is published for an architecture.
        NodeprovError: one of them cannot be had, or is not what is locked.
    """
    from nodeprov.cli.obtaining import releases_of
    from nodeprov.runtimes import SOFTWARE

    for each in architectures:
        SOFTWARE.check_architecture(each)
    obtain = releases_of(locked)
    for wanted in _wanted(whole):
        known = sorted({*architectures}) or (sorted(locked.lock.builds) if locked else _published(wanted))
        for architecture in known:
            yield wanted, obtain(SOFTWARE, wanted, architecture)


def _wanted(whole: Inventory) -> list[ReleaseSettings]:
    """Return what nodes want, each release of an origin once, and once for each digest that is pinned."""
    every = [view.settings.release for node in whole.nodes for view in node.views]
    by_what = {(each.base_url, each.version, json.dumps(each.sha512, sort_keys=True)): each for each in every}
    return list(by_what.values())


def _published(wanted: ReleaseSettings) -> list[str]:
    from nodeprov.local_files import cache_folder
    from nodeprov.releases.locking import published
    from nodeprov.releases.pace import Limits
    from nodeprov.releases.source import ReleaseSource
    from nodeprov.runtimes import SOFTWARE

    if wanted.sha512:
        return sorted(wanted.sha512)
    limits = Limits(wanted.download_timeout_seconds, wanted.least_bytes_per_second)
    with bar() as on_progress:
        source = ReleaseSource(SOFTWARE, wanted.base_url, cache_folder(), on_progress, limits=limits)
        return sorted(published(source, wanted.version))


def _told(release: Release) -> str:
    size = sum(each.size_bytes for each in release.members) >> 20
    return (
        f"{release.version} for {release.architecture}: {len(release.members)} files, {size} MiB: {release.folder}"
    )


def _json(wanted: ReleaseSettings, release: Release) -> dict[str, Any]:
    return {
        "version": release.version,
        "architecture": release.architecture,
        "origin": wanted.base_url,
        "layout": release.layout,
        "sha512": dict(release.sha512),
        "files": len(release.members),
        "bytes": sum(each.size_bytes for each in release.members),
        "path": str(release.folder),
    }
