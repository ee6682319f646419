"""What a run would do to one node: facts, problems, goals, and the steps that lead there. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from nodeprov.containerd.distributions.profiles import PLAIN
from nodeprov.engine import garbage, superseded
from nodeprov.engine.order import install_steps, uninstall_steps
from nodeprov.errors import Problem, Problems
from nodeprov.hosts.base import Place, Reader, Readers
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster as kube
from nodeprov.kubernetes import node_label, proof_image
from nodeprov.kubernetes.draining import sandboxed_pods
from nodeprov.kubernetes.node_label import NodeLabel
from nodeprov.kubernetes.runtime_class import cuts_off, leads_here
from nodeprov.kubernetes.scheduling import cluster_goals, cluster_states, removal_goals
from nodeprov.node.cluster_state import ClusterState
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.facts import Facts, SwitchAtWork, gather
from nodeprov.node.imported_files import Imports, ImportsQuery, followed, import_problems, patterns_of
from nodeprov.node.receipts.history import History
from nodeprov.node.runtime_table import config_resource, how_edited, own_config, without_runtime
from nodeprov.plan.action import INSTALL, UNINSTALL
from nodeprov.plan.goal import Goal, constant, decide
from nodeprov.plan.plan import Plan
from nodeprov.plan.resources.link import Link
from nodeprov.plan.resources.tree import Tree
from nodeprov.plan.steps import Adopt, Step
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor import generation, layout
from nodeprov.runtimes.gvisor import goals as gvisor_goals
from nodeprov.runtimes.gvisor.generation import containers_of_other_releases, tree_bytes
from nodeprov.runtimes.gvisor.layout import former_layouts, former_runtimes
from nodeprov.runtimes.gvisor.requirements import check
from nodeprov.states import State

GetRelease = Callable[[str], Release]
"""Obtain the wanted release for an architecture."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the facts that it was made from."""

    plan: Plan
    node: Node
    facts: Facts
    cluster: ClusterState | None
    release: Release | None
    history: History

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.node.settings


def plan_install(node: Node, readers: Readers, get_release: GetRelease) -> Planned:
    """Say what an install would change; write nothing.

    Raises Problems with all the reasons not to begin, and NodeprovError when something cannot be read.
    """
    settings = node.settings
    seen = _look(node, readers)
    facts, cluster = seen.facts, seen.cluster
    _refuse(
        facts.node,
        check.check_facts(facts, settings),
        kube.check_cluster(cluster, node, facts.machine) if cluster else (),
        proof_image.check_programs(facts.machine.architecture, settings),
    )
    release = get_release(facts.machine.architecture)
    daemon = facts.running_daemon
    goals = (
        *gvisor_goals.goals(daemon, facts.footprint, settings, release),
        *superseded.goals(seen.former_links, seen.history),
    )
    states, found = _states(readers, facts, goals)
    problems = import_problems(daemon, settings.runtime.handler, found)
    _refuse(facts.node, check.check(facts.machine, daemon, facts.footprint, settings, release), problems)
    if cluster is not None:
        goals += (
            *cluster_goals(settings, node.name),
            *superseded.goals(seen.former_labels, seen.history),
        )
        states |= cluster_states(cluster, settings, node.name) | node_label.states(cluster, seen.former_labels)
    folder = generation.generation(daemon, settings, release).folder
    unneeded = garbage.after_install(facts.footprint, settings, seen.history, wanted=folder, release=release)
    changes = decide((*goals, *unneeded), states | garbage.states(facts.footprint, unneeded))
    steps = install_steps(facts, settings, folder, changes, found.files)
    runtime = layout.layout(settings).runtime
    without = without_runtime(runtime, how=how_edited(daemon))
    adopted = superseded.unknown(goals, states, seen.history.written, without)
    if adopted and (steps or not seen.history.installed):
        steps = (Adopt(adopted), *steps)
    plan = Plan(
        node.name,
        INSTALL,
        steps,
        notes=(
            *seen.notes(),
            *_notes(facts, settings, release, seen.history, steps),
            *(_class_notes(settings, seen.former_classes) if steps else ()),
            *(_selector_notes(settings) if cluster is not None and steps and cuts_off(cluster, settings) else ()),
        ),
        upload_bytes=sum(tree_bytes(release) for change in changes if isinstance(change.resource, Tree)),
    )
    return Planned(plan, node, facts, cluster, release, seen.history)


def plan_uninstall(node: Node, readers: Readers, *, drain: bool, leaving: Collection[str] = ()) -> Planned:
    """Say what an uninstall would change; write nothing. `leaving` are nodes uninstalled before this one.

    Raises Problems while a sandbox, running or stopped, still needs what would be removed, unless `drain` can
    evict it.
    """
    seen = _look(node, readers)
    facts, cluster, settings = seen.facts, seen.cluster, node.settings
    _refuse(facts.node, kube.check_identity(cluster, node, facts.machine) if cluster else ())
    goals = _uninstall_goals(seen, settings, leaving)
    on_node = [goal for goal in goals if goal.resource.place is Place.NODE]
    states, found = _states(readers, facts, on_node)
    if cluster is not None:
        states |= cluster_states(cluster, settings, node.name) | node_label.states(cluster, seen.former_labels)
    unneeded = garbage.after_uninstall(facts.footprint, settings)
    changes = decide((*goals, *unneeded), states | garbage.states(facts.footprint, unneeded))
    pods = sandboxed_pods(readers[Place.CLUSTER], settings, node.name) if drain and cluster else ()
    needed = _needed(facts)
    if needed and not pods and any(not change.collects for change in changes):
        hint = (
            "none of it is a pod that can be evicted: see what it is with ctr -n k8s.io containers ls, "
            "and what proofs have left with ctr -n nodeprov containers ls"
            if drain
            else f"delete their pods, or: nodeprov uninstall {node.name} --drain"
        )
        raise Problems([Problem(f"still needed: {needed}", hint)], where=node.name)
    is_there = changes or seen.history.installed
    steps = uninstall_steps(facts, settings, changes, pods, found.files) if is_there else ()
    stays = cluster is not None and not leads_here(cluster, settings)
    notes = (
        *seen.notes(),
        *_interruption_notes(seen.history),
        *(_other_class_notes(settings) if stays else ()),
    )
    plan = Plan(node.name, UNINSTALL, steps, notes=notes)
    return Planned(plan, node, facts, cluster, None, seen.history)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a plan starts from: what is there, and what the receipts of this very machine tell."""

    facts: Facts
    cluster: ClusterState | None
    history: History
    former_links: tuple[Link, ...]
    former_labels: tuple[NodeLabel, ...]
    former_classes: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """Say what machine and what cluster it is, so that an operator sees when it is the wrong one."""
        daemon = self.facts.running_daemon
        said = [_node_note(self.facts), *_choice_notes(daemon), *_distribution_notes(daemon)]
        if self.cluster is not None:
            said.append(f"cluster: {self.cluster.server} (context {self.cluster.context})")
        said += [
            f"receipts on this disk were written on another machine (machine-id {each}): it was cloned or "
            "reimaged since; they are kept, and do not count"
            for each in self.history.other_machines
        ]
        said += [f"was installed below {prefix} before" for prefix in self.facts.footprint.prefixes[1:]]
        return tuple(said)


def _look(node: Node, readers: Readers) -> _Seen:
    settings = node.settings
    facts = _when_settled(readers[Place.NODE], settings)
    with_cluster = Place.CLUSTER in readers
    cluster = kube.read(readers[Place.CLUSTER], settings, node.name) if with_cluster else None
    history = History.read(facts.receipts, machine_id=facts.machine.machine_id, handler=settings.runtime.handler)
    written = history.written
    if prefixes := superseded.prefixes(written, settings):
        facts = gather(readers[Place.NODE], settings, prefixes)
    return _Seen(
        facts=facts,
        cluster=cluster,
        history=history,
        former_links=superseded.links(written, settings),
        former_labels=superseded.labels(written, settings, node.name) if with_cluster else (),
        former_classes=superseded.runtime_classes(written, settings) if with_cluster else (),
    )


def _when_settled(reader: Reader, settings: Settings) -> Facts:
    """Read the facts of a node that is not in the middle of what it does by itself; wait for its end."""
    facts = gather(reader, settings)
    if facts.footprint.switched is None or facts.footprint.switched.outcome:
        return facts
    while reader.ask([SwitchAtWork(settings.paths.state)])[0]:
        pass
    return gather(reader, settings)


def _states(readers: Readers, facts: Facts, goals: Sequence[Goal]) -> tuple[dict[str, State | None], Imports]:
    """Read the goals' states and the configuration's imports in one round trip."""
    patterns = patterns_of(facts.running_daemon)
    resources = [goal.resource for goal in goals]
    *answers, imported = readers[Place.NODE].ask(
        [*(resource.query for resource in resources), ImportsQuery(patterns)]
    )
    found = followed(readers[Place.NODE], patterns, imported)
    states = dict(zip((resource.key for resource in resources), answers, strict=True))
    return states, found


def _refuse(node: str, *found: Sequence[Problem]) -> None:
    problems = [problem for some in found for problem in some]
    if problems:
        raise Problems(problems, where=node)


def _node_note(facts: Facts) -> str:
    """Say what machine it is, so that an operator sees when it is the wrong one."""
    daemon = facts.running_daemon
    parts = (
        facts.machine.os or "an unknown system",
        facts.machine.architecture,
        f"Linux {facts.machine.kernel}",
        f"systemd {facts.machine.systemd_version}",
        f"cgroup v{facts.machine.cgroup_version}",
        f"containerd {version_text(daemon.version)}",
    )
    return f"node: {', '.join(parts)}"


def _choice_notes(daemon: Daemon) -> tuple[str, ...]:
    """Say which of several containerds is meant, and why; of one alone there is nothing to say."""
    choice = daemon.choice
    if choice.chosen is None or not choice.passed_over:
        return ()
    others = ", ".join(each.said for each in choice.passed_over)
    return (f"containerd: {choice.chosen.said}, for {choice.why}; left alone: {others}",)


def _distribution_notes(daemon: Daemon) -> tuple[str, ...]:
    """Say whose containerd it is where that is somebody's, and what its restart means for the node."""
    whose = daemon.distribution
    if whose == PLAIN:
        return ()
    made = f"{daemon.edited_path} is edited {daemon.source.how.value}; " if daemon.source else ""
    said = [f"distribution: {whose.title}: {made}{daemon.unit} makes {daemon.config_path} of it when it starts"]
    if too := whose.restarts_too(daemon.unit):
        said.append(
            f"a restart of {daemon.unit} also restarts {', '.join(too)} on this node; pods go on, and nodes go "
            "one after the other"
        )
    return (*said, *whose.notes)


def _notes(
    facts: Facts, settings: Settings, release: Release, history: History, steps: Sequence[Step]
) -> tuple[str, ...]:
    notes = [*_interruption_notes(history)]
    broken = history.interrupted
    if (
        broken is not None
        and facts.footprint.switched
        and facts.footprint.switched.restored
        and facts.footprint.switched.run == broken.name
    ):
        notes.append(f"after it the node has put its configuration back by itself: {facts.footprint.switched.why}")
    old = containers_of_other_releases(facts.footprint, settings, release)
    if old and steps:
        notes.append(
            f"{old} running containers keep the release that they began with; one that restarts inside its old "
            "pod is created by the new release, which may fail: delete such pods when it suits you"
        )
    if settings.cluster.enabled and not settings.proof.pod and steps:
        notes.append("no pod is run as a proof: [proof] pod is false")
    return tuple(notes)


def _interruption_notes(history: History) -> tuple[str, ...]:
    broken = history.interrupted
    if broken is None:
        return ()
    said = (
        f"an earlier {broken.action} by {broken.author.user}@{broken.author.controller} began at "
        f"{broken.began} and did not end; this run finishes what it left"
    )
    return (said, *(["it has cordoned the node, which is uncordoned at the end"] if broken.cordons else []))


def _class_notes(settings: Settings, former_classes: Sequence[str]) -> tuple[str, ...]:
    kubectl = kube.kubectl(settings.cluster)
    return tuple(
        f"RuntimeClass {name}, which earlier settings had, is left: when no pod and no node needs it any more, "
        f"{kubectl.typed('delete', 'runtimeclass', name)}"
        for name in former_classes
    )


def _selector_notes(settings: Settings) -> tuple[str, ...]:
    return (
        f"RuntimeClass {settings.runtime_class.name} leads to nodes with another label now: until nodeprov has "
        "installed on those too, they get no new sandboxed pods",
    )


def _other_class_notes(settings: Settings) -> tuple[str, ...]:
    return (
        f"RuntimeClass {settings.runtime_class.name} is left: its handler is not {settings.runtime.handler}, or "
        f"it leads to nodes without the label {settings.label.key}={settings.label.value}",
    )


def _uninstall_goals(seen: _Seen, settings: Settings, leaving: Collection[str]) -> tuple[Goal, ...]:
    """Want what was before: in the cluster first, then the configuration, then the links."""
    facts, before, after = seen.facts, seen.history.before_us, seen.history.written
    daemon = facts.running_daemon
    where = layout.layout(settings)
    config = config_resource(daemon, where.runtime)
    links = [
        path
        for path, target in facts.footprint.links.items()
        if target and _is_ours(path, target, facts, settings)
    ]
    goals: list[Goal] = []
    if seen.cluster:
        goals += removal_goals(settings, facts.node, seen.cluster, before, leaving)
        goals += superseded.goals(seen.former_labels, seen.history)
    as_we_left_it = config.key in after and after[config.key] == daemon.edited
    untouched = as_we_left_it and seen.history.is_ours_alone(config.key)
    earlier = former_runtimes(facts.footprint, settings)
    goals.append(
        Goal(config, constant(before[config.key]))
        if untouched
        else Goal(config, without_runtime(where.runtime, earlier, how_edited(daemon)))
    )
    if own := own_config(daemon, where.runtime):
        goals.append(Goal(own, constant(None)))
    for path in reversed(links):
        link = Link(path, within=where.around if path == where.current else "")
        goals.append(Goal(link, constant(before.get(link.key))))
    return (*goals, *superseded.goals(seen.former_links, seen.history))


def _is_ours(path: str, target: str, facts: Facts, settings: Settings) -> bool:
    if path in [each.current for each in former_layouts(facts.footprint, settings)]:
        return False  # goes with what lies beside it
    ours = tuple(f"{prefix}/" for prefix in facts.footprint.prefixes)
    return path == layout.layout(settings).current or target.startswith(ours)


def _needed(facts: Facts) -> str:
    running = sum(facts.footprint.processes.values())
    stopped = len(facts.footprint.bundles)
    said = [f"{running} running processes"] if running else []
    said += [f"containers that name {facts.footprint.bundles[0]}"] if stopped else []
    return " and ".join(said)
