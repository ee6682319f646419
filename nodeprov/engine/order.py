"""From changes to steps: their order, the barrier of a restart, and the proofs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nodeprov.containerd import Runtime
from nodeprov.hosts.base import Place
from nodeprov.node import loaded_config
from nodeprov.node.daemon import Daemon
from nodeprov.node.imported_files import Imported
from nodeprov.node.state import NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import Link
from nodeprov.plan.goal import Change
from nodeprov.plan.proof import Handler, Made, Pod, Proof, Sandbox, Serving, Unused
from nodeprov.plan.steps import Drain, Restart, Step, Swap
from nodeprov.runtimes.family import Family


def install_steps(
    state: NodeState,
    family: Family,
    changes: tuple[Change, ...],
    imported: Mapping[str, Imported],
    *,
    generation: str,
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
    restart = loaded_config.restart(daemon, record, runtime, changes, imported, served=True)
    if len(changes) == len(garbage) and restart is None:
        return ()
    steps: list[Step] = [*invisible]
    if invisible or visible:
        steps.append(Sandbox("a sandbox runs through the new generation", generation))
    swapped = [c for c in visible if c.resource.swapped]
    steps += [c for c in visible if c not in swapped]
    steps += _in_force(swapped, restart, _made(daemon, handler=runtime.handler))
    if visible or restart:
        steps.append(Sandbox("a sandbox runs through `current`", state.layout.current))
    steps += in_cluster
    if settings.cluster.enabled:
        steps.append(Handler())
        if settings.proof.pod:
            steps.append(Pod(f"a pod of RuntimeClass {settings.runtime_class.name} {family.pod_proof}"))
    return (*steps, *garbage)


def _in_force(swapped: Sequence[Change], restart: Restart | None, made: Sequence[Proof]) -> tuple[Step, ...]:
    """Have the node itself make changes and the restart that they need; without one they are plain writes."""
    return (Swap(tuple(swapped), restart, Serving()), *made) if restart else tuple(swapped)


def _made(daemon: Daemon, *, handler: str) -> tuple[Proof, ...]:
    """See that a distribution has made the configuration of what was edited; no `handler`: without our table."""
    if daemon.source is None:
        return ()
    how = f"{'with' if handler else 'without'} our table"
    return (Made(f"{daemon.distribution.title} has made {daemon.config_path} {how}", handler),)


def uninstall_steps(
    state: NodeState,
    changes: tuple[Change, ...],
    pods: tuple[str, ...],
    imported: Mapping[str, Imported],
    *,
    runtime: Runtime,
) -> tuple[Step, ...]:
    """Put an uninstall in order: pods and label first, so that nothing new begins; then what was installed."""
    daemon, record = state.daemon, state.footprint.record
    in_cluster = [change for change in changes if change.resource.place is Place.CLUSTER]
    config = [change for change in changes if isinstance(change.resource, ContainerdConfig)]
    garbage = [change for change in changes if change.collects]
    links = [change for change in changes if isinstance(change.resource, Link) and change not in garbage]
    restart = loaded_config.restart(daemon, record, runtime, tuple(config), imported, served=False)
    steps: list[Step] = [Drain(pods)] if pods else []
    # Twice: a pod may begin until the label is gone.
    steps += [Unused(), *in_cluster, *([Unused()] if in_cluster else [])]
    steps += _in_force(config, restart, _made(daemon, handler=""))
    return (*steps, *links, *garbage)
