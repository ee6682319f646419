"""Which nodes a command is for: names, globs and groups, all of them, and those whose labels fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodeprov.errors import UsageError
from nodeprov.inventory.nodes import Inventory, Node, select

if TYPE_CHECKING:
    from nodeprov.inventory.selector import Selector

Labels = Mapping[str, Mapping[str, str]]
"""The labels of nodes, by the nodes' names."""
MOST_SHOWN = 12
"""So many labels are listed where none fits."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Nodes by their names, or all; with a selector only those of them whose labels fit it."""

    names: tuple[str, ...] = ()
    is_all: bool = False
    selector: Selector | None = None
    handler: str = ""
    """The one of the nodes' handlers that is meant; "" for all."""
    limit: tuple[str, ...] = ()
    """Names, as `names` are: of the nodes only those that these choose too; () for no limit."""

    def of(self, inventory: Inventory, of_cluster: Callable[[], Labels | None]) -> tuple[Node, ...]:
        """Choose nodes of an inventory.

        `of_cluster` is called for labels that no node of the inventory has: it reads those that the cluster has
        for its nodes, or returns None where no cluster is used. Raises UsageError when nothing is chosen, or one
        of them has no such handler.
        """
        chosen = self._limited(inventory, self._chosen(inventory, of_cluster))
        return tuple(node.only(self.handler) for node in chosen) if self.handler else chosen

    def _chosen(self, inventory: Inventory, of_cluster: Callable[[], Labels | None]) -> tuple[Node, ...]:
        if self.is_all and self.names:
            raise UsageError(
                f"--all is every node, and {', '.join(self.names)} is named besides", "leave one of the two out"
            )
        wants_all = self.is_all or (self.selector is not None and not self.names)
        named = inventory.nodes if wants_all else select(inventory, self.names)
        return named if self.selector is None else self._fitting(inventory, named, self.selector, of_cluster)

    def _limited(self, inventory: Inventory, chosen: tuple[Node, ...]) -> tuple[Node, ...]:
        if not self.limit:
            return chosen
        allowed = {node.name for node in select(inventory, self.limit)}
        if left := tuple(node for node in chosen if node.name in allowed):
            return left
        names = ", ".join(node.name for node in chosen)
        raise UsageError(
            f"{','.join(self.limit)!r} fits none of the nodes that are named",
            f"these are {names}",
            where="--limit",
        )

    def _fitting(
        self,
        inventory: Inventory,
        named: Sequence[Node],
        selector: Selector,
        of_cluster: Callable[[], Labels | None],
    ) -> tuple[Node, ...]:
        own = {node.name: node.labels for node in inventory.nodes}
        known = {key for labels in own.values() for key in labels}
        missing = [key for key in selector.keys if key not in known]
        found = of_cluster() if missing else {}
        if found is None:
            raise UsageError(
                f"no node of {inventory.path} has a label {missing[0]}, and the cluster is not asked here",
                _there_are(own.values()),
                where="-l/--selector",
            )
        every = {name: {**found.get(name, {}), **labels} for name, labels in own.items()}
        chosen = tuple(node for node in named if selector.fits(every[node.name]))
        if not chosen:
            where = "none of the nodes that are named" if self.names else f"no node of {inventory.path}"
            labels = _of_keys(selector.keys, every.values()) or every.values()
            raise UsageError(f"{selector.text!r} fits {where}", _there_are(labels), where="-l/--selector")
        return chosen


def _of_keys(keys: Iterable[str], labels: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Keep those labels that were asked for; empty if no node has any."""
    kept = [{key: each[key] for key in keys if key in each} for each in labels]
    return [each for each in kept if each]


def _there_are(labels: Iterable[Mapping[str, str]]) -> str:
    """Say which labels there are."""
    every = sorted({f"{key}={value}" for each in labels for key, value in each.items()})
    if not every:
        return 'give nodes labels: [nodes.NAME] labels = { zone = "a" }'
    more = f" and {len(every) - MOST_SHOWN} more" if len(every) > MOST_SHOWN else ""
    return f"there are: {', '.join(every[:MOST_SHOWN])}{more}"
