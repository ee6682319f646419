"""What would be done to bring a node to what is wanted: goals, changes, steps in order. Nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nodeprov.engine import generations, leftovers, notes, way_back
from nodeprov.engine.canary import with_canary
from nodeprov.engine.look import Gc, Install, Rollback, Uninstall, Want, check
from nodeprov.engine.planning import drained, read_states, refuse, restart_problems, swapped
from nodeprov.errors import Problem
from nodeprov.hosts.base import Place, Readers
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes.admission import Admission, AdmissionQuery
from nodeprov.kubernetes.draining import read_leaving_sandboxed
from nodeprov.kubernetes.images import proof_image
from nodeprov.kubernetes.scheduling import NodeLabel, NodeTaint, cluster_goals, removal_goals
from nodeprov.node import loaded_config, runtime_table
from nodeprov.node.imported_files import Imports, import_problems
from nodeprov.node.requirements import forgotten_places
from nodeprov.node.state import NodeState
from nodeprov.node.switch import steady_seconds
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import Link, Tree
from nodeprov.plan.goal import Change, Goal, decide
from nodeprov.plan.plan import Plan
from nodeprov.plan.steps import (
    Adopt,
    Drain,
    Handler,
    Pod,
    Proof,
    Sandbox,
    Step,
    Unused,
)
from nodeprov.runtimes import adoption
from nodeprov.runtimes.family import Family, canary_runtimes, tree_bytes
from nodeprov.runtimes.family import goals as runtime_goals


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the state that it was made from, and what it is for."""

    state: NodeState
    want: Want
    plan: Plan
    imported: tuple[str, ...] = ()
    """What containerd's configuration imports, as paths and globs."""
    release: str = ""
    """The release that it puts in force, by the name of its folder; "" where it puts none."""
    parts: tuple["Planned", ...] = ()
    """Of several handlers the plan of each, as if those before it were done."""
    looked: tuple[NodeState, ...] = ()
    """The states that these were made from, as they were read."""

    @property
    def views(self) -> tuple["Planned", ...]:
        """The plan of each handler; of one alone it is this one."""
        return self.parts or (self,)

    @property
    def as_read(self) -> tuple[NodeState, ...]:
        """The state of each handler as it was read."""
        return self.looked or (self.state,)

    @property
    def interrupted(self) -> bool:
        """Whether a run of one of its handlers ended without a message."""
        return any(each.history.interrupted is not None for each in self.as_read)

    @property
    def sha512(self) -> Mapping[str, str]:
        """The digests of what the release was unpacked from, as far as they are known."""
        if self.want.release is not None:
            return self.want.release.sha512
        return way_back.digests_of(self.state, self.release)

    @property
    def node(self) -> Node:
        """The node."""
        return self.state.node

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.state.settings

    @property
    def steady_seconds(self) -> int:
        """How long containerd is watched after a restart."""
        return steady_seconds(self.settings, self.state.daemon)


def plan(state: NodeState, want: Want, readers: Readers) -> Planned:
    """Find what has to be changed for what is wanted; of an install the release must be there.

    Raises Problems with the reasons not to begin: those of `check`, and what only further questions show.
    """
    return with_drain(undrained(state, want, readers), readers)


def with_drain(planned: Planned, readers: Readers) -> Planned:
    """Have pods leave before a restart, as the settings ask for it."""
    steps = drained(planned.state, planned.plan.steps, readers)
    return replace(planned, plan=replace(planned.plan, steps=steps))


def undrained(state: NodeState, want: Want, readers: Readers) -> Planned:
    """Find the same, but for the pods that have to leave before a restart."""
    found = check(state, want)
    if not isinstance(want, Install):
        refuse(state, found)
    match want:
        case Uninstall():
            return Planned(state, want, _uninstall(state, want, wanted(state, want), readers))
        case Rollback():
            its_state, its_plan, release = way_back.plan_rollback(state, want, readers)
            return Planned(its_state, want, its_plan, release=release)
        case Gc():
            return Planned(state, want, way_back.plan_gc(state, want, readers))
    assert want.release is not None, "a release is obtained before its install is planned"
    if state.settings.runtime.strict:
        digest = want.family.generation(state, want.release).digest
        state = replace(state, layout=state.layout.naming(digest))
    made, imports = _install(state, want, wanted(state, want), readers, found)
    return Planned(state, want, made, imports.patterns, want.release.name)


def wanted(state: NodeState, want: Install | Uninstall) -> tuple[Goal, ...]:
    """Decide what is wanted: of the runtime, of what earlier settings made elsewhere, and in the cluster.

    Pods come only after the runtime is there, and before it goes they do.
    """
    adopts = isinstance(want, Install) and want.adopts
    runtime = tuple(runtime_goals(state, want.family, want.release, adopts=adopts))
    former_links, former_labels = leftovers.link_goals(state), leftovers.label_goals(state)
    if state.cluster is None:
        return (*runtime, *former_links)
    if isinstance(want, Install):
        return (*runtime, *former_links, *cluster_goals(state.settings, state.node.name), *former_labels)
    removals = removal_goals(state.settings, state.node.name, state.cluster, state.history, want.leaving)
    in_cluster = [*removals, *former_labels]
    if state.unrecorded:  # it may have the label too
        in_cluster = [goal for goal in in_cluster if not isinstance(goal.resource, NodeLabel)]
    return (*in_cluster, *runtime, *former_links)


def _install(
    state: NodeState, want: Install, goals: tuple[Goal, ...], readers: Readers, found: Sequence[Problem]
) -> tuple[Plan, Imports]:
    family, release = want.family, want.release
    assert release is not None
    runtime, generation = family.runtime(state.layout), family.generation(state, release).folder
    unneeded = leftovers.after_install(state, wanted=generation, release=release)
    states, imports = read_states(state, goals, unneeded, readers)
    held = way_back.held_problems(state, generation)
    refuse(state, (*found, *held, *import_problems(state.daemon, runtime, imports)))
    changes = with_canary(state, family, decide((*goals, *unneeded), states), readers)
    steps = _install_steps(state, family, changes, imports, generation=generation)
    refuse(state, tuple(restart_problems(state, steps, imports, readers)))
    admission = _of_admission(state, steps, readers)
    refuse(state, admission[0])
    without = runtime_table.without_each(state.daemon, (runtime, *canary_runtimes(state, family)))
    adopted = leftovers.unknown(goals, states, state.history.written, without)
    if state.node.canary_of:  # its table is a part of what the main handler's receipts tell
        adopted = tuple(each for each in adopted if not each.resource.swapped)
    if adopted and (steps or not state.history.installed):
        steps = (Adopt(adopted), *steps)
    warnings = (
        *family.inspection.machine_warnings(state.machine),
        *forgotten_places(state.machine, state.settings, state.daemon),
        *admission[1],
    )
    upload_bytes = sum(tree_bytes(release) for change in changes if isinstance(change.resource, Tree))
    said = notes.of_install(state, family, runtime, steps, release, warnings)
    if want.adopts:
        said = (*said, *adoption.notes(state, family, readers[Place.NODE]))
    releases = (generations.release_in_force(state), release.name)
    return Plan(state.node.name, want.action, steps, said, upload_bytes, releases=releases), imports


def _of_admission(
    state: NodeState, steps: Sequence[Step], readers: Readers
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Ask the cluster, where a pod is to prove the node, what it would make of it: problems, and warnings."""
    if state.cluster is None or not any(isinstance(step, Pod) for step in steps):
        return (), ()
    image = proof_image(state.machine.architecture, state.settings)
    has_class = state.cluster.runtime_class is not None
    query = AdmissionQuery(state.settings, state.node.name, image, has_class)
    found: Admission = readers[Place.CLUSTER].ask([query])[0]
    return tuple(found.problems(state.settings, image)), tuple(found.warnings(image))


def _uninstall(state: NodeState, want: Uninstall, goals: tuple[Goal, ...], readers: Readers) -> Plan:
    name = state.node.name
    unneeded = leftovers.after_uninstall(state)
    states, imports = read_states(state, goals, unneeded, readers)
    changes = decide((*goals, *unneeded), states)
    drains = _of_pods(state, want, readers) if want.drain and state.cluster else ()
    if not drains and not want.despite_pods and any(not change.collects for change in changes):
        refuse(state, tuple(_still_needed(state, want)))
    is_there = changes or state.history.installed
    steps = _uninstall_steps(state, want.family, changes, imports, drains) if is_there else ()
    refuse(state, tuple(restart_problems(state, steps, imports, readers)))
    return Plan(name, Uninstall.action, steps, notes.of_uninstall(state))


def _of_pods(state: NodeState, want: Uninstall, readers: Readers) -> tuple[Step, ...]:
    """Have the pods leave that run with our handler, by their RuntimeClass and by what the node knows of them."""
    reader, running = readers[Place.CLUSTER], state.footprint.pods_needing(state.layout)
    again = state.history.typed(want.action, state.node.name, is_canary=bool(state.node.canary_of))
    leaving = read_leaving_sandboxed(reader, state.settings, state.node.name, running, want.allowed, again=again)
    if not want.despite_pods:
        refuse(state, leaving.problems)
    return (Drain(leaving.pods, leaving.losses),) if leaving.pods or leaving.awaited else ()


def _still_needed(state: NodeState, want: Uninstall) -> Iterator[Problem]:
    """Find what still needs that which is to be removed."""
    needed = state.footprint.needed(state.layout)
    again = state.history.typed(want.action, state.node.name, is_canary=bool(state.node.canary_of))
    if needed:
        yield Problem(
            f"still in use by {state.footprint.by_whom(needed)}",
            "none of it is a pod that can be evicted: see what it is with ctr -n k8s.io containers ls, "
            "and what proofs have left with ctr -n nodeprov containers ls"
            if want.drain
            else f"delete their pods, or: {again} --drain",
        )


def _install_steps(
    state: NodeState, family: Family, changes: tuple[Change, ...], imports: Imports, *, generation: str
) -> tuple[Step, ...]:
    """Put an install in order: what nobody sees, its proof, the commit, the restart, its proofs, the cluster.

    What nothing needs any more goes last; it alone is no reason for a run.
    """
    garbage = [c for c in changes if c.collects]
    invisible = [c for c in changes if c.resource.collected and c not in garbage]
    in_cluster = [c for c in changes if c.resource.place is Place.CLUSTER]
    visible = [c for c in changes if c not in (*garbage, *invisible, *in_cluster)]
    settings, daemon, record = state.settings, state.daemon, state.footprint.record
    runtime = family.runtime(state.layout)
    restart = loaded_config.restart(daemon, record, runtime, changes, imports.files, served=True)
    if len(changes) == len(garbage) and restart is None:
        return ()
    steps: list[Step] = [*invisible]
    if invisible or visible:
        steps.append(Sandbox("a sandbox runs through the new generation", generation))
    config = [c for c in visible if c.resource.swapped]
    steps += [c for c in visible if c not in config]
    sandbox = Sandbox("a sandbox runs through `current`", state.layout.current)
    proofs: list[Proof] = []
    if settings.cluster.enabled:
        proofs.append(Handler())
        if settings.proof.pod:
            proofs.append(Pod(f"a pod of RuntimeClass {settings.runtime_class.name} {family.pod_proof}"))
    steps += swapped(daemon, config, restart, handler=runtime.handler, meanwhile=(sandbox, *proofs))
    if visible or restart:
        steps.append(sandbox)
    taints = [c for c in in_cluster if isinstance(c.resource, NodeTaint)]
    steps += [c for c in in_cluster if c not in taints]
    return (*steps, *proofs, *taints, *garbage)


def _uninstall_steps(
    state: NodeState, family: Family, changes: tuple[Change, ...], imports: Imports, drains: tuple[Step, ...]
) -> tuple[Step, ...]:
    """Put an uninstall in order: pods and label first, so that nothing new begins; then what was installed."""
    daemon, record = state.daemon, state.footprint.record
    in_cluster = [change for change in changes if change.resource.place is Place.CLUSTER]
    config = [change for change in changes if isinstance(change.resource, ContainerdConfig)]
    garbage = [change for change in changes if change.collects]
    links = [change for change in changes if isinstance(change.resource, Link) and change not in garbage]
    runtime = family.runtime(state.layout)
    restart = (
        None  # its table stays declared
        if state.node.canary_of
        else loaded_config.restart(daemon, record, runtime, tuple(config), imports.files, served=False)
    )
    # Twice: a pod may begin until the label is gone.
    steps: list[Step] = [*drains, Unused(), *in_cluster, *([Unused()] if in_cluster else [])]
    steps += swapped(daemon, config, restart, handler="")
    return (*steps, *links, *garbage)
