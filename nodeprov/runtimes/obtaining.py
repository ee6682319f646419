"""Having a release of a runtime on this machine, as an inventory wants it."""

from __future__ import annotations

from collections.abc import Callable

from nodeprov.inventory import ReleaseSettings
from nodeprov.local_files import cache_folder
from nodeprov.releases.obtain import Release, obtain, resolve
from nodeprov.releases.pace import Limits
from nodeprov.releases.source import ReleaseSource, Software

Releases = Callable[[Software, ReleaseSettings, str], Release]
"""Have a release of some software for an architecture on this machine; raise NodeprovError if that cannot be."""


def obtained(
    software: Software,
    wanted: ReleaseSettings,
    architecture: str,
    *,
    on_progress: Callable[[str, int, int | None], None] = lambda _what, _done, _total: None,
    on_latest: Callable[[str], None] = lambda _version: None,
) -> Release:
    """Have a release in this user's cache, downloaded unless it is there; say which one the latest is."""
    limits = Limits(wanted.download_timeout_seconds, wanted.least_bytes_per_second)
    pins = wanted.sha512.get(architecture, {})
    source = ReleaseSource(software, wanted.base_url, cache_folder(), on_progress, pins=pins, limits=limits)
    version = resolve(source, wanted.version, architecture)
    if version != wanted.version:
        on_latest(version)
    return obtain(source, version, architecture)
