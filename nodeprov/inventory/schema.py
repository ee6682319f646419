"""Tables of settings: dataclasses whose fields say what each key is for, and of which kind its values are."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nodeprov.inventory.faults import Fault, nearest
from nodeprov.inventory.kinds import ValueKind
from nodeprov.toml import KeyPath, key_text


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """A key of a table: what it is for, what its value must be, and its default; None if it has none."""

    name: str
    doc: str
    kind: ValueKind
    default: Any
    is_required: bool


def setting(doc: str, kind: ValueKind, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a key of a table; without a default it must be set."""
    metadata = {"doc": doc, "kind": kind}
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@functools.cache
def settings_of(table: type) -> Mapping[str, Setting]:
    """List the keys of a table by name."""
    return {each.name: _setting(each) for each in dataclasses.fields(table)}


def _setting(field: dataclasses.Field[Any]) -> Setting:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    is_required = default is dataclasses.MISSING
    doc, kind = field.metadata["doc"], field.metadata["kind"]
    return Setting(field.name, doc, kind, None if is_required else default, is_required)


def read(
    table: type, raw: Any, path: KeyPath, faults: list[Fault], *, besides: Iterable[str] = ()
) -> dict[str, Any]:
    """Read what is given in a table; what is wrong is added to `faults`. Keys in `besides` are somebody else's."""
    if not isinstance(raw, Mapping):
        faults.append(Fault(path, "is not a table", f"write it as [{key_text(path)}]"))
        return {}
    settings = settings_of(table)
    known = [*settings, *besides]
    given = {}
    for name, value in raw.items():
        if name in settings:
            found = list(settings[name].kind.faults(value, (*path, name)))
            faults += found
            if not found:
                given[name] = tuple(value) if isinstance(value, list) else value
        elif name not in known:
            faults.append(_unknown((*path, name), value, known))
    return given


def _unknown(path: KeyPath, value: Any, known: Sequence[str]) -> Fault:
    hint = nearest(path[-1], known)
    if isinstance(value, Mapping):
        quoted = key_text((*path[:-2], ".".join(path[-2:])))
        hint += f"; or, if the dot is a part of the name: [{quoted}]"
    return Fault(path, "is not a known key here", hint)
