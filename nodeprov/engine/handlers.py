"""Several handlers on one node, by one inventory: planned for one after the other, carried out as one run.

Design, and its names:

- `Node.handlers` has the settings of the handlers that an inventory names besides that of [runtime];
  `Node.views` is the node as each handler sees it, with its own settings and no others. All that knew one
  handler knows a view.
- Each view is looked at, checked and planned for by itself. `as_if_done` makes of a view's state what it will
  be when the plans of the views before it are done: the files, links, labels, the text of containerd's
  configuration, and their receipts. So a plan has what an install of one handler after the other would do, and
  who shares what is counted by receipts, as it always was.
- `together` makes one plan of them, in the order of one install: what nobody sees and its proofs, the links,
  one swap of the configuration with one restart, the proofs, the cluster, the garbage. Undo takes all of it
  back.
- `Planned.parts` are the plans of the views; each that has anything to do gets a receipt of its own.
  `Planned.looked` are the states as they were read.
- A proof's `subject` names the handler that it is about, where that is not the first one.
- The canary is a view like any other (`inventory.canary`): the handler of [runtime] with `-next` behind it, and
  so its RuntimeClass and its label. Its table is in containerd's configuration since the first install
  ([runtime] canary): `engine.canary` declares it in the edit that declares ours, and nothing is edited for it
  alone.
"""

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from nodeprov.engine.canary import all_beside
from nodeprov.engine.look import Want
from nodeprov.engine.planner import Planned, plan, undrained, with_drain
from nodeprov.errors import NodeprovError, Problems
from nodeprov.hosts.base import Place, Readers
from nodeprov.kubernetes.scheduling import NodeTaint
from nodeprov.node.daemon import Daemon
from nodeprov.node.receipts import DONE, Author, Receipt
from nodeprov.node.state import Footprint, NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import Folder, Link, Tree
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import HandlerPlan, Plan
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
)
from nodeprov.states import FileState, LinkState

NOBODY = Author("", "", "")


def plan_all(states: Sequence[NodeState], wants: Sequence[Want], readers: Readers) -> Planned:
    """Plan for all handlers of a node, whose states and wants are in the same order; raise what `plan` raises."""
    if len(states) == 1:
        found = plan(states[0], wants[0], readers)
        is_canary = bool(states[0].node.canary_of)
        return replace(found, plan=replace(found.plan, handlers=(_said(found),))) if is_canary else found
    parts: list[Planned] = []
    for state, want in zip(states, wants, strict=True):
        with of_handler(state.settings.runtime.handler):
            parts.append(undrained(as_if_done(state, parts), want, readers))
    return with_drain(together(states, parts), readers)


@contextmanager
def of_handler(name: str) -> Iterator[None]:
    """Name the handler in what is refused."""
    try:
        yield
    except Problems as error:
        said = [replace(each, message=f"{name}: {each.message}") for each in error.problems]
        raise Problems(said, where=error.where) from None
    except NodeprovError as error:
        raise NodeprovError(f"{name}: {error.message}", error.hint, where=error.where) from None


def as_if_done(state: NodeState, parts: Sequence[Planned]) -> NodeState:
    """Return the state of a handler as it will be when the plans of others on the node are done."""
    for part in parts:
        if not (part.plan.pending or part.interrupted):  # a run that finishes another one ends it too
            continue
        changes = part.plan.changes
        state = replace(
            state,
            daemon=_edited(state.daemon, changes),
            footprint=_after(state.footprint, changes, part),
            history=replace(state.history, on_disk=(*state.history.on_disk, _receipt(part))),
            assumed={**state.assumed, **{each.resource.key: each.after for each in changes}},
        )
    return state


def _receipt(part: Planned) -> Receipt:
    """Return the receipt that a plan will have left behind."""
    history, plan = part.state.history, part.plan
    return Receipt(
        number=history.next_number,
        action=plan.action.name,
        handler=history.handler,
        machine_id=history.machine_id,
        author=NOBODY,
        began="",
        release=part.release,
        changes=history.intent((*plan.changes, *plan.adopted)),
        state=DONE,
        adopted=tuple(each.resource.key for each in plan.adopted),
    )


def _edited(daemon: Daemon, changes: Sequence[Change]) -> Daemon:
    """Put in the text of containerd's configuration, or what it is made of, as it will be."""
    for each in changes:
        if each.resource.path == daemon.edited_path and isinstance(each.resource, ContainerdConfig):
            assert each.after is None or isinstance(each.after, FileState)
            if daemon.source is not None:
                daemon = replace(daemon, source=replace(daemon.source, state=each.after))
            else:
                daemon = replace(daemon, config=each.after)
    return daemon


def _after(footprint: Footprint, changes: Sequence[Change], part: Planned) -> Footprint:
    """Put in the links, generations and releases that there will be."""
    links, generations = dict(footprint.links), dict(footprint.generations)
    releases = list(footprint.releases)
    program = part.state.layout.program
    for each in changes:
        path = each.resource.path
        match each.resource, each.after:
            case Folder(), None:
                generations = {name: made for name, made in generations.items() if name != path}
                releases = [name for name in releases if name != path]
            case Tree(), after if after is not None and path not in releases:
                releases.append(path)
            case Link(), LinkState(target) if each.resource.collected and posixpath.basename(path) == program:
                generations[posixpath.dirname(path)] = posixpath.dirname(target)
            case Link(), _ if path in links:
                links[path] = each.after.target if isinstance(each.after, LinkState) else ""
    return replace(footprint, links=links, generations=generations, releases=tuple(releases))


def together(states: Sequence[NodeState], parts: Sequence[Planned]) -> Planned:
    """Make one plan of those of several handlers, in the order in which one of them would be carried out."""
    first = parts[0]
    placed = [each for number, part in enumerate(parts) for each in _ordered(part, is_first=number == 0)]
    ordered: list[tuple[int, Step]] = []
    for each in sorted(placed, key=lambda each: each[0]):
        if not (isinstance(each[1], Unused | Made) and each in ordered):  # seen once for all
            ordered.append(each)
    steps = _joined([step for _, step in ordered])
    notes = tuple(dict.fromkeys(note for part in parts for note in part.plan.notes))
    made = Plan(
        first.plan.node,
        first.plan.action,
        steps,
        notes,
        sum(part.plan.upload_bytes for part in parts),
        tuple(_said(part) for part in parts),
        first.plan.releases,
    )
    patterns = tuple(dict.fromkeys(each for part in parts for each in part.imported))
    return Planned(states[0], first.want, made, patterns, first.release, tuple(parts), tuple(states))


def _said(part: Planned) -> HandlerPlan:
    keys = tuple(each.resource.key for each in part.plan.changes)
    return HandlerPlan(part.state.layout.handler, part.release, keys, restarts=part.plan.restart is not None)


def _ordered(part: Planned, *, is_first: bool) -> Iterator[tuple[int, Step]]:
    """Give each step of a handler's plan its place among those of all, and name the handler in its proofs."""
    handler, serves, unused = part.state.layout.handler, part.plan.action.serves, 0
    for step in part.plan.steps:
        unused += isinstance(step, Unused)
        place = _place(step, part, after_cluster=unused > 1, serves=serves)
        yield place, step if is_first else _named(step, handler)


def _place(step: Step, part: Planned, *, after_cluster: bool, serves: bool) -> int:
    match step:
        case Adopt() | Drain():
            return 0
        case Unused():
            return 4 if after_cluster else 1
        case Swap() | Made():
            return 5
        case Sandbox(subject=subject):
            return 6 if subject == part.state.layout.current else 1
        case Change():
            return _place_of_change(step, serves=serves)
    return 8


def _place_of_change(change: Change, *, serves: bool) -> int:
    resource = change.resource
    if change.collects:
        return 10
    if resource.collected:
        return 1
    if resource.swapped:
        return 5
    if isinstance(resource, NodeTaint):
        return 9
    if resource.place is Place.CLUSTER:
        return 7 if serves else 3
    return 2 if serves else 6  # links: before containerd's table names them, and after it does not any more


def _named(step: Step, handler: str) -> Step:
    match step:
        case Handler() | Pod():
            return replace(step, title=f"{step.title} ({handler})", subject=handler)
        case Sandbox() | Made():
            return replace(step, title=f"{step.title} ({handler})")
        case Swap(meanwhile=meanwhile):
            named = tuple(_named(each, handler) for each in meanwhile)
            return replace(step, meanwhile=tuple(each for each in named if isinstance(each, Proof)))
    return step


def _joined(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Make one of what is done once: edits of one file, with one restart, and drains."""
    steps = _each_once(steps)
    swaps = [step for step in steps if isinstance(step, Swap)]
    edits = [step for step in steps if isinstance(step, Change) and step.resource.swapped]
    drains = [step for step in steps if isinstance(step, Drain)]
    config = _swapped(swaps, edits) if swaps else _merged(edits)
    drain = _drained(drains)
    found: list[Step] = []
    for step in steps:
        if step in drains:
            found += [drain] if step is drains[0] else []
        elif step in swaps or step in edits:
            found += config
            config = ()
        else:
            found.append(step)
    return tuple(found)


def _each_once(steps: Sequence[Step]) -> list[Step]:
    """Make one change of those of one resource, such as a link that is handed from one handler to the next."""
    first: dict[str, Change] = {}
    last: dict[str, int] = {}
    for number, step in enumerate(steps):
        if isinstance(step, Change) and not step.resource.swapped:
            first.setdefault(step.resource.key, step)
            last[step.resource.key] = number
    found: list[Step] = []
    for number, step in enumerate(steps):
        if not isinstance(step, Change) or step.resource.swapped:
            found.append(step)
        elif last[step.resource.key] == number and step.after != (before := first[step.resource.key].before):
            found.append(replace(step, before=before))
    return found


def _drained(drains: Sequence[Drain]) -> Drain:
    pods, losses = (
        tuple(dict.fromkeys(name for each in drains for name in getattr(each, what)))
        for what in ("pods", "losses")
    )
    return Drain(pods, losses)


def _swapped(swaps: Sequence[Swap], edits: Sequence[Change]) -> tuple[Step, ...]:
    """Make one swap of several: with all edits, in their order, and one restart for all its reasons."""
    changes = _merged([*(change for swap in swaps for change in swap.changes), *edits])
    restarts = [swap.restart for swap in swaps]
    # What each of them names is others': the table of one handler is nothing that others left for the other one.
    activates = [each for each in restarts[0].activates if all(each in other.activates for other in restarts)]
    reasons = tuple(dict.fromkeys(reason for each in restarts for reason in each.reasons))
    restart = Restart(restarts[0].unit, reasons, tuple(activates), restarts[0].loses)
    meanwhile = tuple(proof for swap in swaps for proof in swap.meanwhile)
    return (Swap(changes, restart, Serving(), meanwhile),)


def _merged(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Make one change of those of one file: each begins where the one before it ends."""
    found: dict[str, Change] = {}
    for change in changes:
        known = found.get(change.resource.key)
        if known is None:
            found[change.resource.key] = change
            continue
        resource, other = known.resource, change.resource
        assert isinstance(resource, ContainerdConfig)
        assert isinstance(other, ContainerdConfig)
        runtimes = tuple(each for each in other.runtimes if each not in resource.runtimes)
        resource = replace(resource, besides=(*resource.besides, *runtimes))
        found[resource.key] = replace(known, resource=resource, after=change.after)
    return all_beside([each for each in found.values() if each.before != each.after])
