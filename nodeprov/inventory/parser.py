"""Reading an inventory: its text, with the settings of the environment and of options laid over it."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from nodeprov.inventory import handlers, syntax
from nodeprov.inventory.canary import canary_handler
from nodeprov.inventory.faults import Fault, Faulty, document, nearest
from nodeprov.inventory.kinds import Text
from nodeprov.inventory.layers import Given, Layer, LayerKind, SettingSource, laid, layer, pin_faults
from nodeprov.inventory.nodes import Inventory, KubectlHost, Node, conflicts
from nodeprov.inventory.overrides import read_overrides
from nodeprov.inventory.schema import read
from nodeprov.inventory.settings import (
    NODE_TABLES,
    OF_ALL_TABLES,
    TABLES,
    Members,
    NodeLabels,
    Settings,
    Ssh,
    keys_of,
)
from nodeprov.toml import KeyPath, key_text

_NAMED = ("groups", "nodes", "hosts")
_LABELS = "labels"


def parse(
    text: str,
    path: str,
    *,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    has_all_nodes: bool = True,
) -> Inventory:
    """Read an inventory, and lay over it what environment variables and `--set` options say.

    Args:
        text: the file's text.
        path: the file's name, for messages.
        environment: variables; NODEPROV_RELEASE_VERSION stands for [release] version, and so on.
        options: such as "release.version=20260905.0" or "nodes.worker1.port=2222".
        has_all_nodes: whether a group that names another node has a fault; it has none where nodes come and go.

    Raises:
        Faulty: with all that is wrong, each with its line, variable or option.
        UsageError: the text is no TOML.
    """
    faults: list[Fault] = []
    raw = document(text, path)
    reading = _Reading(raw, faults, environment or {}, options, has_all_nodes=has_all_nodes)
    inventory = reading.inventory(path, text)
    if not faults:
        faults += conflicts(inventory)
    if faults:
        raise Faulty(faults, text, path)
    return inventory


class _Reading:
    """One reading of a file, which goes on after each fault."""

    def __init__(
        self,
        raw: Mapping[str, Any],
        faults: list[Fault],
        environment: Mapping[str, str],
        options: Sequence[str],
        *,
        has_all_nodes: bool,
    ) -> None:
        self._raw, self._faults, self._has_all_nodes = raw, faults, has_all_nodes
        named = {kind: list(self._members(kind)) for kind in _NAMED}
        named[handlers.HANDLERS] = handlers.names_in(raw)
        self._over = read_overrides(environment, options, named, faults)
        tables = {name: self._read(table, raw.get(name, {}), (name,)) for name, table in TABLES.items()}
        self._handlers_of: dict[KeyPath, dict[str, Layer]] = {}
        self._of_all = layer(tables, LayerKind.FILE, {name: (name,) for name in TABLES})
        said = raw.get(handlers.HANDLERS, {})
        self._handlers = handlers.of_file(said, LayerKind.FILE, (handlers.HANDLERS,), faults)
        self._groups = {name: self._group(name, raw) for name, raw in self._named("groups", syntax.GROUP)}

    def inventory(self, path: str, text: str) -> Inventory:
        """Read all of it; where there are faults, what is returned is of no use."""
        known = (*TABLES, handlers.HANDLERS, *_NAMED)
        for name in self._raw.keys() - set(known):
            self._fault((name,), "is not a known table", nearest(name, known))
        if "address" in self._of_all.tables["ssh"]:
            self._fault(
                ("ssh", "address"), "is of one machine, and [ssh] is for all", "write it under [nodes.NAME]"
            )
        nodes = tuple(self._node(*each) for each in self._named("nodes", syntax.DNS_SUBDOMAIN))
        hosts = tuple(self._host(*each) for each in self._named("hosts", syntax.DNS_SUBDOMAIN))
        if not nodes and isinstance(self._raw.get("nodes", {}), Mapping):
            self._fault((), "it has no nodes", 'describe one: [nodes.worker1], and below it address = "10.0.0.11"')
        # Where a cluster says which nodes there are, one of them may be what is written here as a machine only.
        for name in {node.name for node in nodes if self._has_all_nodes} & {host.name for host in hosts}:
            self._fault(("hosts", name), "is a node too", "leave it out here: [cluster] host may name a node")
        groups = {name: members for name, (members, _) in self._groups.items()}
        return Inventory(path, nodes, hosts, groups, text)

    def _members(self, kind: str) -> Mapping[str, Any]:
        members = self._raw.get(kind, {})
        return members if isinstance(members, Mapping) else {}

    def _named(self, kind: str, rule: Text) -> Iterator[tuple[str, Any]]:
        if not isinstance(self._raw.get(kind, {}), Mapping):
            self._fault((kind,), "is not a table", f"write [{kind}.NAME] for each")
        for name, raw in self._members(kind).items():
            if not rule.accepts(name):
                self._fault((kind, name), f"is not {rule.expected}")
            yield name, raw

    def _group(self, name: str, raw: Any) -> tuple[tuple[str, ...], Layer]:
        path = ("groups", name)
        if not isinstance(raw, Mapping):
            self._fault(path, "is not a table", f"write it as [{key_text(path)}]")
            return (), Layer()
        own = self._layer(LayerKind.GROUP, path, raw, ("nodes", _LABELS))
        if "address" in own.tables["ssh"]:
            self._fault((*path, "address"), "is of one machine", "write it under [nodes.NAME]")
        said = {"nodes": raw["nodes"]} if "nodes" in raw else {}
        patterns = self._read(Members, said, path).get("nodes")
        if patterns is None and said:
            return (), own
        if not patterns:
            self._fault((*path, "nodes") if said else path, "has no nodes", 'write nodes = ["worker-1", "gpu-*"]')
        return self._matched(path, patterns or ()), own

    def _matched(self, path: KeyPath, patterns: Sequence[str]) -> tuple[str, ...]:
        known = list(self._members("nodes"))
        for number, pattern in enumerate(patterns):
            if pattern in patterns[:number]:
                self._fault((*path, "nodes"), f"names {pattern} twice", "name it once")
            elif self._has_all_nodes and not any(fnmatchcase(node, pattern) for node in known):
                is_glob = any(letter in pattern for letter in "*?[")
                message = f"names {pattern}, which {'matches no node' if is_glob else 'is not a node'} here"
                self._fault((*path, "nodes"), message, nearest(pattern, known) if known else "")
        return tuple(node for node in known if any(fnmatchcase(node, pattern) for pattern in patterns))

    def _layer(self, kind: LayerKind, path: KeyPath, raw: Any, besides: Sequence[str] = ()) -> Layer:
        """Read what is set for a group or node: keys of ssh, and tables."""
        given = raw if isinstance(raw, Mapping) else {}
        below = (*path, handlers.HANDLERS)
        self._handlers_of[path] = handlers.of_file(given.get(handlers.HANDLERS, {}), kind, below, self._faults)
        besides = (*besides, handlers.HANDLERS)
        misplaced = {name: fault for name in given if (fault := _misplaced(kind, path, name, besides))}
        self._faults += misplaced.values()
        own = {name: value for name, value in given.items() if name not in misplaced}
        ssh = self._read(Ssh, own if isinstance(raw, Mapping) else raw, path, (*besides, *NODE_TABLES))
        tables = {table: self._read(TABLES[table], own.get(table, {}), (*path, table)) for table in NODE_TABLES}
        tables |= self._read(NodeLabels, {_LABELS: own[_LABELS]} if _LABELS in own else {}, path)
        bases = {"ssh": path, **{table: (*path, table) for table in (*NODE_TABLES, _LABELS)}}
        return layer({"ssh": ssh, **tables}, kind, bases)

    def _node(self, name: str, raw: Any) -> Node:
        groups = {group: own for group, (members, own) in self._groups.items() if name in members}
        layers = [
            self._of_all,
            *groups.values(),
            self._layer(LayerKind.NODE, ("nodes", name), raw, (_LABELS,)),
            self._over.environment,
            self._over.option(),
            *(self._over.option("groups", group) for group in groups),
            self._over.option("nodes", name),
        ]
        self._faults += pin_faults(layers)
        merged = laid(layers)
        tables = {table: dict(given) for table, given in merged.tables.items()}
        if "version" not in tables["release"]:
            self._miss_version()
            tables["release"]["version"] = ""
        settings = _settings(tables)
        own, sources = self._of_handlers(name, list(groups), merged, settings)
        return Node(
            name, _ssh(name, tables["ssh"]), settings, {**merged.sources, **sources}, tables.get(_LABELS, {}), own
        )

    def _of_handlers(
        self, node: str, groups: Sequence[str], merged: Layer, settings: Settings
    ) -> tuple[dict[str, Settings], dict[KeyPath, SettingSource]]:
        """Read the handlers of a node besides that of [runtime], and where each of their settings came from."""
        places = (*(("groups", group) for group in groups), ("nodes", node))
        said = [self._handlers, *(self._handlers_of[place] for place in places)]
        base, found, sources = handlers.base_of(merged), dict[str, Settings](), dict[KeyPath, SettingSource]()
        main = {
            "runtime": settings.runtime.handler,
            "runtime_class": settings.runtime_class.name,
            "label": settings.label.key,
        }
        for name in dict.fromkeys(each for own in said for each in own):
            own = [each[name] for each in said if name in each]
            option = self._over.option(handlers.HANDLERS, name)
            self._faults += pin_faults([base, *own, option])
            whole = laid([base, *own, option])
            tables = {table: dict(given) for table, given in whole.tables.items()}
            tables["release"].setdefault("version", "")
            handlers.named(name, tables, main)
            place = next(
                (*before, handlers.HANDLERS, name)
                for before, each in reversed([*zip(((), *places), said, strict=True)])
                if name in each
            )
            is_canary = settings.runtime.canary and name == canary_handler(main["runtime"])
            self._faults += handlers.name_faults(name, main["runtime"], tables, place, is_canary=is_canary)
            found[name] = _settings(tables)
            sources |= {(handlers.HANDLERS, name, *path): source for path, source in whole.sources.items()}
        return found, sources

    def _host(self, name: str, raw: Any) -> KubectlHost:
        own = layer({"ssh": self._read(Ssh, raw, ("hosts", name))}, LayerKind.HOST, {"ssh": ("hosts", name)})
        layers = (self._of_all, own, self._over.environment, self._over.option(), self._over.option("hosts", name))
        return KubectlHost(name, _ssh(name, laid(layers).tables["ssh"]))

    def _miss_version(self) -> None:
        release = self._raw.get("release", {})
        if isinstance(release, Mapping) and not any(_is_of_version(fault) for fault in self._faults):
            hint = 'set one: version = "20260905.0", or "latest"'
            self._fault(("release",), "version is missing", hint)

    def _read(self, table: type, raw: Any, path: KeyPath, besides: Sequence[str] = ()) -> dict[str, Any]:
        return read(table, raw, path, self._faults, besides=besides)

    def _fault(self, path: KeyPath, message: str, hint: str = "") -> None:
        self._faults.append(Fault(path, message, hint))


def _misplaced(kind: LayerKind, path: KeyPath, name: str, besides: Sequence[str]) -> Fault | None:
    """Find a name that stands under a node or group, and belongs somewhere else."""
    if name in OF_ALL_TABLES:
        return Fault((*path, name), f"cannot be set for one {kind.value}", f"[{name}] is one for all nodes")
    if name == "ssh":
        return Fault((*path, name), "is not a table here", f"its keys are in [{key_text(path)}] itself")
    if name in besides or name in keys_of("ssh") or name in NODE_TABLES:
        return None
    homes = [f"[{key_text((*path, table))}]" for table in NODE_TABLES if name in keys_of(table)]
    hint = f"it is a key of {' and of '.join(homes)}"
    return Fault((*path, name), "is not a known key here", hint) if homes else None


def _settings(tables: Mapping[str, Given]) -> Settings:
    return Settings(**{table: TABLES[table](**tables[table]) for table in TABLES if table != "ssh"})


def _is_of_version(fault: Fault) -> bool:
    said = (".".join(fault.path), fault.place.lower().replace("release_", "release."))
    return any(each.endswith("release.version") for each in said)


def _ssh(name: str, given: Given) -> Ssh:
    return Ssh(**{"address": name, **given})
