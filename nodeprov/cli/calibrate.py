"""`nodeprov calibrate`: what a node's sandboxes cost, and what the RuntimeClass is to reserve for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, cancelled_by_signals
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from nodeprov.cli.reaching import Reached
    from nodeprov.engine.fleet import Fleet, Results
    from nodeprov.engine.planner import Planned
    from nodeprov.inventory import Inventory, Node
    from nodeprov.workloads.calibration import Calibration

_MOST_CONTAINERS = 50


@options.command(
    "nodeprov calibrate worker1",
    "nodeprov calibrate worker1 --containers 5 --apply",
    codes="0: measured, 1: not measured, not confirmed or not applied, 4: left between two states",
)
def calibrate(
    *,
    node: Annotated[str, typer.Argument(metavar="NODE", help="One node.", autocompletion=options.node_names)],
    handler: options.Handler = None,
    containers: Annotated[
        int,
        typer.Option(
            "--containers",
            metavar="N",
            min=1,
            max=_MOST_CONTAINERS,
            help="Propose what is enough for pods of up to N containers: the class has one overhead for all.",
        ),
    ] = 3,
    request: Annotated[
        str,
        typer.Option(
            "--request", metavar="AMOUNT", help="Memory that a pod asks for, to say how many of them fit."
        ),
    ] = "128Mi",
    is_applied: Annotated[
        bool,
        typer.Option(
            "--apply", help="Change the RuntimeClass to what is proposed. Pods that run keep what they have."
        ),
    ] = False,
    yes: options.Yes = False,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Measure what the sandbox adds to pods, and propose the RuntimeClass's overhead.

    The same pods of nodeprov's own program run with the sandbox and without it, up to four at a
    time, for some three minutes: of one to five containers, with processes, threads, mounts and
    connections. They are in a namespace of their own, which is removed at the end, also after
    Ctrl-C. While the node does much else the result means less.
    """
    if is_applied and shown.as_json:
        raise UsageError("--apply and --json are two things", "measure with --json, or apply what is shown")
    if is_applied and not yes and not sys.stdin.isatty():  # before minutes of measuring
        raise UsageError("no terminal to confirm on", "add --yes to --apply")
    from nodeprov.cli.inventory import load
    from nodeprov.cli.reaching import reach
    from nodeprov.cli.session import carry_out, end_if_left
    from nodeprov.engine import Install
    from nodeprov.kubernetes.trials.calibrating import proposal as proposed
    from nodeprov.runtimes import FAMILY
    from nodeprov.workloads import calibration_report as report

    size, whole, want = _bytes(request), load(access.inventory, access.sets), Install(FAMILY)
    view, other = _view(whole, node, handler)
    with reach(whole, [view], ask_sudo_password=access.ask_sudo_password) as reached:
        if is_applied:  # what would refuse it does so before that, too
            _insist_on_nothing_else(_fleet(whole, access.sets, reached, view).plan(want))
        measured = _measured(reached, view)
        proposal = proposed(measured.found, measured.runtime_class, measured.node, containers, size)
        overhead = _overhead(view, proposal.quantity)
        setting = f"{_table(other)}.overhead={overhead}"
        if shown.as_json:
            value = {**report.as_json(measured.found, proposal), "setting": setting}
            show_json({"calibration": value}, measured.left)
        else:
            show_text(report.text(measured.found, proposal))
        end_if_left(measured.left)
        if shown.as_json:
            raise typer.Exit(DONE)
        say(f"in the inventory, or the next install sets it back: [{_table(other)}] overhead = {overhead}")
        if is_applied:
            fleet = _fleet(whole, [*(access.sets or ()), setting], reached, view)
            _insist_on_nothing_else(fleet.plan(want))
            carry_out(fleet, want, skip=groups.Skip.NONE, yes=yes, as_json=False)
    raise typer.Exit(DONE)


def _table(handler: str) -> str:
    """Name the table of the inventory; `handler`, which is a DNS label, is "" for that of [runtime]."""
    return f"handlers.{handler}.runtime_class" if handler else "runtime_class"


def _overhead(view: Node, memory: str) -> str:
    """Write the whole overhead: a table that is set takes the place of the default, with all that it has."""
    resources = {**view.settings.runtime_class.overhead, "memory": memory}
    written = ", ".join(f"{json.dumps(name)} = {json.dumps(amount)}" for name, amount in resources.items())
    return f"{{ {written} }}"


def _bytes(request: str) -> int:
    from nodeprov.kubernetes.quantities import parse_quantity

    try:
        size = int(parse_quantity(request))
    except (ValueError, ArithmeticError):
        size = 0
    if size <= 0:
        raise UsageError(f"{request!r} is not an amount of memory", "--request 128Mi", where="--request")
    return size


def _view(whole: Inventory, name: str, handler: str | None) -> tuple[Node, str]:
    """Return the node as one of its handlers sees it, and that handler's name if it is not that of [runtime]."""
    from nodeprov.inventory import select

    chosen = select(whole, [name])
    if len(chosen) > 1:
        raise UsageError(f"{name} is {len(chosen)} nodes", "name one: each node is measured by itself")
    main = chosen[0].settings.runtime.handler
    view = chosen[0].only(handler or main)
    if view.canary_of:
        raise UsageError(f"{handler} is a canary: it has the overhead of {view.canary_of}", "leave --handler out")
    return view, "" if view.settings.runtime.handler == main else view.settings.runtime.handler


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured, the RuntimeClass and the node as the cluster has them, and what could not be removed."""

    found: Calibration
    runtime_class: Mapping[str, Any]
    node: Mapping[str, Any]
    left: Sequence[NodeprovError]


def _measured(reached: Reached, view: Node) -> _Measured:
    """Measure; raise NodeprovError where nothing is installed, or pods do not run."""
    from nodeprov.diagnosis.verify import subject
    from nodeprov.hosts.base import Place
    from nodeprov.kubernetes import images
    from nodeprov.kubernetes.trials.calibrating import Calibrator
    from nodeprov.runtimes import FAMILY

    looked = subject.look(view, reached.hosts.of(view), FAMILY)
    state, cluster = looked.state, looked.state.cluster
    if cluster is None:
        hint = f"set [cluster] enabled = true: nodeprov inventory {view.name}"
        raise NodeprovError("without a cluster no pods can be made", hint, where=view.name)
    if not looked.release or cluster.runtime_class is None or cluster.node is None:
        hint = f"nodeprov install {view.name}"
        raise NodeprovError(f"{looked.layout.handler} is not installed", hint, where=view.name)
    host, settings, left = looked.hosts[Place.NODE], state.settings, list[NodeprovError]()
    with (
        cancelled_by_signals(lambda _cancel: say("interrupted: removing the pods")) as cancel,
        images.available(host, state.machine.architecture, state.daemon, settings) as image,
    ):
        kubectl = looked.hosts[Place.CLUSTER]
        calibrator = Calibrator(host, kubectl, settings, view.name, image, cancel.wait, say, left.append)
        return _Measured(calibrator.measure(), cluster.runtime_class, cluster.node, left)


def _fleet(whole: Inventory, sets: Sequence[str] | None, reached: Reached, view: Node) -> Fleet:
    """Return the node by other settings, reached in the same way: no password is asked for again."""
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import with_lock
    from nodeprov.cli.session import fleet_of
    from nodeprov.inventory import select

    changed, locked = with_lock(load(Path(whole.path), sets), None)
    (node,) = select(changed, [view.name])
    return fleet_of(replace(reached, nodes=[node.only(view.settings.runtime.handler)]), locked)


def _insist_on_nothing_else(plans: Results[Planned]) -> None:
    for error in plans.errors:
        raise error
    for each in plans.good:
        others = [change.resource.title for change in each.plan.changes if not _is_overhead(change.resource.key)]
        if others or each.plan.restart:
            raise NodeprovError(
                f"more than the overhead would change: {', '.join(others[:3]) or 'a restart'}",
                f"nodeprov install {each.plan.node} first, then calibrate again",
                where=each.plan.node,
            )


def _is_overhead(key: str) -> bool:
    return key.startswith("runtimeclass:")
