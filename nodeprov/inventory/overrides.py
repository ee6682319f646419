"""Settings for one run: by environment variables, and by `--set KEY=VALUE`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.inventory.faults import Fault, nearest
from nodeprov.inventory.kinds import TableOf, ValueKind
from nodeprov.inventory.layers import Given, Layer, LayerKind, SettingSource, leaves, merged
from nodeprov.inventory.schema import read, settings_of
from nodeprov.inventory.settings import (
    HANDLER_TABLES,
    NODE_TABLES,
    OF_ALL_TABLES,
    TABLES,
    HandlerSettings,
    keys_of,
    variable,
)
from nodeprov.toml import KeyPath, assignment, key_text

_NAMED = {"groups": "group", "nodes": "node", "hosts": "host", "handlers": "handler"}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is laid over the file: the environment for all, and the options, by whom they are for.

    The options' key is () for all, or the path of a group, node or host: ("nodes", "worker1").
    """

    environment: Layer = field(default_factory=Layer)
    options: Mapping[KeyPath, Layer] = field(default_factory=dict)

    def option(self, *path: str) -> Layer:
        """Return what the options say of all, or of one group, node or host."""
        return self.options.get(path, Layer())


@dataclass(frozen=True, slots=True)
class _Said:
    """One value for a key of a table; `known` has the table's keys, as one writes them in that place."""

    source: SettingSource
    table: str
    keys: KeyPath
    text: str
    known: Mapping[str, str]


class _Wrong(NodeprovError):
    """What a variable or option sets is not possible."""


def read_overrides(
    environment: Mapping[str, str], options: Sequence[str], named: Mapping[str, Sequence[str]], faults: list[Fault]
) -> Overrides:
    """Read the variables and options; what is wrong is added to `faults`.

    Args:
        environment: all variables; those whose name begins with NODEPROV_ and a table's name are settings.
        options: texts such as "release.version=20260905.0"; of two for one key the last is meant.
        named: the names of the file's `groups`, `nodes`, `hosts` and `handlers`.
        faults: the list to which what is wrong is added.
    """
    layers: dict[KeyPath, Layer] = {}
    of_environment = Layer()
    for said in _variables(environment):
        with _collecting(said.source.name, faults):
            of_environment = _over(of_environment, said)
    for option in options:
        found = assignment(option)
        with _collecting(f"--set {key_text(found[0]) if found else option}", faults):
            target, said = _option(option, named)
            layers[target] = _over(layers.get(target, Layer()), said)
    return Overrides(of_environment, layers)


@contextmanager
def _collecting(place: str, faults: list[Fault]) -> Iterator[None]:
    try:
        yield
    except _Wrong as wrong:
        faults.append(Fault((), wrong.message, wrong.hint, place))


def _variables(environment: Mapping[str, str]) -> Iterator[_Said]:
    longest_first = sorted(TABLES, key=len, reverse=True)
    for name, text in sorted(environment.items()):
        table = next((each for each in longest_first if name.startswith(variable(each, ""))), None)
        if table is not None:
            known = {key: variable(table, key) for key in keys_of(table)}
            key = next((each for each, its in known.items() if its == name), name)
            yield _Said(
                SettingSource(LayerKind.ENVIRONMENT, name=f"environment {name}"), table, (key,), text, known
            )


def _option(option: str, named: Mapping[str, Sequence[str]]) -> tuple[KeyPath, _Said]:
    """Parse an option: whom it is for, and what it sets."""
    found = assignment(option)
    if found is None:
        raise _Wrong("is not a key" if "=" in option else "has no value", "write --set TABLE.KEY=VALUE")
    path, text = found
    target, rest = _target(path, named)
    tables = _tables_of(target)
    if not target and rest[0] not in tables:
        raise _Wrong(f"{rest[0]} is not a known table", nearest(rest[0], [*tables, *_NAMED]))
    if target[:1] == ("handlers",):
        return target, _of_handler(path, rest, text)
    if target and rest[0] in OF_ALL_TABLES:
        raise _Wrong(f"cannot be set for one {_NAMED[target[0]]}", f"[{rest[0]}] is one for all nodes")
    table, keys = (rest[0], rest[1:]) if rest[0] in tables else ("ssh", rest)
    before = key_text(path[: len(path) - len(keys)])
    if not keys:
        raise _Wrong("is a table, and a value is for one key", f"write --set {before}.KEY=VALUE")
    known = {key: f"{before}.{key}" for key in (*keys_of(table), *(tables if keys is rest else ()))}
    return target, _Said(SettingSource(LayerKind.OPTION, name=f"--set {key_text(path)}"), table, keys, text, known)


def _of_handler(path: KeyPath, rest: KeyPath, text: str) -> _Said:
    """Parse what an option sets for a handler: keys of [runtime] stand in its own table."""
    table, keys = (rest[0], rest[1:]) if rest[0] in HANDLER_TABLES else ("runtime", rest)
    before = key_text(path[: len(path) - len(keys)])
    if not keys:
        raise _Wrong("is a table, and a value is for one key", f"write --set {before}.KEY=VALUE")
    own = settings_of(HandlerSettings) if table == "runtime" else keys_of(table)
    known = {key: f"{before}.{key}" for key in (*own, *(HANDLER_TABLES if keys is rest else ()))}
    if keys[0] not in own:
        raise _Wrong("is not a known key", nearest(key_text(path), known.values()))
    return _Said(SettingSource(LayerKind.OPTION, name=f"--set {key_text(path)}"), table, keys, text, known)


def _tables_of(target: KeyPath) -> tuple[str, ...]:
    """List the tables that may be set for all, or of one group, node or host, whose ssh keys stand in its own."""
    if not target:
        return tuple(TABLES)
    return () if target[0] == "hosts" else NODE_TABLES


def _target(path: KeyPath, named: Mapping[str, Sequence[str]]) -> tuple[KeyPath, KeyPath]:
    """Part a key into whom it is for and the rest."""
    if path[0] not in _NAMED:
        return (), path
    kind, known = _NAMED[path[0]], named[path[0]]
    if len(path) > 1 and path[1] not in known:
        hint = (
            nearest(path[1], [key_text((name,)) for name in known])
            if known
            else f"describe it there: [{key_text(path[:2])}]"
        )
        raise _Wrong(f"the file has no {kind} {path[1]}", hint)
    if len(path) < 3:
        raise _Wrong(f"names no key of a {kind}", f"write --set {path[0]}.NAME.KEY=VALUE")
    if path[0] == "groups" and path[2] == "nodes":
        raise _Wrong("a group's nodes are named in the file only", f"edit [{key_text(path[:2])}] nodes")
    return path[:2], path[2:]


def _over(below: Layer, said: _Said) -> Layer:
    """Read one value and lay it over what was read before."""
    given = _read(said)
    sources = dict.fromkeys(leaves(said.table, given), said.source)
    table = merged(below.tables.get(said.table, {}), given)
    return Layer(
        {**below.tables, said.table: table},
        {**below.sources, **sources},
        {**below.completed, **_default(below, said)},
    )


def _default(below: Layer, said: _Said) -> dict[KeyPath, Given]:
    """Return the default of a table in which one name is set, unless all of it was set before."""
    key, *inner = said.keys
    if not inner or key in below.tables.get(said.table, {}):
        return {}
    return {(said.table, key): settings_of(TABLES[said.table])[key].default}


def _read(said: _Said) -> dict[str, Any]:
    key, *inner = said.keys
    if key not in keys_of(said.table):
        written = said.source.name.partition(" ")[2]
        raise _Wrong("is not a known key", nearest(written, said.known.values()))
    if said.known[key] in ("ssh.address", variable("ssh", "address")):
        raise _Wrong("is of one machine, and [ssh] is for all", "write --set nodes.NAME.address=ADDRESS")
    value: Any = _kind(said).parsed(said.text)
    for name in reversed(inner):
        value = {name: value}
    faults: list[Fault] = []
    given = read(TABLES[said.table], {key: value}, (said.table,), faults)
    for fault in faults:
        rest = key_text(fault.path[1 + len(said.keys) :])
        message = f"{rest} {fault.message}".lstrip().replace("is a string", f"is {said.text!r}")
        unset = f"to leave it out: unset {said.known[key]}"
        is_unset = said.source.kind is LayerKind.ENVIRONMENT and not said.text
        raise _Wrong(message, unset if is_unset else fault.hint)
    return given


def _kind(said: _Said) -> ValueKind:
    """Find the kind of value that a key wants, through the tables in it."""
    key, *inner = said.keys
    kind = settings_of(TABLES[said.table])[key].kind
    for depth in range(len(inner)):
        if not isinstance(kind, TableOf):
            above = said.known[key] + "".join(f".{name}" for name in inner[:depth])
            raise _Wrong(f"there is nothing below {above}", f"write --set {above}=VALUE")
        kind = kind.values
    return kind
