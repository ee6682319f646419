"""The settings of nodes that a cluster has, and that the inventory need not name."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nodeprov.inventory import Inventory, Node, Settings, parse
from nodeprov.inventory.faults import document


def with_nodes(
    text: str,
    path: str,
    names: Iterable[str],
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Inventory:
    """Read an inventory as one that has these nodes too: one that it does not name has what it says of all nodes.

    Groups have them by their globs; they may name others too, which are elsewhere or come later.

    Args:
        text: the inventory's text.
        path: its name, for messages.
        names: nodes of the cluster.
        environment: variables that are laid over it, as `parse` does it.
        options: the same of options.

    Raises:
        Faulty: with all that is wrong.
        UsageError: the text is no TOML, or writes its nodes as an inline table.
    """
    known = document(text, path).get("nodes", {})
    missing = [name for name in dict.fromkeys(names) if not isinstance(known, Mapping) or name not in known]
    added = "".join(f"[nodes.{json.dumps(name)}]\n" for name in missing)
    whole = f"{text}\n{added}" if added else text
    return parse(whole, path, environment=environment, options=options, has_all_nodes=False)


def on_node(node: Node) -> Node:
    """Return a node as its own engine has it: what concerns the cluster is done by whoever has started that."""

    def alone(settings: Settings) -> Settings:
        return replace(settings, cluster=replace(settings.cluster, enabled=False, host=None))

    handlers = {name: alone(settings) for name, settings in node.handlers.items()}
    return replace(node, settings=alone(node.settings), handlers=handlers)
