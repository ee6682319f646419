"""A bundle that a command is given: verified before anything is touched, and unpacked where it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.cli.output import bar
from nodeprov.cli.signed import signed_by
from nodeprov.local_files import cache_folder

if TYPE_CHECKING:
    from nodeprov.inventory import Inventory, ReleaseSettings
    from nodeprov.releases.bundle import Bundle
    from nodeprov.releases.lock import LockedBuild
    from nodeprov.releases.source import Software


def open_bundle(whole: Inventory, path: Path) -> tuple[Bundle, str]:
    """Read a bundle, and verify it, and its signature where signers are configured; return it and who signed.

    What is signed is its index, by whose digests all the rest is found.
    Raises UsageError if it is altered, or not signed by one of them.
    """
    found = verified(path)
    allowed = whole.nodes[0].settings.trust.allowed_signers
    return found, signed_by(path, found.layout.index, "nodeprov.bundle", allowed)


def verified(path: Path) -> Bundle:
    """Read a bundle, and verify every byte of it; raise UsageError if it is altered."""
    from nodeprov.releases.bundle import read_bundle
    from nodeprov.runtimes import SOFTWARE

    with bar() as on_progress:
        return read_bundle(path, SOFTWARE, on_progress)


def unpack(
    bundle: Bundle, software: Software, wanted: ReleaseSettings, architecture: str, build: LockedBuild
) -> None:
    """Have its release in the cache, as if it had been downloaded from where the inventory says.

    Raises NodeprovError if it has none for the architecture, or other files than are locked.
    """
    from nodeprov.releases.source import ReleaseSource

    with bar() as on_progress:
        source = ReleaseSource(software, wanted.base_url, cache_folder(), on_progress)
        bundle.into_cache(source, architecture, build)
