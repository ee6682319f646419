"""What keeps a canary's release from becoming the main one: the inventory, or its lock, means something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError
from nodeprov.inventory.locked import is_meant

if TYPE_CHECKING:
    from nodeprov.cli.locking import FoundLock
    from nodeprov.inventory import Inventory, Node


@dataclass(frozen=True, slots=True)
class Promotion:
    """A node, what its inventory wants without a lock, the lock if there is one, and the release that is tried.

    `tried` is the name of the release's folder on the node; "" where there is no canary.
    """

    whole: Inventory
    node: Node
    wanted: str
    lock: FoundLock | None
    tried: str

    @property
    def version(self) -> str:
        """The version of what is tried."""
        return self.tried.partition("-")[0]

    def refusal(self) -> NodeprovError | None:
        """Say why it would not last: the next install would go back to what the inventory or its lock wants."""
        name = self.node.name
        if not self.tried:
            hint = f"nodeprov canary start --release RELEASE {name}"
            return NodeprovError("there is no canary on this node", hint, where=name)
        if not (found := [*self._contradictions()]):
            return None
        said, hints = zip(*found, strict=True)
        return NodeprovError(
            f"the canary is {self.version}, and {' and '.join(said)}: the next install would go back to it",
            f"{'; and '.join(hints)}; then run this again",
            where=name,
        )

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        """Name what means another release, and how it is changed."""
        if self.lock is not None and self.lock.lock.release != self.version:
            bundle = self.lock.bundle
            is_bundle = bundle is not None and str(self.lock.path) == bundle.where
            again = f"nodeprov lock --release {self.version}"
            hint = f"name a bundle of {self.version}" if is_bundle else f"write the lock anew: {again}"
            yield f"{self.lock.path.name} has {self.lock.lock.release}", hint
        if not is_meant(self.wanted, self.version):
            place = self.whole.place(self.node.source("release", "version"))
            yield f"{place} wants {self.wanted}", f'set [release] version = "{self.version}" ({place})'

    def refusal_of(self, planned: str) -> NodeprovError | None:
        """Say that what would be installed are other bytes than those that were tried, if they are.

        `planned` is the name of its folder on the node.
        """
        if planned == self.tried:
            return None
        by = f"{self.lock.path.name} has" if self.lock else "what would be installed is"
        return NodeprovError(
            f"the canary is {self.tried}, and {by} {planned}: the same release, with other bytes",
            f"try these first: nodeprov canary start --release {self.version} {self.node.name}",
            where=self.node.name,
        )
