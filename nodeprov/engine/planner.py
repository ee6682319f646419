"""What would be done to bring a node to what is wanted: goals, changes, steps in order. Nothing is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodeprov.engine import leftovers, notes
from nodeprov.engine.look import Install, Uninstall, Want, check
from nodeprov.errors import Problem, Problems
from nodeprov.hosts.base import Place, Readers
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes.admission import Admission, AdmissionQuery
from nodeprov.kubernetes.draining import (
    NodePod,
    drain_problems,
    losses,
    node_pods,
    read_leaving,
    sandboxed,
)
from nodeprov.kubernetes.images import proof_image
from nodeprov.kubernetes.scheduling import NodeLabel, NodeTaint, cluster_goals, cluster_states, removal_goals
from nodeprov.node import loaded_config, runtime_table
from nodeprov.node.daemon import Daemon
from nodeprov.node.imported_files import Imports, ImportsQuery, followed, import_problems, patterns_of
from nodeprov.node.pending_changes import pending_problems
from nodeprov.node.requirements import forgotten_places
from nodeprov.node.state import NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import Link, Tree
from nodeprov.plan.goal import Change, Goal, decide
from nodeprov.plan.plan import Plan
from nodeprov.plan.steps import (
    Adopt,
    Drain,
    Handler,
    Made,
    Pod,
    Proof,
    Restart,
    Sandbox,
    Serving,
    Step,
    Swap,
    Unused,
    parts,
)
from nodeprov.runtimes.family import Family, tree_bytes
from nodeprov.runtimes.family import goals as runtime_goals
from nodeprov.states import State


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the state that it was made from, and what it is for."""

    state: NodeState
    want: Want
    plan: Plan
    imported: tuple[str, ...] = ()
    """What containerd's configuration imports, as paths and globs."""

    @property
    def node(self) -> Node:
        """The node."""
        return self.state.node

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.state.settings


def plan(state: NodeState, want: Want, readers: Readers) -> Planned:
    """Find what has to be changed for what is wanted; of an install the release must be there.

    Raises Problems with the reasons not to begin: those of `check`, and what only further questions show.
    """
    found = check(state, want)
    if isinstance(want, Uninstall):
        _refuse(state, found)
    goals = wanted(state, want)
    if isinstance(want, Uninstall):
        return Planned(state, want, _uninstall(state, want, goals, readers))
    made, imports = _install(state, want, goals, readers, found)
    return Planned(state, want, made, imports.patterns)


def wanted(state: NodeState, want: Want) -> tuple[Goal, ...]:
    """Decide what is wanted: of the runtime, of what earlier settings made elsewhere, and in the cluster.

    Pods come only after the runtime is there, and before it goes they do.
    """
    runtime = tuple(runtime_goals(state, want.family, want.release))
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
    assert release is not None, "a release is obtained before its install is planned"
    runtime, generation = family.runtime(state.layout), family.generation(state, release).folder
    unneeded = leftovers.after_install(state, wanted=generation, release=release)
    states, imports = _read(state, goals, unneeded, readers)
    _refuse(state, (*found, *import_problems(state.daemon, runtime, imports)))
    changes = decide((*goals, *unneeded), states)
    steps = _install_steps(state, family, changes, imports, generation=generation)
    steps = _drained(state, steps, readers)
    _refuse(state, tuple(_of_restart(state, steps, imports, readers)))
    admission = _of_admission(state, steps, readers)
    _refuse(state, admission[0])
    without = runtime_table.without_runtime(runtime, how=runtime_table.how_edited(state.daemon))
    adopted = leftovers.unknown(goals, states, state.history.written, without)
    if adopted and (steps or not state.history.installed):
        steps = (Adopt(adopted), *steps)
    # Each sandbox has a shim of its own.
    warnings = (
        *family.inspection.machine_warnings(state.machine),
        *forgotten_places(state.machine, state.settings, state.daemon),
        *admission[1],
    )
    old = state.footprint.processes_elsewhere(family.shim, state.layout.releases, release.name)
    upload_bytes = sum(tree_bytes(release) for change in changes if isinstance(change.resource, Tree))
    said = notes.of_install(state, runtime, steps, old, warnings)
    return Plan(state.node.name, Install.action, steps, said, upload_bytes), imports


def _drained(state: NodeState, steps: tuple[Step, ...], readers: Readers) -> tuple[Step, ...]:
    """Have the node drained before its restart, if there is one, and the settings ask for it."""
    at = next((number for number, step in enumerate(steps) if isinstance(step, Swap)), None)
    if at is None or state.cluster is None or not state.settings.rollout.drain:
        return steps
    leaving = read_leaving(readers[Place.CLUSTER], state.settings, state.node.name)
    _refuse(state, leaving.problems)
    return (*steps[:at], Drain(leaving.pods, leaving.losses, whole=True), *steps[at:])


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
    states, imports = _read(state, goals, unneeded, readers)
    changes = decide((*goals, *unneeded), states)
    pods = _pods_to_evict(state, want, readers) if want.drain and state.cluster else ()
    if not pods and any(not change.collects for change in changes):
        _refuse(state, tuple(_still_needed(state, want)))
    is_there = changes or state.history.installed
    steps = _uninstall_steps(state, want.family, changes, imports, pods) if is_there else ()
    _refuse(state, tuple(_of_restart(state, steps, imports, readers)))
    return Plan(name, Uninstall.action, steps, notes.of_uninstall(state))


def _pods_to_evict(state: NodeState, want: Uninstall, readers: Readers) -> tuple[NodePod, ...]:
    """Find the pods that run with our handler, by their RuntimeClass and by what the node knows of them."""
    on_node = node_pods(readers[Place.CLUSTER], state.settings, state.node.name)
    pods = sandboxed(on_node, state.footprint.pods_needing(state.layout))
    _refuse(state, tuple(drain_problems(pods, want.allowed, state.node.name)))
    return pods


def _of_restart(state: NodeState, steps: Sequence[Step], imports: Imports, readers: Readers) -> Iterator[Problem]:
    """Find what blocks an edit of the configuration, and the restart, among that which others have left for it."""
    pending = [text for step in steps if isinstance(step, Swap) for text in step.restart.activates]
    edits = any(isinstance(part, Change) and isinstance(part.resource, ContainerdConfig) for part in parts(steps))
    machine = state.machine if edits else None
    return pending_problems(readers[Place.NODE], machine, state.daemon, state.settings, pending, imports.files)


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
    return states | leftovers.known_states(state.footprint, unneeded), imports


def _still_needed(state: NodeState, want: Uninstall) -> Iterator[Problem]:
    """Find what still needs that which is to be removed."""
    needed = state.footprint.needed(state.layout)
    if needed:
        yield Problem(
            f"still in use by {state.footprint.by_whom(needed)}",
            "none of it is a pod that can be evicted: see what it is with ctr -n k8s.io containers ls, "
            "and what proofs have left with ctr -n nodeprov containers ls"
            if want.drain
            else f"delete their pods, or: nodeprov uninstall {state.node.name} --drain",
        )


def _refuse(state: NodeState, problems: Sequence[Problem]) -> None:
    if problems:
        raise Problems(problems, where=state.node.name)


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
    swapped = [c for c in visible if c.resource.swapped]
    steps += [c for c in visible if c not in swapped]
    sandbox = Sandbox("a sandbox runs through `current`", state.layout.current)
    proofs: list[Proof] = []
    if settings.cluster.enabled:
        proofs.append(Handler())
        if settings.proof.pod:
            proofs.append(Pod(f"a pod of RuntimeClass {settings.runtime_class.name} {family.pod_proof}"))
    steps += _in_force(daemon, swapped, restart, handler=runtime.handler, meanwhile=(sandbox, *proofs))
    if visible or restart:
        steps.append(sandbox)
    taints = [c for c in in_cluster if isinstance(c.resource, NodeTaint)]
    steps += [c for c in in_cluster if c not in taints]
    return (*steps, *proofs, *taints, *garbage)


def _in_force(
    daemon: Daemon,
    swapped: Sequence[Change],
    restart: Restart | None,
    *,
    handler: str,
    meanwhile: tuple[Proof, ...] = (),
) -> tuple[Step, ...]:
    """Have the node itself make changes and the restart that they need; without one they are plain writes.

    Where a distribution makes the configuration of what was edited, it is seen to have done so: with the table of
    `handler`, or without ours if that is "".
    """
    if restart is None:
        return tuple(swapped)
    swap = Swap(tuple(swapped), restart, Serving(), meanwhile)
    if daemon.source is None:
        return (swap,)
    how = f"{'with' if handler else 'without'} our table"
    return (swap, Made(f"{daemon.distribution.title} has made {daemon.config_path} {how}", handler))


def _uninstall_steps(
    state: NodeState, family: Family, changes: tuple[Change, ...], imports: Imports, pods: tuple[NodePod, ...]
) -> tuple[Step, ...]:
    """Put an uninstall in order: pods and label first, so that nothing new begins; then what was installed."""
    daemon, record = state.daemon, state.footprint.record
    in_cluster = [change for change in changes if change.resource.place is Place.CLUSTER]
    config = [change for change in changes if isinstance(change.resource, ContainerdConfig)]
    garbage = [change for change in changes if change.collects]
    links = [change for change in changes if isinstance(change.resource, Link) and change not in garbage]
    runtime = family.runtime(state.layout)
    restart = loaded_config.restart(daemon, record, runtime, tuple(config), imports.files, served=False)
    steps: list[Step] = [Drain(tuple(pod.name for pod in pods), losses(pods))] if pods else []
    # Twice: a pod may begin until the label is gone.
    steps += [Unused(), *in_cluster, *([Unused()] if in_cluster else [])]
    steps += _in_force(daemon, config, restart, handler="")
    return (*steps, *links, *garbage)
