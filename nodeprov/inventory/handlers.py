"""Handlers besides that of [runtime]: what an inventory says of each, laid over what it says for all."""

from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.inventory import syntax
from nodeprov.inventory.faults import Fault
from nodeprov.inventory.layers import Given, Layer, LayerKind, layer
from nodeprov.inventory.schema import read
from nodeprov.inventory.settings import HANDLER_TABLES, TABLES, HandlerSettings, keys_of
from nodeprov.toml import KeyPath, key_text

HANDLERS = "handlers"
OF_ONE = (("runtime", "handler"), ("runtime_class", "name"), ("label", "key"))
"""What no two handlers have in common, unless their own tables say so."""


def names_in(raw: Mapping[str, Any]) -> list[str]:
    """Name the handlers that a file describes, for all nodes, for groups or for nodes."""
    named = [each for kind in ("groups", "nodes") for each in _tables(raw.get(kind))]
    return [*dict.fromkeys(name for each in (raw, *named) for name in _mapping(each.get(HANDLERS)))]


def _tables(raw: Any) -> list[Mapping[str, Any]]:
    return [each for each in _mapping(raw).values() if isinstance(each, Mapping)]


def _mapping(raw: Any) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}


def of_file(raw: Any, kind: LayerKind, path: KeyPath, faults: list[Fault]) -> dict[str, Layer]:
    """Read the handlers that stand below a path of the file: ("handlers",) or ("groups", "gpu", "handlers")."""
    if not isinstance(raw, Mapping):
        faults.append(Fault(path, "is not a table", f"write [{key_text(path)}.NAME] for each"))
        return {}
    found = {}
    for name, said in raw.items():
        if syntax.HANDLER.accepts(name):
            found[name] = _read(said, kind, (*path, name), faults)
        else:
            faults.append(Fault((*path, name), f"is not {syntax.HANDLER.expected}", "give it another name"))
    return found


def _read(raw: Any, kind: LayerKind, path: KeyPath, faults: list[Fault]) -> Layer:
    given = raw if isinstance(raw, Mapping) else {}
    misplaced = {name: fault for name in given if (fault := _misplaced(path, name))}
    faults += misplaced.values()
    own = {name: value for name, value in given.items() if name not in misplaced} if given else raw
    tables: dict[str, Given] = {"runtime": read(HandlerSettings, own, path, faults, besides=HANDLER_TABLES)}
    tables |= {name: read(TABLES[name], given.get(name, {}), (*path, name), faults) for name in HANDLER_TABLES}
    bases = {"runtime": path, **{name: (*path, name) for name in HANDLER_TABLES}}
    return layer(tables, kind, bases)


def _misplaced(path: KeyPath, name: str) -> Fault | None:
    """Find a name that stands under a handler, and belongs somewhere else."""
    if name == "handler":
        return Fault((*path, name), "is not a key here", f"its name is that of the table: [{key_text(path)}]")
    if name in TABLES and name not in HANDLER_TABLES:
        known = [*HandlerSettings.__dataclass_fields__, *HANDLER_TABLES]
        return Fault((*path, name), "cannot be set for one handler", f"a handler has {', '.join(known)}")
    homes = [f"[{key_text((*path, table))}]" for table in HANDLER_TABLES if name in keys_of(table)]
    is_known = name in HandlerSettings.__dataclass_fields__ or name in HANDLER_TABLES
    if is_known or not homes:
        return None
    return Fault((*path, name), "is not a known key here", f"it is a key of {' and of '.join(homes)}")


def base_of(merged: Layer) -> Layer:
    """Return what all say of a handler that says nothing itself: all but what is of one handler alone."""
    tables = {
        table: {key: value for key, value in given.items() if (table, key) not in OF_ONE}
        for table, given in merged.tables.items()
    }
    return Layer(tables, {path: source for path, source in merged.sources.items() if path[:2] not in OF_ONE})


def named(name: str, tables: dict[str, dict[str, Any]], main: Mapping[str, Any]) -> None:
    """Give a handler its own RuntimeClass and label where it says none: those of [runtime] with a word behind.

    `main` has the handler, the RuntimeClass's name and the label's key of [runtime], in this order.
    """
    tables.setdefault("runtime", {}).update(handler=name, canary=False)
    for table, key in OF_ONE[1:]:
        tables.setdefault(table, {}).setdefault(key, beside(main[table], name, main["runtime"]))


def beside(first: str, name: str, main: str) -> str:
    """Name what belongs to a handler as it is named for the main one, with what its name has beyond that one's."""
    return f"{first}-{name.removeprefix(f'{main}-')}"


def name_faults(
    name: str, main: str, tables: Mapping[str, Mapping[str, Any]], place: KeyPath, *, is_canary: bool
) -> Iterator[Fault]:
    """Find what is wrong with the names of a handler."""
    if is_canary:
        yield Fault(
            place,
            "is the handler of the canary of [runtime]",
            "give this one another name, or have no canary: [runtime] canary = false",
        )
    if name == main:
        yield Fault(
            place,
            "is the handler that [runtime] describes",
            "write its settings under [runtime] and [runtime_class], or give this one another name",
        )
    rules = {"runtime_class": (syntax.DNS_SUBDOMAIN, "name"), "label": (syntax.LABEL_KEY, "key")}
    for table, (rule, key) in rules.items():
        if not rule.accepts(tables[table][key]):
            yield Fault(
                place,
                f"would have {tables[table][key]!r}, which is not {rule.expected}",
                f"say it: [{key_text((*place, table))}] {key}",
            )
