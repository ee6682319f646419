"""One run against one node: doing what was planned, under a lock and a receipt."""

import json
import posixpath
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from nodeprov.engine.actions import NodeActions
from nodeprov.engine.apply import apply as apply_steps
from nodeprov.engine.context import RunContext
from nodeprov.engine.lock import Lock
from nodeprov.engine.planner import Planned
from nodeprov.errors import Busy, NodeprovError
from nodeprov.hosts.base import Host, Hosts, Place, check, rendered
from nodeprov.inventory import Settings
from nodeprov.kubernetes import images
from nodeprov.node import receipts
from nodeprov.node.facts import OfRuns, OfRunsQuery
from nodeprov.node.receipts import History, Receipt
from nodeprov.node.state import NodeState
from nodeprov.node.switch import Switch
from nodeprov.node.uptime import UptimeQuery
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Action, Outcome, action_named
from nodeprov.plan.steps import Drain, Handler, Pod, Sandbox
from nodeprov.runtimes.family import CLEANUP_SECONDS
from nodeprov.states import FileState


def apply(planned: Planned, hosts: Hosts, run: RunContext) -> Outcome:
    """Carry out a plan, under the node's lock, with a receipt before the first change and after the last.

    Raises NodeprovError, with the holder's name, when another run holds the node.
    """
    plan, state, host = planned.plan, planned.state, hosts[Place.NODE]
    if not plan.pending and not planned.interrupted:
        return Outcome(plan)
    holder = f"{run.author.user}@{run.author.controller} since {run.clock()}"
    hosts = of_action(hosts, plan.action)
    with Lock(host, planned.settings.paths.state, holder), _uploading(host, plan.node, run):
        began = host.ask([UptimeQuery()])[0] if plan.action.is_timed else 0.0
        for seen in planned.as_read:
            _insist_on_the_same_traces(seen, host)
        records = _begin(planned, run)
        switch = Switch(host, state.daemon, state.settings, records[0].begun.name)
        if planned.interrupted or plan.action.sweeps_first:
            switch.settle()
            for seen in planned.as_read:
                _sweep(host, seen, plan.action)
            images.remove_all(host, state.machine.architecture, state.daemon, state.settings)
        for record in records:
            if record.is_pending:
                _write_receipt(host, planned.settings, record.begun)
        cordoned = any(record.broken is not None and record.broken.cordons for record in records)
        actions = NodeActions(planned, hosts, switch, run.cancel, cordoned=cordoned)
        if plan.action.sweeps_first:
            actions.forget_proofs()
        with closing(actions):
            outcome = actions.uncordoned(apply_steps(plan, hosts, actions, run))
        hit = actions.bystanders
        outcome = replace(outcome, notes=(*outcome.notes, *hit), hit=hit)
        for record in records:
            outcome = _close(outcome, record, host, planned.settings, run.clock())
        return _timed(outcome, host, began) if plan.action.is_timed else outcome


@dataclass(frozen=True, slots=True)
class Record:
    """The receipt of a run for one of its handlers, and that of an earlier run which has not ended."""

    begun: Receipt
    broken: Receipt | None
    is_pending: bool
    """Whether the run has anything to do for the handler: else it leaves no receipt."""


def of_action(hosts: Hosts, action: Action) -> Hosts:
    """Return the hosts that an action uses: what uses no cluster is not kept from a node by one that is away."""
    return hosts if action.uses_cluster else {Place.NODE: hosts[Place.NODE]}


def _timed(outcome: Outcome, host: Host, began: float) -> Outcome:
    """Add how long the node took, if it still answers."""
    try:
        return replace(outcome, node_seconds=host.ask([UptimeQuery()])[0] - began)
    except NodeprovError:
        return outcome


def prove_again(planned: Planned, hosts: Hosts, run: RunContext) -> None:
    """See that what a run has proven still holds: containerd serves, a sandbox runs, and a pod.

    Raises NodeprovError if it does not.
    """
    state, host = planned.state, hosts[Place.NODE]
    switch = Switch(host, state.daemon, state.settings, "")
    hosts = of_action(hosts, planned.plan.action)
    actions = NodeActions(planned, hosts, switch, run.cancel, cordoned=False)
    actions.still_serving()
    for part in planned.plan.parts:
        if isinstance(part, Sandbox | Handler | Pod):
            run.cancel.check()
            part.see(actions)


@contextmanager
def _uploading(host: Host, node: str, run: RunContext) -> Iterator[None]:
    """Report uploads, and have a cancellation end them too, between two chunks."""

    def progress(what: str, done: int, total: int) -> None:
        run.cancel.check()
        run.on_upload(node, what, done, total)

    host.watch_uploads(progress)
    try:
        yield
    finally:
        host.watch_uploads(None)


def _insist_on_the_same_traces(state: NodeState, host: Host) -> None:
    """See that no other run has worked on the node between our plan and our lock."""
    now: OfRuns = host.ask([OfRunsQuery(state.settings, state.layout)])[0]
    handler, machine_id = state.history.handler, state.machine.machine_id
    history = History.read(now.receipts, machine_id=machine_id, handler=handler, node=state.node.name)
    footprint = state.footprint
    then = state.history, footprint.links, footprint.generations, footprint.switched
    if (history, now.links, now.generations, now.switched) != then:
        raise Busy(
            "another run has worked on this node since the plan was made",
            f"plan again: nodeprov plan {state.node.name}",
            where=host.name,
        )


def _sweep(host: Host, state: NodeState, action: Action) -> None:
    """Remove what an interrupted run was in the middle of writing, which may hold secrets, and killed proofs.

    What the pods of a cluster's runs have brought goes too where all is to go.
    """
    paths, daemon = state.settings.paths, state.daemon
    drop_in = daemon.drop_in_path(state.settings.runtime.handler)
    files = [daemon.edited_path, daemon.config_path, *([drop_in] if drop_in else [])]
    folders = [*dict.fromkeys(map(posixpath.dirname, files)), paths.bin, paths.state, f"{paths.state}/receipts"]
    script = rendered(
        "node/sweep.sh.j2",
        folders=[each for each in folders if each],
        prefixes=state.footprint.prefixes,
        brought=action.ends_installation,
        state=paths.state,
        ctr=daemon.ctr,
        socket=daemon.socket,
        cleanup_seconds=CLEANUP_SECONDS,
    )
    output = host.run(script, timeout_seconds=12 * CLEANUP_SECONDS)
    check(output, "what an interrupted run has left cannot be removed", where=host.name)


def _close(outcome: Outcome, record: Record, host: Host, settings: Settings, now: str) -> Outcome:
    """Write how the run ended; a run that left something stays open, and the next one takes it up."""
    begun, broken = record.begun, record.broken
    if outcome.left:
        return outcome
    state = receipts.DONE if outcome.error is None else receipts.UNDONE
    try:
        if record.is_pending:
            _write_receipt(host, settings, begun.closed(state, now, _kept(outcome)))
        ended = _end_of_broken(record, outcome.plan.action) if outcome.error is None else receipts.BEGUN
        if broken is not None and ended != receipts.BEGUN:
            _write_receipt(host, settings, broken.closed(ended, now))
        elif broken is not None and broken.cordons:
            # The node is uncordoned by now: who cordons it from here on does not mean us.
            _write_receipt(host, settings, replace(broken, cordons=False))
    except NodeprovError as error:
        return replace(
            outcome, error=outcome.error or error, left=(f"the receipt could not be closed: {error.message}",)
        )
    return outcome


def _end_of_broken(record: Record, action: Action) -> str:
    """Say how an interrupted run has ended, now that this one has ended well.

    What another action had begun was never finished: that run's receipt no longer counts, unless this run makes
    all true that it meant, or has changed something on top of it. What it had found before it would be forgotten.
    """
    broken = action_named(record.broken.action) if record.broken else None
    if broken is not None and broken.installs and action.is_beside:
        return receipts.BEGUN
    is_finished = broken == action or (broken is not None and broken.installs and action.installs)
    return receipts.DONE if is_finished or (action.builds_on_broken and record.is_pending) else receipts.UNDONE


def _kept(outcome: Outcome) -> frozenset[str]:
    """Name what was to be removed, and stays because something needs it."""
    removed = {change.resource.key for change in outcome.plan.changes if change.collects}
    done = {step.resource.key for step in outcome.done if isinstance(step, Change)}
    return frozenset(removed - done)


def _begin(planned: Planned, run: RunContext) -> tuple[Record, ...]:
    """Make the receipts of a run, those that are written first before the others."""
    cordons = _cordons(planned)
    records = [_record(each, run, cordons=cordons) for each in planned.views]
    return tuple(sorted(records, key=lambda record: not record.is_pending))


def _record(planned: Planned, run: RunContext, *, cordons: bool) -> Record:
    state, broken = planned.state, planned.state.history.interrupted
    begun = Receipt(
        number=state.history.next_number,
        action=planned.plan.action.name,
        handler=state.settings.runtime.handler,
        machine_id=state.machine.machine_id,
        author=run.author,
        began=run.clock(),
        release=planned.release,
        changes=state.history.intent((*planned.plan.changes, *planned.plan.adopted)),
        adopted=tuple(change.resource.key for change in planned.plan.adopted),
        sha512=dict(planned.sha512),
        cordons=(broken is not None and broken.cordons) or cordons,
    )
    return Record(begun, broken, planned.plan.pending)


def _cordons(planned: Planned) -> bool:
    drains, cluster = any(isinstance(step, Drain) for step in planned.plan.steps), planned.state.cluster
    return drains and cluster is not None and not cluster.is_cordoned


def _write_receipt(host: Host, settings: Settings, written: Receipt) -> None:
    content = json.dumps(receipts.to_json(written), indent=1).encode()
    host.write_file(f"{settings.paths.state}/receipts/{written.name}", FileState(content, 0o600))
