"""Layers of settings: what each place sets, one laid over the other, and where every value came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from nodeprov.inventory.faults import Fault
from nodeprov.toml import KeyPath, Lines, key_text

Given = Mapping[str, Any]
"""What a table sets, checked, by key."""


class LayerKind(Enum):
    """The places where a setting can be made, each over the one before it."""

    DEFAULT = "default"
    FILE = "file"
    GROUP = "group"
    NODE = "node"
    HOST = "host"
    ENVIRONMENT = "environment"
    OPTION = "option"


@dataclass(frozen=True, slots=True)
class SettingSource:
    """Where a value was set: `path` in the file, or `name`, the variable or option."""

    kind: LayerKind
    path: KeyPath = ()
    name: str = ""

    def text(self, file: str, lines: Lines) -> str:
        """Write it for a person: `inventory.toml:12`, `[groups.gpu] inventory.toml:30`, `--set ssh.port`."""
        if not self.path:
            return self.name or self.kind.value
        line = lines.of(self.path)
        place = file if line is None else f"{file}:{line}"
        return place if self.kind is LayerKind.FILE else f"[{key_text(self.path[:2])}] {place}"

    def fault(self, message: str, hint: str = "") -> Fault:
        """Return a fault of this place."""
        return Fault(self.path, message, hint, "" if self.path else self.name)


DEFAULT = SettingSource(LayerKind.DEFAULT)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place sets for a machine: the keys of each table (`ssh` is one), and the source of each.

    A source's key is the table, the key and, where the value is a table itself, the name in it. `completed` has,
    by table and key, the default of a value that is a table itself, if only names in it were set: where no layer
    below has that value, they are laid over the default.
    """

    tables: Mapping[str, Given] = field(default_factory=dict)
    sources: Mapping[KeyPath, SettingSource] = field(default_factory=dict)
    completed: Mapping[KeyPath, Given] = field(default_factory=dict)


def layer(tables: Mapping[str, Given], kind: LayerKind, bases: Mapping[str, KeyPath]) -> Layer:
    """Make a layer of tables of the file; `bases` has the path below which each of them is written."""
    sources = {
        leaf: SettingSource(kind, (*bases[table], *leaf[1:]))
        for table, given in tables.items()
        for leaf in leaves(table, given)
    }
    return Layer(tables, sources)


def leaves(table: str, given: Given) -> list[KeyPath]:
    """List what has a source of its own: each key, and each name in a key that is a table."""
    found: list[KeyPath] = []
    for key, value in given.items():
        inner = value if isinstance(value, Mapping) else {}
        found += [(table, key, name) for name in inner] or [(table, key)]
    return found


def laid(layers: Sequence[Layer]) -> Layer:
    """Lay each layer over those before it."""
    tables: dict[str, Given] = {}
    sources: dict[KeyPath, SettingSource] = {}
    for above in layers:
        for table, given in above.tables.items():
            below = tables.get(table, {})
            if changes_release(table, below, given):
                below = {key: value for key, value in below.items() if key != "sha512"}
                sources = {path: source for path, source in sources.items() if path[:2] != ("release", "sha512")}
            tables[table] = merged(completed(table, below, above), given)
        sources.update(above.sources)
    return Layer(tables, sources)


def completed(table: str, below: Given, above: Layer) -> Given:
    """Give keys of a table their defaults, where the layer above sets only names in them."""
    defaults = {key: value for (its, key), value in above.completed.items() if its == table}
    return {**defaults, **below}


def merged(below: Given, above: Given) -> dict[str, Any]:
    """Lay keys over keys; tables in them are laid over each other, as TOML reads."""
    both = {
        name: {**below[name], **above[name]}
        for name in below.keys() & above.keys()
        if isinstance(above[name], Mapping)
    }
    return {**below, **above, **both}


def changes_release(table: str, below: Given, above: Given) -> bool:
    """Return whether a layer wants another release: then the digests below it are of no use."""
    return table == "release" and above.get("version", below.get("version")) != below.get("version")


def pin_faults(layers: Sequence[Layer]) -> list[Fault]:
    """Find layers that would check one release by the digests of another."""
    found: list[Fault] = []
    for depth, above in enumerate(layers):
        given = above.tables.get("release", {})
        if "version" not in given or "sha512" in given:
            continue
        below = laid(layers[:depth]).tables.get("release", {})
        if below.get("sha512") and changes_release("release", below, given):
            found.append(
                above.sources["release", "version"].fault(
                    "is not the release that [release.sha512] pins",
                    "pin its own beside it, as sha512; sha512 = {} pins none",
                )
            )
    return found
