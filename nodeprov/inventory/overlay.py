"""What the environment and options lay over an inventory, written into its text: for a reader who has neither."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nodeprov.inventory.faults import Fault, document
from nodeprov.inventory.layers import Given, completed, laid, merged
from nodeprov.inventory.overrides import read_overrides
from nodeprov.toml import tables_text

LOCAL: Mapping[str, Sequence[str] | None] = {
    "ssh": None,
    "trust": None,
    "cluster": ("host", "kubectl", "kubeconfig", "context", "timeout_seconds"),
}
"""What says only how this machine reaches others, and whom it trusts: tables, or keys of them."""
_HEAD = "# The inventory, with what the environment and the options of the command have laid over it.\n"


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A text that says by itself what another one says with what is laid over it; `by` names the variables."""

    text: str
    by: tuple[str, ...] = ()


def overlaid(text: str, path: str, environment: Mapping[str, str], options: Sequence[str] = ()) -> Overlaid:
    """Write into an inventory's text what variables, and options for all nodes, set of what is not LOCAL.

    The text is valid, and so are these. Where they set nothing it stays as it is, to the letter; else comments go.
    """
    faults: list[Fault] = []
    over = read_overrides(environment, options, {"groups": (), "nodes": (), "hosts": (), "handlers": ()}, faults)
    given = _shared(laid([over.environment, replace(over.option(), completed={})]).tables)
    if not given:
        return Overlaid(text)
    raw = document(text, path)
    for kind in ("groups", "nodes"):
        for own in raw.get(kind, {}).values():
            for table, keys in given.items():
                own |= {table: _without(own[table], keys)} if table in own else {}
    for table, keys in given.items():
        raw[table] = merged(completed(table, raw.get(table, {}), over.option()), keys)
    sources = over.environment.sources
    by = dict.fromkeys(source.name for place, source in sources.items() if place[1] in given.get(place[0], ()))
    return Overlaid(_HEAD + tables_text(raw), tuple(by))


def _shared(tables: Mapping[str, Given]) -> dict[str, Given]:
    """Leave out what is LOCAL."""
    found: dict[str, Given] = {}
    for table, given in tables.items():
        local = LOCAL.get(table, ())
        if keys := {key: value for key, value in given.items() if local is not None and key not in local}:
            found[table] = keys
    return found


def _without(own: Mapping[str, Any], keys: Given) -> dict[str, Any]:
    """Leave out what is overridden; of a table in a table only what that names."""
    kept = {}
    for key, value in own.items():
        above = keys.get(key)
        if isinstance(above, Mapping) and isinstance(value, Mapping):
            kept[key] = {name: each for name, each in value.items() if name not in above}
        elif key not in keys:
            kept[key] = value
    return kept
