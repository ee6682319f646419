"""Nodes in situations, and what would be planned for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.containerd.distributions.profiles import K3S
from nodeprov.engine.fleet import Fleet
from nodeprov.engine.look import Install, Uninstall, Want
from nodeprov.engine.planner import Planned
from nodeprov.hosts.base import Place, Reader
from nodeprov.inventory import ClusterSettings, ContainerdSettings, Node, Settings
from nodeprov.kubernetes.draining import NOTHING_LOST, Allowed
from nodeprov.kubernetes.runtime_class import MANAGED_BY, wanted_runtime_class
from nodeprov.kubernetes.scheduling import cluster_goals
from nodeprov.node.daemon import Daemon
from nodeprov.node.receipts import BEGUN, Receipt, Written
from nodeprov.node.runtime_table import without_runtime
from nodeprov.node.state import ClusterState, Facts
from nodeprov.plan.goal import Goal
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import goals as goals_of
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.obtaining import Releases
from nodeprov.states import FileState, State
from tests.support.memory_host import MemoryHosts
from tests.support.runtimes import generation_of, runtime_of, state_of
from tests.support.samples import (
    CONFIG,
    FakeReader,
    changed,
    good_facts,
    installed,
    node,
    reached,
    receipt_of,
    settings,
    short,
    with_daemon,
    with_receipts,
)

ALONE = settings(cluster=ClusterSettings(enabled=False))
TOGETHER = settings()
LABEL = "nodeprov.node-restriction.kubernetes.io/gvisor"
LABEL_KEY = f"label:worker1:{LABEL}"
CONFIG_KEY = "file:/etc/containerd/config.toml"
CURRENT_KEY, PEOPLE_KEY = "link:/opt/nodeprov/handlers/runsc/current", "link:/usr/local/bin/runsc"


@dataclass
class Situation:
    """A node, and a cluster unless there is none, as they are read; and the release that is wanted."""

    reader: FakeReader
    wanted: Settings
    made: Release
    cluster: FakeReader | None = None

    @property
    def facts(self) -> Facts:
        """What is read of the node."""
        assert self.reader.facts is not None
        return self.reader.facts

    @property
    def daemon(self) -> Daemon:
        """What is read of its containerd."""
        return self.facts.running_daemon

    @property
    def readers(self) -> Mapping[Place, Reader]:
        return {Place.NODE: self.reader, **({Place.CLUSTER: self.cluster} if self.cluster else {})}

    def install(self) -> Planned:
        return planned(node(self.wanted), self.readers, Install(GVISOR, self.made))

    def uninstall(
        self, *, drain: bool = False, leaving: tuple[str, ...] = (), allowed: Allowed = NOTHING_LOST
    ) -> Planned:
        return planned(node(self.wanted), self.readers, Uninstall(GVISOR, drain, leaving, allowed))


def planned(
    node: Node, readers: Mapping[Place, Any], want: Want, releases: Releases = lambda *_: not_wanted()
) -> Planned:
    """Plan for one node, as a fleet of it does; raise what blocks it."""
    plans = Fleet([node], MemoryHosts({node.name: readers}), releases).plan(want)
    for error in plans.errors:
        raise error
    return plans.good[0]


def not_wanted() -> NoReturn:
    raise AssertionError("no release is obtained")


def fresh(made: Release, wanted: Settings = ALONE, facts: Facts | None = None) -> Situation:
    return Situation(FakeReader(facts or good_facts()), wanted, made)


def after_install(was: Release, made: Release, wanted: Settings = ALONE, before: Facts | None = None) -> Situation:
    """`was` is installed with the settings, and `made` is wanted now."""
    facts = installed(wanted, was, before)
    wanted_of = tuple(goals_of(state_of(wanted, facts), GVISOR, was))
    facts = with_receipts(facts, receipt_of_all(wanted, facts, wanted_of))
    return Situation(FakeReader(facts, states=reached(wanted_of)), wanted, made)


def receipt_of_all(wanted: Settings, facts: Facts, goals: Sequence[Goal]) -> Receipt:
    """The receipt of an install that made everything, in a cluster too."""
    daemon = facts.running_daemon
    before = without_runtime(runtime_of(wanted))(daemon.config)
    states = reached(goals)
    written = [Written(key, None, state) for key, state in states.items()]
    written += [Written(CONFIG_KEY, before, daemon.config)]
    written += [Written(goal.resource.key, None, goal.target(None)) for goal in cluster_goals(wanted, "worker1")]
    return receipt_of(1, "install", *written)


def in_cluster(
    situation: Situation, *, has_label: bool, has_class: bool, labelled: tuple[str, ...] = ("worker1",)
) -> Situation:
    labels = {LABEL: "true"} if has_label else {}
    value = wanted_runtime_class(situation.wanted).value
    existing = {**value, "metadata": {"name": "gvisor", "labels": MANAGED_BY}} if has_class else None
    cluster = ClusterState(
        "production", "https://10.0.0.10:6443", {"metadata": {"labels": labels}}, existing, labelled
    )
    situation.cluster = FakeReader(cluster=cluster)
    return situation


def names_of(wanted: Settings, **releases: Release) -> dict[str, str]:
    """What releases and their generations are called in a test: R and G with a number."""
    names: dict[str, str] = {}
    for name, made in releases.items():
        names[made.name] = f"R{name}"
        names[generation_of(wanted, made, good_facts()).digest] = f"G{name}"
    return names


def steps_of(planned: Planned, wanted: Settings = ALONE, **releases: Release) -> list[str]:
    return short(planned.plan.parts, names_of(wanted, **releases))


GENERATION = [
    "+ file:handlers/runsc/Gnew/runsc.toml",
    "+ link:handlers/runsc/Gnew/containerd-shim-runsc-v1",
    "+ link:handlers/runsc/Gnew/runsc",
    "proof sandbox handlers/runsc/Gnew",
]
IN_CLUSTER = [f"+ {LABEL_KEY}", "+ runtimeclass:gvisor", "proof handler", "proof pod"]


def on_k3s(unit: str = "k3s.service", state: FileState | None = None) -> Facts:
    """A node of k3s, whose template is as given."""
    folder = "/var/lib/rancher/k3s/agent/etc/containerd"
    path = f"{folder}/config-v3.toml.tmpl"
    source = Source(path, How.GO_TEMPLATE, 3, state, None, path)
    return with_daemon(unit=unit, config_path=f"{folder}/config.toml", distribution=K3S, source=source)


def collected(planned: Planned, **releases: Release) -> list[str]:
    return [line for line in steps_of(planned, ALONE, **releases) if line.startswith("- folder:")]


OWN_KEY = "file:/etc/containerd/conf.d/nodeprov-runsc.toml"
DROPIN = settings(cluster=ClusterSettings(enabled=False), containerd=ContainerdSettings(config_style="dropin"))
IMPORTING = f"imports = ['conf.d/*.toml']\n{CONFIG}"


def importing(made: Release, wanted: Settings, own: str | None = None, root: str = IMPORTING) -> Situation:
    """A node whose configuration imports a folder, with our file in it or without."""
    merged = root + (own or "").partition("\n\n")[2]
    facts = with_daemon(config=FileState(root.encode(), 0o644), dump=merged)
    situation = fresh(made, wanted, facts)
    situation.reader.states[OWN_KEY] = FileState(own.encode(), 0o644) if own else None
    return situation


def uninstallable(made: Release, wanted: Settings = ALONE, *more: Written) -> Situation:
    """An installation with the receipt of the run that made it."""
    situation = after_install(made, made, wanted)
    facts = situation.facts
    written = (
        Written(CURRENT_KEY, None, situation.reader.states[CURRENT_KEY]),
        Written(PEOPLE_KEY, None, situation.reader.states[PEOPLE_KEY]),
        Written(CONFIG_KEY, FileState(CONFIG.encode(), 0o644), situation.daemon.config),
    )
    situation.reader.facts = with_receipts(facts, receipt_of(1, "install", *written, *more))
    return situation


def interrupted_in_a_drain(new: Release) -> Situation:
    """An uninstall has cordoned the node, and was killed."""
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    begun = replace(receipt_of(2, "uninstall", state=BEGUN), cordons=True)
    receipts = (*situation.facts.receipts, *with_receipts(situation.facts, begun).receipts)
    situation.reader.facts = changed(situation.facts, receipts=receipts)
    return situation


REMOVED_FROM_CLUSTER = [f"- {LABEL_KEY}", "- runtimeclass:gvisor"]
REMOVED_FROM_NODE = [
    "proof unused",
    "~ file:/etc/containerd/config.toml",
    "restart containerd.service",
    "proof serving",
    "- link:/usr/local/bin/runsc",
    "- link:handlers/runsc/current",
    "- folder:handlers/runsc/Gnew",
    "- folder:releases/Rnew",
]


def after_of(planned: Planned, key: str) -> State | None:
    (change,) = (change for change in planned.plan.changes if change.resource.key == key)
    return change.after


def without_receipts(situation: Situation) -> Situation:
    situation.reader.facts = changed(situation.facts, receipts=())
    return situation


def in_use(situation: Situation, **used: Any) -> Situation:
    situation.reader.facts = changed(situation.facts, **used)
    return situation
