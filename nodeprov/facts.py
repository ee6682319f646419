"""What is true of a node, read in one command."""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodeprov.candidates import NOTHING, Candidate, Choice, choose
from nodeprov.distributions import Distribution, Found, Source, detect, source_of
from nodeprov.distributions.profiles import PLAIN, PROFILES, default_socket, named, origin_names
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import ContainerdSettings, Settings
from nodeprov.kubelet import Kubelet, parse_kubelet
from nodeprov.states import FileState
from nodeprov.templates import render

TICKS_PER_SECOND = 100
"""What the kernel tells user space of its clock on every architecture that gVisor runs on (USER_HZ)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot: the same identity is the same running daemon."""

    boot_id: str
    pid: int
    start_ticks: int

    def as_json(self) -> dict[str, Any]:
        """Write it into a record."""
        return {"boot_id": self.boot_id, "pid": self.pid, "start_ticks": self.start_ticks}


@dataclass(frozen=True, slots=True)
class Record:
    """What nodeprov wrote down after it had restarted a daemon: which process, and the configuration it read."""

    identity: Identity
    dump: str


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of the running daemon."""

    type: str
    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Daemon:
    """The containerd that runs on the node; times are seconds since the epoch."""

    unit: str
    identity: Identity
    started_at: float
    binary: str
    version: tuple[int, ...]
    disk_version: tuple[int, ...]
    restart_seconds: float
    kill_mode: str
    needs_reload: bool
    socket: str
    ctr: str
    config_path: str
    config: FileState | None
    config_changed_at: float | None
    dump: str
    loaded_log: str
    plugins: tuple[Plugin, ...]
    distribution: Distribution = PLAIN
    source: Source | None = None
    """What the distribution makes the configuration file of; None where the file itself is edited."""
    delegate: bool = True

    @property
    def edited_path(self) -> str:
        """Name the file that is edited."""
        return self.source.path if self.source else self.config_path

    @property
    def edited(self) -> FileState | None:
        """Return the file that is edited, as it is."""
        return self.source.state if self.source else self.config

    @property
    def cri_errors(self) -> tuple[str, ...]:
        """The parts of the CRI plugin that do not work, with their status; all of them when none is listed."""
        parts = [plugin for plugin in self.plugins if is_cri(plugin)]
        if not parts:
            return ("the CRI plugin is not loaded",)
        return tuple(f"{p.type}.{p.id}: {p.status}" for p in parts if p.status != "ok")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mounts."""

    path: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision about a node needs."""

    node: str
    uid: int
    architecture: str
    kernel: str
    hostname: str
    os: str
    machine_id: str
    boot_id: str
    page_size: int | None
    user_namespaces: int | None
    cgroup_version: int
    selinux_enforcing: bool | None
    systemd_version: int | None
    free_bytes: int
    free_at: str
    mounts: tuple[Mount, ...]
    links: Mapping[str, str]
    daemon: Daemon | None
    unit_state: str
    processes: Mapping[str, int]
    bundles: tuple[str, ...]
    """Paths below the prefix that a container's bundle names, also a stopped one's."""
    prefixes: tuple[str, ...]
    """Where nodeprov's things may lie: as the settings say, then as earlier ones said."""
    releases: tuple[str, ...]
    """The releases' folders."""
    generations: Mapping[str, str]
    """Each generation's folder, and the release folder that it names."""
    record: Record | None
    receipts: tuple[Mapping[str, Any], ...]
    kubelets: tuple[Kubelet, ...] = ()
    choice: Choice = NOTHING
    """Which of the containerds that run is meant, and why."""
    address_bits: int | None = None
    has_kvm: bool | None = None
    real_paths: Mapping[str, str] = field(default_factory=dict)
    """Where the folders of the settings really lie: /opt is a link on some systems."""

    def mount_of(self, path: str) -> Mount | None:
        """Find the mount that a path lies on."""
        path = self.real_paths.get(path, path)
        on = [m for m in self.mounts if path == m.path or path.startswith(m.path.rstrip("/") + "/")]
        # Of mounts on one another the last one counts, and max takes the first.
        return max(reversed(on), key=lambda mount: len(mount.path), default=None)


@dataclass(frozen=True, slots=True)
class FactsQuery:
    """The one question from which all facts come."""

    node: str
    settings: Settings
    former: tuple[str, ...] = ()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Where nodeprov's things may lie."""
        return (self.settings.paths.prefix, *self.former)

    @property
    def script(self) -> str:
        """The script that reads them."""
        s = self.settings
        links = [f"{prefix}/handlers/{s.runtime.handler}/current" for prefix in self.prefixes]
        if s.paths.bin:
            links.append(f"{s.paths.bin}/runsc")
        return render(
            "facts.sh.j2",
            unit=s.containerd.unit or "containerd.service",
            config=s.containerd.config or "",
            socket=s.containerd.socket or "",
            prefix=s.paths.prefix,
            prefixes=self.prefixes,
            state=s.paths.state,
            places=[each for each in (*self.prefixes, s.paths.state, s.paths.bin) if each],
            links=links,
            origins=origin_names(s.runtime.handler),
        )

    def parse(self, output: Output) -> Facts:
        """Understand what the script printed."""
        return parse_facts(self.node, output.text, self.prefixes, self.settings)


def gather(reader: Reader, settings: Settings, former: tuple[str, ...] = ()) -> Facts:
    """Read a node's facts in one round trip; `former` are prefixes that earlier settings had."""
    facts: Facts = reader.ask([FactsQuery(reader.name, settings, former)])[0]
    return facts


def parse_facts(node: str, text: str, prefixes: tuple[str, ...] = (), settings: Settings | None = None) -> Facts:
    """Parse the facts script's output, which tells of what lies below these prefixes.

    What the settings say of containerd is not looked for; without any all is.
    Raises NodeprovError when what every Linux node has is missing from it.
    """
    known = _Known(settings.containerd, settings.runtime.handler) if settings else _Known()
    try:
        return _facts(node, _blocks(text), prefixes, known)
    except (KeyError, ValueError, IndexError) as error:
        raise NodeprovError(
            f"the node's answer is not understood: {type(error).__name__}: {error}",
            "run again with --verbose and report what it shows",
            where=node,
        ) from None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known without looking."""

    containerd: ContainerdSettings = field(default_factory=ContainerdSettings)
    handler: str = "runsc"


@dataclass(frozen=True, slots=True)
class _Blocks:
    """What the script printed: of the node, and in a block for each kubelet and each containerd."""

    node: Mapping[str, str]
    kubelets: Sequence[Mapping[str, str]]
    daemons: Sequence[Mapping[str, str]]


def _blocks(text: str) -> _Blocks:
    """Read `name=value` lines; `kubelet=PID` or `containerd=PID` begins a block, the same name alone ends it."""
    node: dict[str, str] = {}
    blocks: dict[str, list[dict[str, str]]] = {"kubelet": [], "containerd": []}
    values = node
    for line in text.splitlines():
        name, found, value = line.partition("=")
        if not found:
            continue
        if name in blocks:
            values = {"pid": value} if value else node
            blocks[name] += [values] if value else []
        elif name.endswith(":"):
            values[name[:-1]] = base64.b64decode(value).decode(errors="surrogateescape")
        else:
            values[name] = value
    return _Blocks(node, blocks["kubelet"], blocks["containerd"])


def _facts(node: str, blocks: _Blocks, prefixes: tuple[str, ...], known: _Known) -> Facts:
    values, kubelets = blocks.node, tuple(_kubelet(block) for block in blocks.kubelets)
    boot_id = values["boot_id"]
    daemons = {_candidate(block): block for block in ({**values, **block} for block in blocks.daemons)}
    wanted = known.containerd
    choice = choose(tuple(daemons), kubelets, unit=wanted.unit, socket=wanted.socket, config=wanted.config)
    chosen = daemons[choice.chosen] if choice.chosen else None
    real = {n.removeprefix("real "): v for n, v in values.items() if n.startswith("real ")}
    return Facts(
        node=node,
        uid=int(values["uid"]),
        architecture=values["architecture"],
        kernel=values["kernel"],
        hostname=values["hostname"],
        os=values.get("os", ""),
        machine_id=values.get("machine_id", ""),
        boot_id=boot_id,
        page_size=_number(values.get("page_size")),
        user_namespaces=_number(values.get("user_namespaces")),
        cgroup_version=2 if values.get("cgroup") == "cgroup2fs" else 1,
        selinux_enforcing={"1": True, "0": False}.get(values.get("selinux", "")),
        systemd_version=_number([*values.get("systemd", "").split(), "", ""][1]),
        free_bytes=int(values["free_kib"]) * 1024,
        free_at=values["free_at"],
        mounts=parse_mounts(values.get("mounts", "")),
        links={n.removeprefix("link "): v for n, v in values.items() if n.startswith("link ")},
        daemon=_daemon(chosen, boot_id, known) if chosen else None,
        unit_state=values.get("unit_state", "unknown"),
        processes=_processes(values.get("processes", ""), {real.get(each, each): each for each in prefixes}),
        bundles=tuple(values.get("bundles", "").splitlines()),
        prefixes=prefixes,
        releases=tuple(values.get("releases", "").splitlines()),
        generations=_generations(values.get("generations", "")),
        record=parse_record(values.get("record", "")),
        receipts=_receipts(values.get("receipts", "")),
        kubelets=kubelets,
        choice=choice,
        address_bits=int(values["address_top"], 16).bit_length() if values.get("address_top") else None,
        has_kvm=values["kvm"] == "yes" if "kvm" in values else None,
        real_paths=real,
    )


def _kubelet(values: Mapping[str, str]) -> Kubelet:
    arguments = [*values.get("kubelet.arguments", "").split("\0"), *values.get("kubelet.more", "").split()]
    program = values.get("kubelet.program", "kubelet")
    config = values.get("kubelet.config", "")
    return parse_kubelet(int(values["pid"]), program, arguments, config, default_socket(program))


def _candidate(values: Mapping[str, str]) -> Candidate:
    sockets = values.get("daemon.sockets", "").split()
    # Its own first, before those of its debugger, of ttrpc and of NRI.
    sockets.sort(key=lambda path: path != values.get("socket"))
    return Candidate(int(values["pid"]), values.get("unit.Id", ""), tuple(sockets), values["config.path"])


def _source(values: Mapping[str, str], distribution: Distribution, handler: str) -> Source | None:
    found: Found = {
        path: (state, changed_at, values.get(f"origin.real {path}", path))
        for name in values
        if name.startswith("origin.stat ")
        for path in [name.removeprefix("origin.stat ")]
        for state, changed_at in [_file(values[name], values[f"origin {path}"])]
    }
    major = (parse_version(values.get("daemon.disk_version", "")) or (2,))[0]
    return source_of(distribution, values["config.path"], values.get("config", ""), major, handler, found)


def _file(stat: str, content: str) -> tuple[FileState, float]:
    mode, uid, gid, changed = stat.split()
    state = FileState(content.encode(errors="surrogateescape"), int(mode, 8), int(uid), int(gid))
    return state, float(changed)


def _daemon(values: Mapping[str, str], boot_id: str, known: _Known) -> Daemon:
    ticks, pid = int(values["daemon.start_ticks"]), int(values["daemon.pid"])
    booted_at = float(values["now"]) - float(values["uptime"])
    # Of a child of the unit's main process, as in k3s and k0s, only the kernel tells the start.
    is_main = values.get("unit.MainPID") == str(pid)
    started = int(values["unit.ExecMainStartTimestampMonotonic"]) / 1e6 if is_main else ticks / TICKS_PER_SECOND
    config, changed_at = None, None
    if "config.stat" in values:
        config, changed_at = _file(values["config.stat"], values["config"])
    wanted = known.containerd.distribution
    unit, path = values.get("unit.Id", ""), values["config.path"]
    distribution = named(wanted) if wanted else detect(PROFILES, unit, path)
    return Daemon(
        unit=unit,
        identity=Identity(boot_id, pid, ticks),
        started_at=booted_at + started,
        binary=values["daemon.binary"],
        version=parse_version(values.get("daemon.version", "")),
        disk_version=parse_version(values.get("daemon.disk_version", "")),
        restart_seconds=parse_span(values.get("unit.RestartUSec", "")),
        kill_mode=values.get("unit.KillMode", ""),
        needs_reload=values.get("unit.NeedDaemonReload") == "yes",
        socket=values.get("socket", ""),
        ctr=values.get("ctr", "ctr"),
        config_path=path,
        config=config,
        config_changed_at=changed_at,
        dump=values.get("dump", ""),
        loaded_log=values.get("daemon.loaded", "").strip(),
        plugins=parse_plugins(values.get("plugins", "")),
        distribution=distribution,
        source=_source(values, distribution, known.handler),
        delegate=values.get("unit.Delegate") != "no",
    )


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Parse /proc/self/mounts; blanks in a path are written as octal escapes (proc(5), fstab(5))."""
    mounts = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4:
            path = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[1])
            mounts.append(Mount(path, frozenset(fields[3].split(","))))
    return tuple(mounts)


def parse_version(text: str) -> tuple[int, ...]:
    """Find containerd's version in what `containerd --version` prints; () when there is none."""
    found = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def dotted(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version) or "of unknown version"


def parse_span(text: str) -> float:
    """Parse a time span as systemctl prints it, such as `1min 500ms`, to seconds (systemd.time(7))."""
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(us|ms|s|min|h)\b", text))


def parse_plugins(text: str) -> tuple[Plugin, ...]:
    """Parse `ctr plugins ls`: type, id, platforms, status."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return tuple(Plugin(row[0], row[1], row[-1]) for row in rows if len(row) >= 4)


def is_cri(plugin: Plugin) -> bool:
    """Tell whether a plugin is a part of CRI: one in 1.x, several in 2.x."""
    return (plugin.type, plugin.id) == (
        "io.containerd.grpc.v1",
        "cri",
    ) or plugin.type == "io.containerd.cri.v1"


def parse_record(text: str) -> Record | None:
    """Parse what nodeprov wrote down of the daemon; None when there is none or it is not understood."""
    try:
        value = json.loads(text)
        identity = Identity(value["boot_id"], int(value["pid"]), int(value["start_ticks"]))
        return Record(identity, str(value["dump"]))
    except (ValueError, KeyError, TypeError):
        return None


def _receipts(text: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(_receipt(line.partition(" ")[2]) for line in text.splitlines())


def _receipt(encoded: str) -> Mapping[str, Any]:
    """Decode a receipt; a damaged one is left to receipt.from_json, which says what to do about it."""
    try:
        value: Mapping[str, Any] = json.loads(base64.b64decode(encoded))
    except ValueError:
        return {}
    return value


def _generations(text: str) -> dict[str, str]:
    rows = (line.split(" ", 1) for line in text.splitlines())
    return {folder: posixpath.dirname(runsc) for folder, runsc in rows}


def _processes(text: str, prefixes: Mapping[str, str]) -> dict[str, int]:
    """Count processes by their programs, which the kernel names by where they really lie, and we by the prefix."""
    rows = (line.split(None, 1) for line in text.splitlines())
    return {_below(path, prefixes): int(count) for count, path in rows}


def _below(path: str, prefixes: Mapping[str, str]) -> str:
    real = next((each for each in prefixes if path.startswith(f"{each}/")), "")
    return prefixes[real] + path.removeprefix(real) if real else path


def _number(text: str | None) -> int | None:
    found = re.match(r"\d+", text or "")
    return int(found[0]) if found else None
