"""What is true of a node, read in one command: the question, and what its script printed as facts."""

import base64
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from nodeprov.containerd.distributions.distribution import Distribution, Found, Source, Traces, detect, source_of
from nodeprov.containerd.distributions.profiles import (
    PROFILES,
    default_socket,
    kubelet_configs,
    kubelets,
    named,
    origin_names,
)
from nodeprov.containerd.words import cri_messages, last_words
from nodeprov.errors import MALFORMED, NodeprovError
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import ContainerdSettings, Settings
from nodeprov.node import fact_parsers as parse
from nodeprov.node.daemon import Daemon, Identity
from nodeprov.node.daemon_choice import Candidate, Choice, Kubelet, choose, flags, parse_kubelet
from nodeprov.node.layout import Layout
from nodeprov.node.state import Facts, Footprint, Machine
from nodeprov.node.switch import UNITS, Switched
from nodeprov.redaction import redacted
from nodeprov.states import FileState
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class FactsQuery:
    """The one question from which all facts come."""

    node: str
    settings: Settings
    layout: Layout

    @property
    def script(self) -> str:
        """The script that reads them."""
        s, prefixes = self.settings, self.layout.prefixes
        return render(
            "node/facts.sh.j2",
            unit=s.containerd.unit or "containerd.service",
            config=s.containerd.config or "",
            socket=s.containerd.socket or "",
            prefix=s.paths.prefix,
            prefixes=prefixes,
            state=s.paths.state,
            places=[each for each in (*prefixes, s.paths.state, s.paths.bin) if each],
            links=self.layout.links,
            origins=origin_names(s.runtime.handler),
            kubelets=kubelets(),
            kubelet_configs=kubelet_configs(),
            sysctls=SYSCTLS,
            units=UNITS,
        )

    def parse(self, output: Output) -> Facts:
        """Understand what the script printed."""
        return parse_facts(self.node, output.text, self.layout.prefixes, self.settings)


@dataclass(frozen=True, slots=True)
class OfRuns:
    """What any run of nodeprov changes on a node."""

    receipts: tuple[Mapping[str, Any], ...]
    links: Mapping[str, str]
    generations: Mapping[str, str]
    switched: Switched | None

    @classmethod
    def among(cls, facts: Facts) -> Self:
        """Pick it of all that was read."""
        footprint = facts.footprint
        return cls(facts.receipts, footprint.links, footprint.generations, footprint.switched)


@dataclass(frozen=True, slots=True)
class OfRunsQuery:
    """The part of the facts that any run changes, which costs a node little."""

    settings: Settings
    layout: Layout

    @property
    def script(self) -> str:
        """The script that reads it, which is the end of that of the facts."""
        state, prefixes = self.settings.paths.state, self.layout.prefixes
        return render("node/traces.sh.j2", state=state, prefixes=prefixes, links=self.layout.links)

    def parse(self, output: Output) -> OfRuns:
        """Understand what the script printed."""
        values, _ = _blocks(output.text)
        return OfRuns(
            parse.receipts(values.get("receipts", "")),
            _named("link ", values),
            parse.generations(values.get("generations", "")),
            _switched(values),
        )


def gather(reader: Reader, settings: Settings, layout: Layout) -> Facts:
    """Read a node's facts in one round trip; what is ours is looked for where the layout says."""
    facts: Facts = reader.ask([FactsQuery(reader.name, settings, layout)])[0]
    return facts


_NAMESPACES = ("mnt", "pid", "ipc", "uts", "net")
SYSCTLS = (
    "kernel.yama.ptrace_scope",
    "vm.max_map_count",
    "vm.memfd_noexec",
    *(f"user.max_{each}_namespaces" for each in _NAMESPACES),
)
"""The kernel's settings that a runtime may need to know."""
TICKS_PER_SECOND = 100
"""The ticks in which the kernel counts for user space, on every architecture that is supported (USER_HZ)."""


def parse_facts(node: str, text: str, prefixes: tuple[str, ...] = (), settings: Settings | None = None) -> Facts:
    """Parse the facts script's output, for what lies below these prefixes.

    What the settings name of containerd is not looked for; without settings all is.
    Raises NodeprovError when what every Linux node has is missing from it.
    """
    wanted = settings.containerd if settings else ContainerdSettings()
    handler = settings.runtime.handler if settings else ""
    try:
        return _facts(node, text, prefixes, wanted, handler)
    except MALFORMED as error:
        raise NodeprovError(
            f"the node's answer is not understood: {type(error).__name__}: {' '.join(str(error).split())[:200]}",
            "run again with -vv and report what it shows",
            where=node,
        ) from None


def _blocks(text: str) -> tuple[dict[str, str], dict[str, list[dict[str, str]]]]:
    """Read `name=value` lines, of the node and in a block for each kubelet and each containerd.

    `kubelet=PID` or `containerd=PID` begins a block, the same name alone ends it.
    """
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
    return node, blocks


def _facts(node: str, text: str, prefixes: tuple[str, ...], wanted: ContainerdSettings, handler: str) -> Facts:
    values, blocks = _blocks(text)
    kubelets = tuple(_kubelet(block) for block in blocks["kubelet"])
    daemons = {_candidate(block): block for block in ({**values, **block} for block in blocks["containerd"])}
    choice = choose(tuple(daemons), kubelets, unit=wanted.unit, socket=wanted.socket, config=wanted.config)
    chosen = daemons[choice.chosen] if choice.chosen else None
    return Facts(
        node=node,
        machine=_machine(values, kubelets),
        daemon=_daemon(chosen, choice, wanted.distribution, handler) if chosen else None,
        footprint=_footprint(values, prefixes),
        receipts=parse.receipts(values.get("receipts", "")),
        unit_state=values.get("unit_state", "unknown"),
        undecided=choice.problem,
        read_at=float(values.get("now", 0)),
    )


def _machine(values: Mapping[str, str], kubelets: tuple[Kubelet, ...]) -> Machine:
    return Machine(
        uid=int(values["uid"]),
        architecture=values["architecture"],
        kernel=values["kernel"],
        hostname=values["hostname"],
        os=values.get("os", ""),
        machine_id=values.get("machine_id", ""),
        boot_id=values["boot_id"],
        page_size=parse.number(values.get("page_size")),
        user_namespaces=parse.number(values.get("user_namespaces")),
        sysctls=_sysctls(values),
        has_seccomp=values["seccomp"] != "0" if values.get("seccomp") else None,
        has_swap=values.get("swaps", "0") not in ("", "0"),
        locked=parse.locked(values.get("locked", "")),
        cgroup_version=2 if values.get("cgroup") == "cgroup2fs" else 1,
        selinux_enforcing={"1": True, "0": False}.get(values.get("selinux", "")),
        systemd_version=parse.number([*values.get("systemd", "").split(), "", ""][1]),
        free_bytes=int(values["free_kib"]) * 1024,
        free_at=values["free_at"],
        mounts=parse.mounts(values.get("mounts", "")),
        kubelets=kubelets,
        address_bits=int(values["address_top"], 16).bit_length() if values.get("address_top") else None,
        has_kvm=values["kvm"] == "yes" if "kvm" in values else None,
        real_paths=_named("real ", values),
        loose=parse.loose(values.get("loose", "")),
    )


def _footprint(values: Mapping[str, str], prefixes: tuple[str, ...]) -> Footprint:
    real = _named("real ", values)
    ours = {real.get(each, each): each for each in prefixes}
    return Footprint(
        prefixes=prefixes,
        links=_named("link ", values),
        releases=tuple(values.get("releases", "").splitlines()),
        generations=parse.generations(values.get("generations", "")),
        processes=parse.processes(values.get("processes", ""), ours),
        bundles=tuple(values.get("bundles", "").splitlines()),
        users=parse.users(values.get("users", ""), ours),
        pods=parse.pods(values.get("pods", "")),
        record=parse.record(values.get("record", "")),
        switched=_switched(values),
    )


def _switched(values: Mapping[str, str]) -> Switched | None:
    return Switched.read(values["switch"], values.get("switch.outcome", "")) if "switch" in values else None


def _named(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    """Pick the values of one kind, by their names."""
    return {name.removeprefix(kind): value for name, value in values.items() if name.startswith(kind)}


def _kubelet(values: Mapping[str, str]) -> Kubelet:
    arguments = [*values.get("kubelet.arguments", "").split("\0"), *values.get("kubelet.more", "").split()]
    program = values.get("kubelet.program", "kubelet")
    config = values.get("kubelet.config", "")
    told = parse_kubelet(int(values["pid"]), program, arguments, config, default_socket(program))
    uses = values.get("kubelet.uses_driver", "")
    driver = uses if uses in ("systemd", "cgroupfs") else None
    return replace(told, uses_driver=driver, files=_kubelet_files(values["pid"], program, arguments))


def _kubelet_files(pid: str, program: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """Name the files that its settings are read from, as it sees them itself."""
    said = {name: value for name, value in flags(arguments) if value}
    root, own = f"/proc/{pid}/root", kubelet_configs().get(program)
    folder, more = said.get("config-dir"), said.get("kubelet-args-file")
    found = (said.get("config"), folder, folder and f"{folder}/*", own, own and f"{own}.d", own and f"{own}.d/*")
    return (*(f"{root}{each}" for each in found if each), *([more] if more else []))


def _sysctls(values: Mapping[str, str]) -> dict[str, int]:
    read = {name: parse.number(value) for name, value in _named("sysctl ", values).items()}
    return {name: value for name, value in read.items() if value is not None}


def _candidate(values: Mapping[str, str]) -> Candidate:
    sockets = values.get("daemon.sockets", "").split()
    # Its own first, before those of its debugger, of ttrpc and of NRI.
    sockets.sort(key=lambda path: path != values.get("socket"))
    own = values.get("config.own") or values["config.path"]
    return Candidate(int(values["pid"]), values.get("unit.Id", ""), tuple(sockets), own)


def _source(values: Mapping[str, str], distribution: Distribution, handler: str) -> Source | None:
    found: Found = {
        posixpath.normpath(path): (state, changed_at, values.get(f"origin.real {path}", path))
        for name in values
        if name.startswith("origin.stat ")
        for path in [name.removeprefix("origin.stat ")]
        for state, changed_at in [_file(values[name], values[f"origin {path}"])]
    }
    version = parse.version(values.get("daemon.disk_version", ""))
    made_at = _file(values["config.stat"], "")[1] if "config.stat" in values else None
    path, config = values["config.path"], values.get("config", "")
    return source_of(distribution, path, config, version, handler, found, made_at)


def _file(stat: str, content: str) -> tuple[FileState, float]:
    mode, uid, gid, changed = stat.split()
    state = FileState(content.encode(errors="surrogateescape"), int(mode, 8), int(uid), int(gid))
    return state, float(changed)


def _daemon(values: Mapping[str, str], choice: Choice, named_distribution: str | None, handler: str) -> Daemon:
    ticks, pid = int(values["daemon.start_ticks"]), int(values["daemon.pid"])
    booted_at = float(values["now"]) - float(values["uptime"])
    # Of a child of the unit's main process, as in k3s and k0s, only the kernel knows the start.
    is_main = values.get("unit.MainPID") == str(pid)
    started = int(values["unit.ExecMainStartTimestampMonotonic"]) / 1e6 if is_main else ticks / TICKS_PER_SECOND
    config, changed_at = None, None
    if "config.stat" in values:
        config, changed_at = _file(values["config.stat"], values["config"])
    unit, path = values.get("unit.Id", ""), values["config.path"]
    traces = Traces(unit, path, values.get("config", ""), tuple(values.get("daemon.parents", "").splitlines()))
    distribution = named(named_distribution) if named_distribution else detect(PROFILES, traces)
    source = _source(values, distribution, handler)
    return Daemon(
        unit=unit,
        identity=Identity(values["boot_id"], pid, ticks),
        started_at=booted_at + started,
        binary=values["daemon.binary"],
        version=parse.version(values.get("daemon.version", "")),
        disk_version=parse.version(values.get("daemon.disk_version", "")),
        restart_seconds=parse.span(values.get("unit.RestartUSec", "")),
        kill_mode=values.get("unit.KillMode", ""),
        needs_reload=values.get("unit.NeedDaemonReload") == "yes",
        socket=values.get("socket", ""),
        ctr=values.get("ctr", "ctr"),
        config_path=path,
        config=config,
        config_changed_at=changed_at,
        dump=values.get("dump", ""),
        loaded_log=values.get("daemon.loaded", "").strip(),
        plugins=parse.plugins(values.get("plugins", "")),
        complaints=cri_messages(values.get("plugins.detail", "")) or (),
        refusal=last_words(redacted(values.get("dump.refused", ""))),
        distribution=distribution,
        parents=traces.parents,
        source=source,
        delegate=values.get("unit.Delegate") != "no",
        config_target=values.get("config.target", ""),
        locked=parse.locked(values.get(f"origin.locked {source.path}" if source else "config.locked", "")),
        choice=choice,
    )
