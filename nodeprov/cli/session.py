"""What the commands that touch nodes have in common: connecting, showing what is planned, and carrying it out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import output
from nodeprov.cli.inventory import load
from nodeprov.cli.locking import FoundLock
from nodeprov.cli.main import DONE, FAILED, PENDING, cancelled_by_signals
from nodeprov.cli.obtaining import releases_of
from nodeprov.cli.option_groups import Skip
from nodeprov.cli.output import print_error, say, show_outcomes, show_plans
from nodeprov.cli.reaching import Reached, reach
from nodeprov.cli.watching import NOTHING_MORE, Telling, tell_refused, watching
from nodeprov.engine import context
from nodeprov.engine.fleet import Fleet, Results
from nodeprov.engine.look import Want
from nodeprov.engine.planner import Planned
from nodeprov.engine.purge import purge
from nodeprov.engine.rollout import Rollout
from nodeprov.engine.staging import staged
from nodeprov.engine.window import Window
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.base import Place
from nodeprov.hosts.shell import OnCommand
from nodeprov.inventory import Inventory, Node
from nodeprov.inventory.selection import Selection
from nodeprov.plan.plan import Outcome

T = TypeVar("T")

SKIP = "to go on with the others, add --skip-unready, or --skip-unreachable for those that do not answer"


@contextmanager
def open_session(
    inventory: Path | None, sets: Sequence[str] | None, which: Selection, *, ask_sudo_password: bool
) -> Iterator[Fleet]:
    """Connect to the nodes of an inventory that are meant."""
    whole = load(inventory, sets)
    with connect(whole, which, ask_sudo_password=ask_sudo_password) as fleet:
        yield fleet


@contextmanager
def connect(
    whole: Inventory,
    which: Sequence[Node] | Selection,
    *,
    ask_sudo_password: bool,
    on_command: OnCommand | None = None,
) -> Iterator[Fleet]:
    """Connect to nodes, each when it is first needed; `on_command` hears of every command, as --verbose does."""
    with reach(whole, which, ask_sudo_password=ask_sudo_password, on_command=on_command) as reached:
        yield fleet_of(reached)


def fleet_of(reached: Reached, lock: FoundLock | None = None) -> Fleet:
    """Make a fleet of nodes that are reached; what it downloads is shown, and held to a lock if there is one."""
    releases = releases_of(lock)
    if (found := reached.recalled) is None:
        return Fleet(reached.nodes, reached.hosts, releases)
    known, trusts = (found.memory, found.reads, found.unreached), not found.is_deep
    return Fleet(reached.nodes, reached.hosts, releases, *known, trusts_memory=trusts)


def print_errors(results: Results[T], *, way_on: str = "") -> Results[T]:
    """Print what went wrong for some nodes, and of how many; return the results.

    `way_on` is what to type to go on with the other nodes, where there are some.
    """
    for error in results.errors:
        print_error(error)
    failed, total = len(results.failed), len(results.good) + len(results.failed)
    if failed and total > 1:
        reason = "reason above concerns" if failed == 1 else "reasons above concern"
        print_error(NodeprovError(f"the {reason} {failed} of {total} nodes", way_on if failed < total else ""))
    return results


def plan_ready(
    fleet: Fleet, want: Want, *, skip: Skip, stage: bool = False
) -> tuple[Fleet, Results[Planned], Sequence[NodeprovError]]:
    """Plan; `skip` says which of the nodes are left out for which that cannot be done.

    To `stage` means to plan only what restarts nothing.
    Returns the nodes that are left, their plans, and why others were left out. The plans are made anew then: what
    an uninstall takes out of the cluster depends on the other nodes.
    """
    plans = fleet.plan(want)
    left_out: Sequence[NodeprovError] = ()
    failed = {name: error for name, error in plans.failed.items() if skip.leaves_out(error)}
    if failed and plans.good:
        left_out = [error for error in plans.errors if skip.leaves_out(error)]
        print_errors(replace(plans, errors=left_out, failed=failed))
        fleet = fleet.only([node for node in fleet.nodes if node.name not in failed])
        plans = fleet.plan(want)
    if stage:
        plans = replace(plans, good=[staged(each) for each in plans.good])
    return fleet, plans, left_out


def carry_out(
    fleet: Fleet,
    want: Want,
    *,
    skip: Skip,
    yes: bool,
    as_json: bool,
    telling: Telling = NOTHING_MORE,
    stage: bool = False,
    purges: bool = False,
    refuses: Callable[[Planned], NodeprovError | None] = lambda _planned: None,
) -> NoReturn:
    """Plan, ask, do it, show how it ended, and end the process; `purges` is to remove the receipts then, too.

    `refuses` says what else is wrong with a plan.
    """
    fleet, plans, skipped = plan_ready(fleet, want, skip=skip, stage=stage)
    plans = _without_refused(plans, refuses)
    tell_refused(plans.errors, want.action.name, telling, plans.good)
    rollout = confirm(fleet, plans, yes=yes, as_json=as_json, telling=telling, purges=purges)
    then = partial(_purged, fleet) if purges else _nothing
    finish(fleet, rollout, skipped=skipped, as_json=as_json, telling=telling, then=then)


def _without_refused(
    plans: Results[Planned], refuses: Callable[[Planned], NodeprovError | None]
) -> Results[Planned]:
    found = [(each, refuses(each)) for each in plans.good]
    errors = [error for _, error in found if error is not None]
    failed = {**plans.failed, **{each.where: each for each in errors}}
    return replace(
        plans,
        good=[each for each, error in found if error is None],
        errors=[*plans.errors, *errors],
        failed=failed,
    )


def _nothing(_outcomes: Sequence[Outcome]) -> Sequence[NodeprovError]:
    return ()


def _purged(fleet: Fleet, outcomes: Sequence[Outcome]) -> Sequence[NodeprovError]:
    """Remove the receipts of the nodes whose uninstall has ended well; return why some are kept."""
    done = {outcome.plan.node for outcome in outcomes if not outcome.exit_code}
    some = fleet.only([node for node in fleet.nodes if node.name in done])
    results = some.each(lambda node, hosts: (node, purge(node, hosts[Place.NODE])))
    for node, said in results.good:
        say(f"{node.name}: {said or f'no receipt is left in {node.settings.paths.state}'}")
    for error in results.errors:
        print_error(error)
    return results.errors


def confirm(
    fleet: Fleet,
    plans: Results[Planned],
    *,
    yes: bool,
    as_json: bool,
    telling: Telling = NOTHING_MORE,
    purges: bool = False,
) -> Rollout:
    """Show plans and ask, unless that was answered already; end where anything blocks one of them."""
    print_errors(plans, way_on=SKIP)
    pending = [each for each in plans.good if each.plan.pending]
    must_ask = bool(pending or purges) and not yes and not plans.errors
    if not as_json and (must_ask or not output.quiet.is_set()):
        show_plans([each.plan for each in plans.good])
    end_if_any_failed(plans, as_json=as_json)
    if must_ask and as_json:
        raise UsageError("--json shows no plan to ask about", "look at `nodeprov plan`, then add --yes")
    rollout = ready(fleet, plans, telling)
    if must_ask:
        asked = [each.plan for each in (plans.good if purges else pending)]
        output.ask(asked, also="; the receipts are removed too" if purges else "")
    return rollout


def ready(fleet: Fleet, plans: Results[Planned], telling: Telling) -> Rollout:
    """Put plans in waves, and print these; raise NodeprovError, before anybody is asked, if none may begin now.

    Such a refusal is told in the report and in the history too: who looks at them later learns why nothing
    was changed in the night.
    """
    try:
        rollout = fleet.rollout(plans.good)
        say_waves(rollout)
        if rollout.waves:
            rollout.schedule.insist_on_open(context.utc_now())
    except NodeprovError as error:
        tell_refused([error], plans.good[0].plan.action.name, telling, plans.good)
        raise
    return rollout


def end_if_any_failed(plans: Results[Planned], *, as_json: bool) -> None:
    """End the process, with no node changed, if anything blocks one of the plans."""
    if plans.errors:
        say("nothing was changed on any node")
        show_outcomes([], plans.errors, as_json=as_json)
        raise typer.Exit(FAILED)


def end_if_left(left: Sequence[NodeprovError]) -> None:
    """End the process, its results printed, if something of ours is still there that cannot be removed."""
    for each in left:
        print_error(each)
    if left:
        raise typer.Exit(FAILED)


def say_waves(rollout: Rollout) -> None:
    """Print in which waves nodes are changed, unless it is one after the other in their order."""
    from nodeprov.reports.rollout import waves_text

    if rollout.is_special:
        say(waves_text([(wave.kind, wave.nodes) for wave in rollout.waves], rollout.settings.soak_seconds))
    if rollout.schedule.window is not None:
        say(_window_said(rollout, rollout.schedule.window))


def _window_said(rollout: Rollout, window: Window) -> str:
    """Say when the window is open next, and which nodes fit."""
    from nodeprov.reports.rollout import window_text

    span = window.next_span(datetime.fromisoformat(context.utc_now()))
    if span is None:
        return f"window {window.name}: it does not open within a year"
    opening, closing = span
    names = [name for wave in rollout.waves for name in wave.nodes]
    when = f"{window.local(opening)} to {window.local(closing)}"
    return window_text(
        f"window {window.name}: {when}", rollout.that_fit((closing - opening).total_seconds()), names
    )


def finish(
    fleet: Fleet,
    rollout: Rollout,
    *,
    skipped: Sequence[NodeprovError] = (),
    as_json: bool,
    telling: Telling = NOTHING_MORE,
    then: Callable[[Sequence[Outcome]], Sequence[NodeprovError]] = _nothing,
) -> NoReturn:
    """Carry plans out, show how each ended, and end the process: not well where nodes were left out.

    `then` is called at the end, and returns what went wrong in it.
    """
    with (
        cancelled_by_signals(partial(say_interrupted, rollout)) as cancel,
        watching(
            rollout.plans,
            telling,
            skipped=skipped,
            window_left=lambda: rollout.schedule.seconds_left(context.utc_now()),
        ) as watch,
    ):
        run = context.RunContext(
            cancel=cancel, on_event=watch.on_event, on_upload=watch.on_upload, on_rollout=watch.on_rollout
        )
        outcomes = rollout.in_order(watch.gathered(fleet.carry_out(rollout, run)))
    for why, names in rollout.untouched.items():
        say(f"not begun, because {why}: {', '.join(names)}")
    nodes = watch.record().nodes
    skipped = [*skipped, *then(outcomes)]
    show_outcomes(outcomes, skipped, rollout.untouched, as_json=as_json, nodes=nodes)
    worst = max((outcome.exit_code for outcome in outcomes), default=DONE)
    raise typer.Exit(
        worst or (FAILED if skipped else PENDING if rollout.is_closed else FAILED if rollout.untouched else DONE)
    )


def say_interrupted(rollout: Rollout, cancel: context.Cancellation) -> None:
    """Print what comes of a signal that has arrived."""
    if cancel.is_asked:
        say("interrupted: finishing the step, then taking the changes back")
        return
    names = ", ".join(rollout.in_flight) or "no node"
    say(f"interrupted: {names} will be finished, no other node is begun; once more: take the changes back now")
