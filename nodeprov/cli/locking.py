"""The lock that a command is held to: found beside the inventory, verified, and laid over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.cli.bundled import open_bundle, unpack
from nodeprov.cli.output import say
from nodeprov.cli.signed import signed_by
from nodeprov.errors import UsageError
from nodeprov.inventory.locked import contradictions, locked
from nodeprov.local_files import read_bounded

if TYPE_CHECKING:
    from nodeprov.inventory import Inventory, ReleaseSettings
    from nodeprov.releases.bundle import Bundle
    from nodeprov.releases.lock import Lock
    from nodeprov.releases.obtain import Release
    from nodeprov.releases.source import Software

NAME = "nodeprov.lock"
HINT = "write one: nodeprov lock; or name another one: --lock FILE"


@dataclass(frozen=True, slots=True)
class FoundLock:
    """A lock that was read, its text, and who signed it; "" where nobody has to.

    With a bundle, releases are taken from there.
    """

    path: Path
    lock: Lock
    text: str
    signer: str
    bundle: Bundle | None = None

    def is_for(self, whole: Inventory) -> bool:
        """Tell whether all nodes of an inventory over which it was laid want its release."""
        views = (view for node in whole.nodes for view in node.views)
        return all(view.settings.release.version == self.lock.release for view in views)

    def obtained(
        self, obtain: Callable[[Software, ReleaseSettings, str], Release]
    ) -> Callable[[Software, ReleaseSettings, str], Release]:
        """Hold what obtains releases to the lock; what it returns raises NodeprovError for what is not locked."""

        def held(software: Software, wanted: ReleaseSettings, architecture: str) -> Release:
            self.lock.insist_on(wanted.version, where=str(self.path))
            build = self.lock.build(architecture, where=str(self.path))
            if self.bundle is not None:
                unpack(self.bundle, software, wanted, architecture, build)
            release = obtain(software, wanted, architecture)
            self.lock.check(release, where=str(self.path))
            return release

        return held


def lock_path(whole: Inventory, named: Path | None) -> tuple[Path, bool]:
    """Return where the lock of an inventory lies, and whether anybody has named it, so that it must be there."""
    trust = whole.nodes[0].settings.trust
    if named is not None or trust.lock is not None:
        return named or Path(str(trust.lock)), True
    inventory = Path(whole.path)
    return (inventory if inventory.is_dir() else inventory.parent) / NAME, False


def read_lock(whole: Inventory, path: Path) -> FoundLock:
    """Read a lock, and verify its signature where signers are configured.

    Raises UsageError if it cannot be read, is damaged, or is not signed by one of them.
    """
    from nodeprov.releases.lock_text import from_text
    from nodeprov.runtimes import SOFTWARE

    text = read_bounded(path, "lock", HINT)
    signer = signed_by(path, text.encode(), "nodeprov.lock", whole.nodes[0].settings.trust.allowed_signers)
    return FoundLock(path, from_text(text, SOFTWARE, where=str(path)), text, signer)


def with_lock(
    whole: Inventory, named: Path | None, bundle: Path | None = None
) -> tuple[Inventory, FoundLock | None]:
    """Lay the lock over an inventory, if there is one, and say which it is; without one all is as it was.

    A bundle is verified as a whole, and its lock counts where there is no other.
    """
    path, is_named = lock_path(whole, named)
    if is_named or path.exists() or path.is_symlink():
        found = read_lock(whole, path)
        if bundle is not None:
            opened, _ = open_bundle(whole, bundle)
            opened.insist_on(found.lock, where=str(path))
            found = replace(found, bundle=opened)
    elif bundle is not None:
        opened, signer = open_bundle(whole, bundle)
        found = FoundLock(bundle, opened.lock, opened.lock_text, signer, opened)
    else:
        return whole, None
    path, lock = found.path, found.lock
    say(f"lock: {path}: {lock.release}{f', signed by {found.signer}' if found.signer else ''}")
    pins = {architecture: build.pins for architecture, build in lock.builds.items()}
    for said in contradictions(whole, pins):
        say(f"lock: the inventory contradicts it, and it counts: {said}")
    return locked(whole, lock.release, pins), found


def insist_on_lock(found: FoundLock | None, path: Path) -> FoundLock:
    """Return a lock; raise UsageError if there is none."""
    if found is None:
        raise UsageError(f"there is no lock: {path}", HINT)
    return found
