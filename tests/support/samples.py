"""Values that many tests begin with: a good node, a release, and a reader that answers from values."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nodeprov.containerd import Config, add_runtime
from nodeprov.engine.context import Cancellation, RunContext
from nodeprov.hosts.base import Query
from nodeprov.inventory import ClusterSettings, Node, ReleaseSettings, RuntimeClassSettings, Settings, Ssh
from nodeprov.kubernetes import runtime_class
from nodeprov.kubernetes.admission import Admission, AdmissionQuery
from nodeprov.kubernetes.cluster_read import ClusterQuery, ClusterRead, Context, ContextQuery
from nodeprov.kubernetes.draining import NodePod, NodePodsQuery
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.scheduling import NodeLabel
from nodeprov.node.daemon import Daemon, Identity, Plugin, Record
from nodeprov.node.daemon_choice import Kubelet
from nodeprov.node.facts import FactsQuery
from nodeprov.node.imported_files import Imported, ImportsQuery
from nodeprov.node.receipts import DONE, Author, Receipt, Written, to_json
from nodeprov.node.state import ClusterState, Facts, Footprint, Machine, Mount
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import AtPath, File, FileAt, Folder, Link, LinkAt, PresentAt, Tree, TreeAt
from nodeprov.plan.goal import Change, Goal, Resource
from nodeprov.plan.steps import Adopt, Drain, OnEvent, Part, Proof, Restart
from nodeprov.releases.obtain import Release
from nodeprov.states import FileState, State, TreeEntry, TreeState
from tests.support.runtimes import generation_of, layout_of, runtime_of

AUTHOR = Author("ann", "desk", "0.1.0")
GOLDEN = Path(__file__).parents[1] / "golden"
VERSION = "20260905.0"

CONFIG = """\
version = 3

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
"""

CRI = (
    Plugin("io.containerd.cri.v1", "images", "ok"),
    Plugin("io.containerd.cri.v1", "runtime", "ok"),
    Plugin("io.containerd.grpc.v1", "cri", "ok"),
)


def golden(path: str, text: str) -> None:
    """Compare a text with the one that was reviewed; UPDATE_GOLDEN=1 writes it anew, to be reviewed."""
    file = GOLDEN / path
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def golden_part(path: str, title: str, name: str, names: Sequence[str], text: str) -> None:
    """Compare a text with its own part of a file of many; UPDATE_GOLDEN=1 writes the part anew, in one process."""
    file = GOLDEN / path
    parts = dict(part.split("\n", 1) for part in file.read_text().split("\n== ")[1:]) if file.exists() else {}
    if os.environ.get("UPDATE_GOLDEN"):
        parts[name] = f"{text}\n"
        kept = [f"== {each}\n{parts[each]}" for each in names if each in parts]
        file.write_text("\n".join([title, *kept]))
    assert f"{text}\n" == parts.get(name)
    assert set(parts) <= set(names), "it has parts of which there is no test"


def settings(version: str = VERSION, **tables: Any) -> Settings:
    """The settings of an inventory that says only the version, and these tables."""
    return Settings(release=ReleaseSettings(version=version), **tables)


def node(wanted: Settings) -> Node:
    return Node("worker1", Ssh(address="worker1"), wanted)


def good_daemon(**changes: Any) -> Daemon:
    """A containerd 2.4 that began after its configuration was last written, and serves runc by it."""
    daemon = Daemon(
        unit="containerd.service",
        identity=Identity("boot-1", 400, 900),
        started_at=1000.0,
        binary="/usr/local/bin/containerd",
        version=(2, 4, 2),
        disk_version=(2, 4, 2),
        restart_seconds=5.0,
        kill_mode="process",
        needs_reload=False,
        socket="/run/containerd/containerd.sock",
        ctr="/usr/local/bin/ctr",
        config_path="/etc/containerd/config.toml",
        config=FileState(CONFIG.encode(), 0o644),
        config_changed_at=500.0,
        dump=CONFIG,
        loaded_log="",
        plugins=CRI,
    )
    return replace(daemon, **changes)


def good_facts(**changes: Any) -> Facts:
    """A node that lacks nothing and has nothing of nodeprov's."""
    machine = Machine(
        uid=0,
        architecture="x86_64",
        kernel="6.12.41+deb13-amd64",
        hostname="worker1",
        os="Debian GNU/Linux 13 (trixie)",
        machine_id="0908b3ce62f277cc2d12b3cfec52c48f",
        boot_id="boot-1",
        page_size=4096,
        user_namespaces=96365,
        cgroup_version=2,
        selinux_enforcing=None,
        systemd_version=257,
        free_bytes=72 << 30,
        free_at="/opt",
        mounts=(Mount("/", frozenset({"rw", "relatime"}), "ext4"),),
        kubelets=(Kubelet(300, "kubelet", "/run/containerd/containerd.sock", "its default", None),),
    )
    footprint = Footprint(
        prefixes=("/opt/nodeprov",),
        links={"/opt/nodeprov/handlers/runsc/current": "", "/usr/local/bin/runsc": ""},
        releases=(),
        generations={},
        processes={},
        bundles=(),
        record=None,
    )
    return changed(Facts("worker1", machine, good_daemon(), footprint, (), "loaded, active"), **changes)


def changed(facts: Facts, **changes: Any) -> Facts:
    """Facts in which some values are others, whatever part of a node they belong to."""
    of_machine, of_footprint = (
        {each.name: changes.pop(each.name) for each in fields(part) if each.name in changes}
        for part in (facts.machine, facts.footprint)
    )
    return replace(
        facts,
        machine=replace(facts.machine, **of_machine),
        footprint=replace(facts.footprint, **of_footprint),
        **changes,
    )


def with_daemon(facts: Facts | None = None, **changes: Any) -> Facts:
    """Facts in which only the daemon differs."""
    facts = facts or good_facts()
    assert facts.daemon is not None
    return replace(facts, daemon=replace(facts.daemon, **changes))


def release(folder: Path, version: str = VERSION, content: bytes = b"\x7fELF runsc") -> Release:
    """A release with small files instead of programs, below a folder of this machine."""
    place = folder / version
    place.mkdir(parents=True, exist_ok=True)
    files = {"containerd-shim-runsc-v1": content + b" shim", "runsc": content}
    for name, each in files.items():
        (place / name).write_bytes(each)
    entries = tuple(TreeEntry(name, 0o755, hashlib.sha256(each).hexdigest()) for name, each in files.items())
    return Release(version, "x86_64", "files", place, TreeState(entries), {"runsc": "ab" * 64})


def installed(wanted: Settings, made: Release, before: Facts | None = None) -> Facts:
    """What an installation, by the settings and on a node that was like `before`, leaves to be read."""
    facts = before or good_facts()
    daemon = facts.running_daemon
    where, made_of = layout_of(wanted), generation_of(wanted, made, facts)
    text = add_runtime((daemon.config or FileState(b"version = 3\n", 0o644)).content.decode(), runtime_of(wanted))
    identity = Identity("boot-1", daemon.identity.pid + 1, daemon.identity.start_ticks + 1)
    return changed(
        facts,
        daemon=replace(
            daemon,
            identity=identity,
            started_at=daemon.started_at + 1000,
            config=FileState(text.encode(), 0o644),
            config_changed_at=daemon.started_at + 999,
            dump=text,
        ),
        links={where.current: made_of.digest, "/usr/local/bin/runsc": f"{where.current}/runsc"},
        releases=(*facts.footprint.releases, f"{where.releases}/{made.name}"),
        generations={**facts.footprint.generations, made_of.folder: f"{where.releases}/{made.name}"},
        record=Record(identity, text),
    )


def receipt_of(number: int, action: str, *written: Written, state: str = DONE, handler: str = "runsc") -> Receipt:
    return Receipt(
        number=number,
        action=action,
        handler=handler,
        machine_id="0908b3ce62f277cc2d12b3cfec52c48f",
        author=AUTHOR,
        began=f"2026-09-0{number}T10:00:00+00:00",
        release=VERSION,
        changes=written,
        state=state,
    )


def with_receipts(facts: Facts, *receipts: Receipt) -> Facts:
    return replace(facts, receipts=tuple(to_json(receipt) for receipt in receipts))


def reached(goals: Sequence[Goal]) -> dict[str, State | None]:
    """The states in which goals are reached, the configuration's apart: that one is read with the facts."""
    fixed = [goal for goal in goals if not isinstance(goal.resource, ContainerdConfig)]
    return {goal.resource.key: goal.target(None) for goal in fixed}


@dataclass(frozen=True)
class PlayedRead(ClusterRead):
    """What is read of a cluster in which every node is the same."""

    played: ClusterState | None = None

    def state(self, settings: Settings, node: str, context: Context) -> ClusterState:
        assert self.played is not None
        return self.played


@dataclass
class FakeReader:
    """Answers each kind of question from values; it runs nothing and cannot write."""

    facts: Facts | None = None
    facts_of_former: Facts | None = None
    """What is read when earlier prefixes are looked at too."""
    states: dict[str, State | None] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    """The texts of files that are imported; they are older than containerd."""
    cluster: ClusterState | None = None
    admission: Admission = field(default_factory=Admission)
    pods: tuple[str | NodePod, ...] = ()
    asked: list[list[Query[Any]]] = field(default_factory=list)
    name: str = "worker1"

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        self.asked.append(list(queries))
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query[Any]) -> Any:
        match query:
            case FactsQuery(layout=layout):
                return self.facts_of_former if layout.former else self.facts
            case ImportsQuery(patterns):
                found = {path: text for path, text in self.imports.items() if path in patterns}
                return {path: Imported(Config(text), changed_at=0.0) for path, text in found.items()}
            case ContextQuery() | ClusterQuery():
                return Context() if isinstance(query, ContextQuery) else PlayedRead(played=self.cluster)
            case AdmissionQuery():
                return self.admission
            case NodePodsQuery():
                return tuple(each if isinstance(each, NodePod) else NodePod(each) for each in self.pods)
            case FileAt(path):
                daemon = self.facts.daemon if self.facts else None
                is_config = daemon is not None and path == daemon.edited_path
                return daemon.edited if daemon and is_config else self.states.get(f"file:{path}")
            case LinkAt(path):
                return self.states.get(f"link:{path}")
            case TreeAt(path):
                return self.states.get(f"tree:{path}")
            case PresentAt(path):
                return self.states.get(f"folder:{path}")
        raise AssertionError(f"nobody has told how to answer {query}")


def resource(key: str) -> Resource:
    """The resource of a key; of those in a cluster only the name matters."""
    kind, _, name = key.partition(":")
    if kind == "label":
        node, _, label = name.partition(":")
        return NodeLabel(kubectl(ClusterSettings()), node, label)
    if kind == "runtimeclass":
        return runtime_class.of(settings(runtime_class=RuntimeClassSettings(name=name)), "worker1")
    kinds: dict[str, type[AtPath]] = {"file": File, "link": Link, "tree": Tree, "folder": Folder}
    return kinds[kind](name)


def a_run(on_event: OnEvent = lambda _event: None) -> RunContext:
    """What a run needs, where nobody listens and nobody cancels."""
    return RunContext(AUTHOR, lambda: "2026-09-05T10:00:00+00:00", on_event, Cancellation())


def recorded(name: str) -> str:
    """What the facts script printed on a node of the lab."""
    return (GOLDEN / "facts" / f"{name}.txt").read_text()


def having(text: str, values: Mapping[str, str | None]) -> str:
    """A recording in which some values, by their full names, are others, or missing."""
    kept = [line for line in text.splitlines() if line.partition("=")[0] not in values]
    new = [f"{name}={_written(name, value)}" for name, value in values.items() if value is not None]
    return "\n".join([*kept, *new]) + "\n"


def _written(name: str, value: str) -> str:
    if not name.endswith(":"):
        return value
    return base64.b64encode(value.encode(errors="surrogateescape")).decode()


def short(parts: Sequence[Part], names: Mapping[str, str]) -> list[str]:
    """Write parts short: what is made (+), changed (~) or removed (-); digests get the names they have here."""
    lines = []
    for part in parts:
        line = _short(part).replace("/opt/nodeprov/", "")
        for digest, name in names.items():
            line = line.replace(digest, name)
        lines.append(line)
    return lines


def _short(part: Part) -> str:
    match part:
        case Change(made, before, after):
            return f"{'+' if before is None else '-' if after is None else '~'} {made.key}"
        case Proof(name=name, subject=subject):
            return f"proof {name} {subject}".rstrip()
        case Drain(pods):
            return f"drain {' '.join(pods)}"
        case Restart(unit):
            return f"restart {unit}"
        case Adopt(changes):
            return " ".join(["adopt", *(change.resource.key for change in changes)])
