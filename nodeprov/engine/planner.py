"""What would be done to bring a node to what is wanted: reasons not to begin, goals, steps. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodeprov.engine import garbage, notes, superseded
from nodeprov.engine.order import install_steps, uninstall_steps
from nodeprov.engine.want import Install, Uninstall, Want
from nodeprov.errors import Problem, Problems
from nodeprov.hosts.base import Place, Readers
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster as kube
from nodeprov.kubernetes import proof_image
from nodeprov.kubernetes.draining import sandboxed_pods
from nodeprov.kubernetes.scheduling import cluster_goals, cluster_states, removal_goals
from nodeprov.node import runtime_table
from nodeprov.node.cluster_state import ClusterState
from nodeprov.node.facts import Facts
from nodeprov.node.imported_files import Imports, ImportsQuery, followed, import_problems, patterns_of
from nodeprov.node.machine import Machine
from nodeprov.node.state import NodeState
from nodeprov.plan.goal import Goal, decide
from nodeprov.plan.plan import Plan
from nodeprov.plan.resources.tree import Tree
from nodeprov.plan.steps import Adopt
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor import goals as gvisor
from nodeprov.runtimes.gvisor import requirements
from nodeprov.runtimes.gvisor.generation import containers_of_other_releases, generation, tree_bytes
from nodeprov.runtimes.gvisor.layout import layout
from nodeprov.states import State


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the state that it was made from, and what it is for."""

    state: NodeState
    want: Want
    plan: Plan

    @property
    def node(self) -> Node:
        """The node."""
        return self.state.node

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.state.settings


def check(state: NodeState, want: Want) -> tuple[Problem, ...]:
    """Find all the reasons not to begin that the node's state tells; ask nothing."""
    found = _of_cluster(state.node, state.machine, state.cluster, want)
    if isinstance(want, Uninstall):
        return found
    of_node = requirements.check(state.machine, state.daemon, state.footprint, state.settings, want.release)
    return (*of_node, *found)


def check_facts(node: Node, facts: Facts, cluster: ClusterState | None, want: Want) -> tuple[Problem, ...]:
    """Find the same where no containerd can be meant, which is one of the reasons."""
    found = _of_cluster(node, facts.machine, cluster, want)
    if isinstance(want, Uninstall):
        return found or (facts.no_daemon,)
    return (*requirements.check_facts(facts, node.settings), *found)


def _of_cluster(node: Node, machine: Machine, cluster: ClusterState | None, want: Want) -> tuple[Problem, ...]:
    if isinstance(want, Uninstall):
        return kube.check_identity(cluster, node, machine) if cluster else ()
    return (
        *(kube.check_cluster(cluster, node, machine) if cluster else ()),
        *proof_image.check_programs(machine.architecture, node.settings),
    )


def plan(state: NodeState, want: Want, readers: Readers) -> Planned:
    """Say what has to be changed for what is wanted; of an install the release must be there.

    Raises Problems with the reasons not to begin: those of `check`, and what only further questions tell.
    """
    found = check(state, want)
    if isinstance(want, Uninstall):
        _refuse(state, found)
        return Planned(state, want, _uninstall(state, want, readers))
    assert want.release is not None, "a release is obtained before its install is planned"
    return Planned(state, want, _install(state, want.release, readers, found))


def _wanted_by_install(state: NodeState, release: Release) -> Iterator[Goal]:
    """Want the runtime, then nothing elsewhere that earlier settings had, and pods only after both."""
    yield from gvisor.goals(state.daemon, state.footprint, state.settings, release)
    yield from superseded.link_goals(state)
    if state.cluster is not None:
        yield from cluster_goals(state.settings, state.node.name)
        yield from superseded.label_goals(state)


def _wanted_by_uninstall(state: NodeState, want: Uninstall) -> Iterator[Goal]:
    """Want what was before: in the cluster first, then the configuration, then the links."""
    settings, history = state.settings, state.history
    if state.cluster is not None:
        yield from removal_goals(settings, state.node.name, state.cluster, history.before_us, want.leaving)
        yield from superseded.label_goals(state)
    yield from gvisor.removal_goals(state.daemon, state.footprint, settings, history)
    yield from superseded.link_goals(state)


def _install(state: NodeState, release: Release, readers: Readers, found: Sequence[Problem]) -> Plan:
    settings, daemon = state.settings, state.daemon
    wanted, where = generation(daemon, settings, release).folder, layout(settings)
    goals = tuple(_wanted_by_install(state, release))
    unneeded = garbage.after_install(state.footprint, settings, state.history, wanted=wanted, release=release)
    states, imports = _read(state, goals, unneeded, readers)
    _refuse(state, (*found, *import_problems(daemon, settings.runtime.handler, imports)))
    changes = decide((*goals, *unneeded), states)
    runtime = where.runtime
    steps = install_steps(state, changes, imports.files, runtime=runtime, generation=wanted, current=where.current)
    without = runtime_table.without_runtime(runtime, how=runtime_table.how_edited(daemon))
    adopted = superseded.unknown(goals, states, state.history.written, without)
    if adopted and (steps or not state.history.installed):
        steps = (Adopt(adopted), *steps)
    old = containers_of_other_releases(state.footprint, settings, release)
    upload_bytes = sum(tree_bytes(release) for change in changes if isinstance(change.resource, Tree))
    return Plan(state.node.name, Install.action, steps, notes.of_install(state, steps, old), upload_bytes)


def _uninstall(state: NodeState, want: Uninstall, readers: Readers) -> Plan:
    settings, name = state.settings, state.node.name
    goals = tuple(_wanted_by_uninstall(state, want))
    unneeded = garbage.after_uninstall(state.footprint, settings)
    states, imports = _read(state, goals, unneeded, readers)
    changes = decide((*goals, *unneeded), states)
    pods = sandboxed_pods(readers[Place.CLUSTER], settings, name) if want.drain and state.cluster else ()
    if not pods and any(not change.collects for change in changes):
        _refuse(state, tuple(_still_needed(state, want)))
    is_there = changes or state.history.installed
    runtime = layout(settings).runtime
    steps = uninstall_steps(state, changes, pods, imports.files, runtime=runtime) if is_there else ()
    return Plan(name, Uninstall.action, steps, notes.of_uninstall(state))


def _read(
    state: NodeState, goals: Sequence[Goal], unneeded: Sequence[Goal], readers: Readers
) -> tuple[dict[str, State | None], Imports]:
    """Read states on the node, and what its configuration imports, in one round trip; the others are known."""
    patterns = patterns_of(state.daemon)
    resources = [goal.resource for goal in goals if goal.resource.place is Place.NODE]
    reader = readers[Place.NODE]
    *answers, imported = reader.ask([*(resource.query for resource in resources), ImportsQuery(patterns)])
    imports = followed(reader, patterns, imported)
    states = dict(zip((resource.key for resource in resources), answers, strict=True))
    if state.cluster is not None:
        states |= cluster_states(state.cluster, goals)
    return states | garbage.states(state.footprint, unneeded), imports


def _still_needed(state: NodeState, want: Uninstall) -> Iterator[Problem]:
    """Find what still needs that which is to be removed."""
    running, stopped = sum(state.footprint.processes.values()), state.footprint.bundles
    said = [f"{running} running processes"] if running else []
    said += [f"containers that name {stopped[0]}"] if stopped else []
    if said:
        yield Problem(
            f"still needed: {' and '.join(said)}",
            "none of it is a pod that can be evicted: see what it is with ctr -n k8s.io containers ls, "
            "and what proofs have left with ctr -n nodeprov containers ls"
            if want.drain
            else f"delete their pods, or: nodeprov uninstall {state.node.name} --drain",
        )


def _refuse(state: NodeState, problems: Sequence[Problem]) -> None:
    if problems:
        raise Problems(problems, where=state.node.name)
