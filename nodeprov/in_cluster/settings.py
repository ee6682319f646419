"""The settings of nodes that a cluster has, and that the inventory need not name."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from string import ascii_lowercase, digits

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


def stand_ins(text: str, path: str) -> list[str]:
    """Name one node like each that a group of an inventory may mean: what is set for those is known by them.

    A group's glob may mean nodes that there are not yet. Raises UsageError where the text is no TOML.
    """
    groups = document(text, path).get("groups", {})
    tables = groups.values() if isinstance(groups, Mapping) else ()
    said = [each.get("nodes") for each in tables if isinstance(each, Mapping)]
    patterns = [each for some in said if isinstance(some, list) for each in some if isinstance(each, str)]
    return [name for each in dict.fromkeys(patterns) if fnmatchcase(name := _like(each), each)]


def _like(glob: str) -> str:
    """Write a name that a glob fits."""

    def letter(found: re.Match[str]) -> str:
        return next((each for each in ascii_lowercase + digits if fnmatchcase(each, found[0])), "")

    return re.sub(r"\[!?\]?[^]]*\]|[*?]", letter, glob)


def on_node(node: Node) -> Node:
    """Return a node as its own engine has it: what concerns the cluster is done by whoever has started that."""

    def alone(settings: Settings) -> Settings:
        return replace(settings, cluster=replace(settings.cluster, enabled=False, host=None))

    handlers = {name: alone(settings) for name, settings in node.handlers.items()}
    return replace(node, settings=alone(node.settings), handlers=handlers)
