"""What the inventory says of where releases come from and of who is asked, and a lock that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.cli.output import OnProgress, say
from nodeprov.errors import UsageError
from nodeprov.hosts.openpgp import trusted_keys, verified
from nodeprov.local_files import cache_folder
from nodeprov.releases.lock import APT
from nodeprov.releases.locking import Evidence
from nodeprov.releases.pace import Limits
from nodeprov.releases.source import LATEST, ReleaseSource
from nodeprov.runtimes import SOFTWARE

if TYPE_CHECKING:
    from nodeprov.inventory import Inventory, ReleaseSettings
    from nodeprov.releases.lock import Lock


class Asking:
    """What the inventory says of where releases come from, and of whom is asked."""

    def __init__(self, whole: Inventory, on_progress: OnProgress) -> None:
        self.trust = whole.nodes[0].settings.trust
        self._settings = [view.settings.release for node in whole.nodes for view in node.views]
        self._on_progress = on_progress

    def wanted(self) -> str:
        """Return the version that all nodes want; raise UsageError if they want several."""
        found = self.versions()
        if len(found) > 1:
            raise UsageError(f"the inventory wants {', '.join(found)}", "name one: nodeprov lock --release DATE")
        return found[0]

    def versions(self) -> list[str]:
        """Return all the versions that nodes want."""
        return sorted({each.version for each in self._settings})

    def source(self) -> ReleaseSource:
        """Return where releases come from; raise UsageError if nodes have theirs from several places."""
        if len(origins := sorted({each.base_url for each in self._settings})) > 1:
            raise UsageError(
                f"the inventory has several origins: {', '.join(origins)}", "[release] base_url, for all"
            )
        wanted: ReleaseSettings = self._settings[0]
        limits = Limits(wanted.download_timeout_seconds, wanted.least_bytes_per_second)
        return ReleaseSource(SOFTWARE, wanted.base_url, cache_folder(), self._on_progress, limits=limits)

    def evidence(self, witnesses: Sequence[str] = ()) -> Evidence:
        """Return who is asked besides the origin.

        Raises NodeprovError, before anything is downloaded, where no signature could be verified.
        """
        keyring = self.trust.apt_keyring
        if keyring:
            trusted_keys(Path(keyring))
        verify = (lambda message, at: verified(message, Path(keyring), where=at)) if keyring else None
        return Evidence(sorted({*self.trust.witnesses, *witnesses}), verify)

    def made(
        self,
        before: tuple[str, Lock] | None,
        release: str | None,
        architectures: Sequence[str],
        witnesses: Sequence[str],
    ) -> Lock:
        """Resolve, obtain and ask; where nothing has changed, the dates are those of the lock before."""
        from nodeprov.engine.context import utc_now
        from nodeprov.releases.locking import make_lock, published
        from nodeprov.releases.obtain import resolve_point

        source, wanted, evidence = self.source(), release or self.wanted(), self.evidence(witnesses)
        source.software.check_version(source.software.example if wanted == LATEST else wanted)
        for each in architectures:
            source.software.check_architecture(each)
        earlier = before[1] if before else None
        names = sorted({*architectures}) or (sorted(earlier.builds) if earlier else published(source, wanted))
        version = resolve_point(source, wanted, names[0])
        if version != wanted:
            say(f"{wanted} is {version}")
        found = make_lock(source, version, names, evidence, utc_now()[:10])
        # The suite of a day goes when the next release of that day comes.
        return found.dated_as(earlier, APT if evidence.verify else "") if earlier else found
