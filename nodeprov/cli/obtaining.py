"""What has releases on this machine for a command: shown while it is downloaded, and held to a lock."""

from nodeprov.cli import output
from nodeprov.cli.locking import FoundLock
from nodeprov.cli.output import say
from nodeprov.inventory import ReleaseSettings
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import Software
from nodeprov.runtimes.obtaining import Releases, obtained


def releases_of(lock: FoundLock | None) -> Releases:
    """Return what has a release on this machine: it shows what is downloaded, and holds it to a lock."""
    return lock.obtained(_obtain) if lock else _obtain


def _obtain(software: Software, wanted: ReleaseSettings, architecture: str) -> Release:
    def on_latest(version: str) -> None:
        say(f'{wanted.version} is {version}; pin it: [release] version = "{version}"')

    with output.bar() as on_progress:
        return obtained(software, wanted, architecture, on_progress=on_progress, on_latest=on_latest)
