"""What an operator should know of a plan besides its steps."""

from collections.abc import Iterator, Sequence

from nodeprov import containerd
from nodeprov.containerd import Runtime
from nodeprov.containerd.distributions.distribution import How, says_that_it_is_made
from nodeprov.containerd.distributions.profiles import PLAIN
from nodeprov.engine import generations, leftovers
from nodeprov.errors import Problem
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.runtime_class import cuts_off, leads_here
from nodeprov.kubernetes.scheduling import label_of
from nodeprov.node.daemon import Daemon, version_text
from nodeprov.node.layout import CURRENT
from nodeprov.node.receipts import History
from nodeprov.node.state import NodeState
from nodeprov.plan.files import Link
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Step, Swap
from nodeprov.releases.obtain import Release, kept_beside
from nodeprov.runtimes.family import Family


def of_install(
    state: NodeState,
    family: Family,
    runtime: Runtime,
    steps: Sequence[Step],
    release: Release,
    warnings: Sequence[Problem] = (),
) -> tuple[str, ...]:
    """Write the notes of an install of a release, which is on this machine."""
    return (
        *_subject(state),
        *_configuration(state.daemon, runtime),
        *_interruption(state.history),
        *_gone_back(state),
        *(_forward(state, steps) if steps else ()),
        *(_of_sandboxes(state, family, steps, release.name) if steps else ()),
        *_for_pods(state, family, release.name),
        *_for_programs(state, family, release),
        *(_consequences(state) if steps else ()),
        *(f"warning: {each.message}: {each.hint}" for each in warnings),
    )


def of_rollback(state: NodeState, family: Family, release: str, steps: Sequence[Step]) -> tuple[str, ...]:
    """Write the notes of a rollback to a release, by the name of its folder."""
    return (
        *_subject(state),
        *_interruption(state.history),
        f"back to {release}, from {generations.release_in_force(state) or 'what is not known'}; the release, the "
        "generation and its proof are on the node: no cache, network or cluster is needed",
        *_of_sandboxes(state, family, steps, release),
        *_for_pods(state, family, release),
        *_drains_nothing(state, steps),
    )


def of_stay(state: NodeState) -> tuple[str, ...]:
    """Write why a rollback has nothing to do."""
    name, left = state.node.name, generations.left_behind(state)
    yet = [each.said for each in generations.of_handler(state) if each.digest != generations.in_force(state)]
    there = f"; also on the node: {', '.join(yet)} (--to RELEASE)" if yet else ""
    since = next((f", since {each.by} went back to it at {each.began}" for each in left.values()), "")
    stays = f"{generations.release_in_force(state)} is in force{since}{there}"
    onward = (f"to go forward again: nodeprov install {name} --forward",) if left else ()
    return (*_interruption(state.history), stays, *onward)


def of_gc(state: NodeState) -> tuple[str, ...]:
    """Write what a gc keeps, and for whom."""
    return (*_interruption(state.history), *(each.said for each in leftovers.kept_in_gc(state)))


def _drains_nothing(state: NodeState, steps: Sequence[Step]) -> Iterator[str]:
    if state.settings.rollout.drain and any(isinstance(step, Swap) for step in steps):
        yield "a rollback evicts no pods, though [rollout] drain is set: it does not wait for the cluster"


def _forward(state: NodeState, steps: Sequence[Step]) -> Iterator[str]:
    """Say that a run goes forward again from where somebody went back to."""
    left, key = generations.left_behind(state), Link(state.layout.current).key
    if left and any(isinstance(step, Change) and step.resource.key == key for step in steps):
        last = next(iter(left.values()))
        yield f"this goes forward again from the rollback of {last.began} by {last.by}"


def _of_sandboxes(state: NodeState, family: Family, steps: Sequence[Step], release: str) -> Iterator[str]:
    """Explain what a change of the generation in force means for the sandboxes that run."""
    layout, key = state.layout, Link(state.layout.current).key
    changed = any(isinstance(step, Change) and step.resource.key == key and step.before for step in steps)
    if changed and not any(isinstance(step, Swap) for step in steps):
        yield "containerd is not restarted, and the node keeps its label: new sandboxes run it from the rename on"
    is_strict = layout.named != CURRENT
    running = state.footprint.sandboxes(family.shim, layout.releases)
    for each in (each for each in running if each.release != release):
        go_on = f"{each.said} of {each.release} {'goes' if each.count == 1 else 'go'} on with it"
        yield (
            f"{go_on}, and so does a container that restarts in one: [runtime] strict"
            if is_strict
            else f"{go_on}; a container that restarts in one is started by {release}, which may fail: "
            "delete such pods when convenient"
        )


def _for_pods(state: NodeState, family: Family, release: str) -> Iterator[str]:
    """Say what pods meet otherwise with another release than the one in force."""
    old, new = (name.partition("-")[0] for name in (generations.release_in_force(state), release))
    if old not in ("", new):
        flags, cgroup_version = state.settings.runtime.flags, state.machine.cgroup_version
        for each in family.pod_changes(old, new, flags, cgroup_version):
            yield f"in pods, from {old} to {new}: {each}"


def _for_programs(state: NodeState, family: Family, release: Release) -> Iterator[str]:
    """Say which system calls came and went, where the release in force is on this machine too."""
    in_force = generations.release_in_force(state)
    if in_force in ("", release.name) or (before := kept_beside(release, in_force)) is None:
        return
    for each in family.call_changes(before, release):
        yield f"in pods, from {before.version} to {release.version}: {each}"


def of_uninstall(state: NodeState) -> tuple[str, ...]:
    """Write the notes of an uninstall."""
    return (*_subject(state), *_interruption(state.history), *_shared(state), *_others_class(state))


def _shared(state: NodeState) -> Iterator[str]:
    """Say what stays because another handler on the node has it too."""
    label = label_of(state.settings, state.node.name)
    sharing = [each.handler for each in state.history.neighbours if each.held.get(label.key)]
    if state.cluster is not None and sharing:
        yield f"{label.title} stays: the handler {' and '.join(sharing)} on this node has it too"
    elif state.cluster is not None and state.unrecorded:
        yield (
            f"{label.title} stays: the handler {' and '.join(state.unrecorded)} is on this node, and no receipt "
            "shows whether it has that label too"
        )


def _subject(state: NodeState) -> Iterator[str]:
    """Name the machine and the cluster, so that an operator sees when it is the wrong one."""
    machine, daemon = state.machine, state.daemon
    parts = (
        machine.os or "an unknown system",
        machine.architecture,
        f"Linux {machine.kernel}",
        f"systemd {machine.systemd_version}",
        f"cgroup v{machine.cgroup_version}",
        f"containerd {version_text(daemon.version)}",
    )
    yield f"node: {', '.join(parts)}"
    yield from _choice(daemon)
    yield from _distribution(daemon)
    if state.cluster is not None:
        yield f"cluster: {state.cluster.server} (context {state.cluster.context})"
    for each in state.history.other_machines:
        yield (
            f"receipts on this disk were written on another machine (machine-id {each}): it was cloned or "
            "reimaged since; they are kept, and do not count"
        )
    for prefix in state.footprint.prefixes[1:]:
        yield f"was installed below {prefix} before"


def _choice(daemon: Daemon) -> Iterator[str]:
    """Name the containerd that is meant, and why, where there are several."""
    choice = daemon.choice
    if choice.chosen is not None and choice.passed_over:
        others = ", ".join(each.said for each in choice.passed_over)
        yield f"containerd: {choice.chosen.said}, for {choice.why}; left alone: {others}"


def _distribution(daemon: Daemon) -> Iterator[str]:
    """Name the distribution whose containerd it is, if any, and what its restart means for the node."""
    whose = daemon.distribution
    if whose == PLAIN:
        if said := says_that_it_is_made(daemon.file.text):
            yield (
                f"{daemon.config_path} says {said!r}: what makes it may take our table out again; have it declare "
                "the runtime, or install again after it"
            )
        return
    made = f"{daemon.edited_path} is edited {daemon.source.how.value}; " if daemon.source else ""
    yield f"distribution: {whose.title}: {made}{daemon.unit} makes {daemon.config_path} of it when it starts"
    if too := whose.restarts_too(daemon.unit, daemon.parents):
        yield (
            f"a restart of {daemon.unit} also restarts {', '.join(too)} on this node; pods go on, and nodes go "
            "one after the other"
        )
    yield from whose.notes


def _configuration(daemon: Daemon, runtime: Runtime) -> Iterator[str]:
    """Say what of the configuration means something else than it seems to, or is added besides our table."""
    for table in containerd.dead_tables_of_others(daemon.file, runtime, daemon.version_to_start):
        yield (
            f"{table} of {daemon.config_path} is dead: containerd {daemon.version_to_start} reads the runtimes of "
            "this file elsewhere; it is not nodeprov's, and stays"
        )
    is_template = daemon.source is not None and daemon.source.how is not How.IN_PLACE
    if not is_template and containerd.lacks_runc(daemon.file, daemon.version_to_start):
        yield (
            f"{daemon.config_path} declares no runtime: runc is declared too, as the default has it, for the "
            f"runtimes of a file take its place in containerd {daemon.version_to_start}"
        )


def _interruption(history: History) -> Iterator[str]:
    """Report what an earlier run has left."""
    broken = history.interrupted
    if broken is None:
        return
    yield (
        f"an earlier {broken.action} by {broken.by} began at {broken.began} and did not end; this run finishes "
        "what it left"
    )
    if broken.cordons:
        yield "it has cordoned the node, which is uncordoned at the end"


def _gone_back(state: NodeState) -> Iterator[str]:
    """Report that it was that run's change which the node has taken back."""
    broken, switched = state.history.interrupted, state.footprint.switched
    if broken is not None and switched and switched.restored and switched.run == broken.name:
        yield f"after it the node rolled back on its own: {switched.why}"


def _consequences(state: NodeState) -> Iterator[str]:
    """Explain what the steps of an install mean for others."""
    settings = state.settings
    people = state.layout.link_for_people
    if state.is_neighbours(target := state.footprint.links.get(people, "")):
        yield f"{people} stays as it is: it leads to {target}, which is another handler's"
    if settings.cluster.enabled and not settings.proof.pod:
        yield "no pod is run as a proof: [proof] pod is false"
    if state.cluster is None:
        return
    for name in leftovers.runtime_classes(state):
        yield (
            f"RuntimeClass {name}, which earlier settings had, is left: when no pod and no node needs it any "
            f"more, {kubectl(settings.cluster).typed('delete', 'runtimeclass', name)}"
        )
    if cuts_off(state.cluster, settings):
        yield (
            f"RuntimeClass {settings.runtime_class.name} leads to nodes with another label now: until nodeprov "
            "has installed on those too, they get no new sandboxed pods"
        )


def _others_class(state: NodeState) -> Iterator[str]:
    """Explain why the RuntimeClass is not removed, where it is other nodes'."""
    settings = state.settings
    if state.cluster is not None and not leads_here(state.cluster, settings):
        yield (
            f"RuntimeClass {settings.runtime_class.name} is left: its handler is not {settings.runtime.handler}, "
            f"or it leads to nodes without the label {settings.label.key}={settings.label.value}"
        )
