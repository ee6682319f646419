"""`nodeprov plan`, and what carries a plan out: `install`, `uninstall`, and `apply` for one that was saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED, PENDING
from nodeprov.cli.output import say
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.cli.plan_commands import PlanCommands
    from nodeprov.engine import Fleet, Want
    from nodeprov.engine.fleet import Results
    from nodeprov.engine.planner import Planned
    from nodeprov.inventory import Inventory


@options.command(
    "nodeprov plan worker1",
    "nodeprov plan 'worker*' --inventory cluster.toml",
    "nodeprov plan --all -l topology.kubernetes.io/zone=a",
    "nodeprov plan worker1 --uninstall --drain",
    "nodeprov plan worker1 --rollback --to 20260518.0",
    "nodeprov plan worker1 --commands > commands.txt",
    "nodeprov plan worker1 --out worker1.plan && nodeprov apply worker1.plan",
    codes="0: nothing to do, 1: it would be refused, 3: changes are pending",
)
def plan(
    *,
    which: groups.WhichToRead,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Plan an uninstall.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Plan a rollback.")] = False,
    to: options.To = None,
    gc: Annotated[bool, typer.Option("--gc", help="Plan a gc.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Plan to adopt what somebody else installed.")] = False,
    keep: options.Keep = None,
    forward: options.Forward = False,
    drain: Annotated[
        bool,
        typer.Option(
            "--drain", help="Evict pods before a restart; with --uninstall: the sandboxed ones, in any case."
        ),
    ] = False,
    force: options.Force = False,
    delete_emptydir_data: options.DeleteEmptydirData = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `nodeprov apply FILE`.")
    ] = None,
    skipping: groups.Skipping,
    deep: options.Deep = False,
    commands: Annotated[
        bool, typer.Option("--commands", help="Show also every script that would run on a host, in order.")
    ] = False,
    waves: groups.Waves,
    stage: options.Stage = False,
    activate_pending: options.ActivatePending = False,
    lock: options.Lock = None,
    bundle: options.From = None,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Show what an install, a rollback or an uninstall would change. Nothing is written on any node."""
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import with_lock
    from nodeprov.cli.output import show_plans
    from nodeprov.cli.reaching import reach, reach_unless_settled

    if drain and (rollback or gc or adopt):
        raise UsageError("--drain is a part of an install or an uninstall", "leave --drain out")
    other = options.one_of({"--uninstall": uninstall, "--rollback": rollback, "--gc": gc, "--adopt": adopt})
    if stage and (other or out or commands):
        raise UsageError(
            "--stage shows a part of an install's plan", "leave --uninstall, --out and --commands out"
        )
    installs = not other or adopt
    if bundle and not installs:
        raise UsageError(f"--from brings a release, and {other} installs none", "leave --from out")
    options.only_with("--rollback", rollback, {"--to": to is not None})
    options.only_with("--gc", gc, {"--keep": keep is not None})
    allowed = options.allowed(
        "plan --uninstall", drain=drain and uninstall, force=force, delete_emptydir_data=delete_emptydir_data
    )
    sets = options.with_drain(options.with_pending(access.sets, activate_pending), drain and not other)
    sets = waves.over(options.with_keep(options.with_forward(sets, forward), keep))
    whole = load(access.inventory, sets)
    whole, locked = with_lock(whole, lock, bundle) if installs else (whole, None)
    deep = deep or not (locked is None or locked.is_for(whole))
    log = _command_log() if commands else None
    ask, as_json = access.ask_sudo_password, shown.as_json
    if other or commands or out:
        reaching = reach(whole, which.selection, ask_sudo_password=ask, on_command=log)
    else:
        show = partial(show_plans, as_json=as_json)
        reaching = reach_unless_settled(whole, which.selection, ask_sudo_password=ask, deep=deep, show=show)
    with reaching as reached:
        from nodeprov.cli.session import SKIP, fleet_of, plan_ready, print_errors, say_waves
        from nodeprov.engine import Gc, Install, Rollback, Uninstall
        from nodeprov.runtimes import FAMILY

        wants: dict[str, Want] = {
            "": Install(FAMILY),
            "--uninstall": Uninstall(FAMILY, drain, allowed=allowed),
            "--rollback": Rollback(FAMILY, to or ""),
            "--gc": Gc(FAMILY),
            "--adopt": Install(FAMILY, adopts=True),
        }
        want = wants[other]
        fleet, planned, skipped = plan_ready(fleet_of(reached, locked), want, skip=skipping.skip, stage=stage)
        found = log.of(planned, fleet.hosts) if log else {}
        blocked = Uninstall(FAMILY, drain, allowed=allowed, despite_pods=True)
        despite = _despite_pods(fleet, blocked, planned) if uninstall and planned.errors else []
    print_errors(planned, way_on=SKIP)
    if out and not planned.errors:
        save(out, whole, planned.good, want)
    planned.errors.extend(skipped)
    rollout = None if planned.errors else fleet.rollout(planned.good)
    if log:
        from nodeprov.cli.plan_commands import show as show_commands

        show_commands(planned, found, as_json=as_json)
    else:
        show_plans([each.plan for each in despite or planned.good], planned.errors, as_json=as_json)
        if rollout is not None:
            say_waves(rollout)
    if planned.errors:
        raise typer.Exit(FAILED)
    raise typer.Exit(PENDING if any(each.plan.pending for each in planned.good) else DONE)


def _despite_pods(fleet: Fleet, want: Want, planned: Results[Planned]) -> list[Planned]:
    """Plan an uninstall that pods block once more, despite them: what would be removed is shown all the same."""
    unreached = {name for name, error in planned.failed.items() if error.is_unreached}
    reached = fleet.only([each for each in fleet.nodes if each.name not in unreached])
    return reached.plan(want).good


def _command_log() -> PlanCommands:
    from nodeprov.cli.plan_commands import PlanCommands

    return PlanCommands()


def save(path: Path, whole: Inventory, planned: Sequence[Planned], want: Want) -> None:
    """Save plans; raise UsageError rather than write over a file that is no saved plan."""
    from nodeprov.engine import context, saved_plan
    from nodeprov.local_files import in_words, write_private

    another = "name another place: --out FILE"
    with in_words(f"cannot write {path}", another):
        if path.exists() and not (path.is_file() and saved_plan.is_saved(path.read_text(errors="replace"))):
            raise UsageError(f"{path} exists and is not a saved plan", another)
    author, now = context.this_user(), context.utc_now()
    saved = saved_plan.saved(whole, planned, author, now, want)
    write_private(path, saved_plan.to_text(saved).encode())
    say(f"saved: nodeprov apply {path}")


@options.command(
    "nodeprov plan 'worker*' --out upgrade.plan",
    "nodeprov apply upgrade.plan",
    codes="0: done, also before, 1: a node has changed since and nothing was done, or it failed, "
    "2: not a saved plan",
)
def apply(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan saved by `nodeprov plan --out FILE`.")],
    drain: Annotated[bool, typer.Option("--drain", hidden=True)] = False,  # it is a part of the plan
    skipping: groups.Skipping,
    waves: groups.Waves,
    inventory: options.SignersInventory = None,
    ask_sudo_password: options.AskSudoPassword = False,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Carry out a saved plan without asking. Refused if anything that it starts from differs now."""
    from nodeprov.cli.inventory import trust_found
    from nodeprov.cli.session import SKIP, connect, end_if_any_failed, finish, plan_ready, print_errors, ready
    from nodeprov.cli.signed import signed_by
    from nodeprov.cli.watching import tell_refused
    from nodeprov.engine import saved_plan
    from nodeprov.engine.context import utc_now
    from nodeprov.inventory import parse
    from nodeprov.local_files import read_bounded
    from nodeprov.reports.plan import headline
    from nodeprov.reports.when import when_text
    from nodeprov.runtimes import FAMILY

    telling, as_json = told.telling, shown.as_json
    text = read_bounded(file, "plan", saved_plan.AGAIN)
    trust = trust_found(inventory, os.environ)
    signer = signed_by(file, text.encode(), "nodeprov.plan", trust.allowed_signers if trust else None)
    found = saved_plan.from_text(text, str(file), __version__)
    sets = waves.over(saved_plan.settings_of_then(found))
    whole = parse(found.inventory, str(file), options=sets)
    if drain and not (found.drain or whole.nodes[0].settings.rollout.drain):
        raise UsageError(
            "nothing is evicted by this plan: --drain changes it",
            "nodeprov plan NODES --drain --out FILE",
            where=str(file),
        )
    if (own := whole.nodes[0].settings.trust.allowed_signers) is not None:  # as it was when it was saved
        signer = signed_by(file, text.encode(), "nodeprov.plan", own)
    if signer:
        say(f"signed by {signer}")
    with connect(whole, whole.nodes, ask_sudo_password=ask_sudo_password) as fleet:
        fleet, planned, skipped = plan_ready(fleet, saved_plan.want_of(found, FAMILY), skip=skipping.skip)
        if not planned.errors:
            planned.errors.extend(saved_plan.changes(found, planned.good))
        print_errors(planned, way_on=SKIP)
        tell_refused(planned.errors, found.action.name, telling, planned.good)
        end_if_any_failed(planned, as_json=as_json)
        author = f"{found.author.user}@{found.author.controller}"
        for each in planned.good:
            if saved_plan.is_done(found, each):
                say(f"{each.node.name}: already as this plan wants it")
            else:
                say(f"{headline(each.plan)}, as planned by {author} at {when_text(found.at, utc_now())}")
        finish(fleet, ready(fleet, planned, telling), skipped=skipped, as_json=as_json, telling=telling)


@options.command(
    "nodeprov install worker1",
    "nodeprov install 'worker*' --yes --json",
    codes="0: done, or nothing to do, 1: not confirmed, or failed and rolled back, 4: left between two states",
)
def install(
    *,
    which: groups.Which,
    activate_pending: options.ActivatePending = False,
    forward: options.Forward = False,
    drain: options.Drain = False,
    skipping: groups.Skipping,
    waves: groups.Waves,
    stage: options.Stage = False,
    deep: options.Deep = False,
    yes: options.Yes = False,
    lock: options.Lock = None,
    bundle: options.From = None,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Install what the inventory wants, node by node or in waves, and test it; undo it on any error."""
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import with_lock
    from nodeprov.cli.output import show_nothing_to_do
    from nodeprov.cli.reaching import reach, reach_unless_settled

    telling = told.telling if told.report or told.events else None
    ask, as_json = access.ask_sudo_password, shown.as_json
    sets = options.with_drain(options.with_pending(access.sets, activate_pending), drain)
    sets = waves.over(options.with_forward(sets, forward))
    whole, locked = with_lock(load(access.inventory, sets), lock, bundle)
    deep = deep or not (locked is None or locked.is_for(whole))
    if telling:
        reaching = reach(whole, which.selection, ask_sudo_password=ask)
    else:
        show = partial(show_nothing_to_do, as_json=as_json)
        reaching = reach_unless_settled(whole, which.selection, ask_sudo_password=ask, deep=deep, show=show)
    with reaching as reached:
        from nodeprov.cli.session import carry_out, fleet_of
        from nodeprov.cli.watching import NOTHING_MORE
        from nodeprov.engine import Install
        from nodeprov.runtimes import FAMILY

        want, telling = Install(FAMILY), telling or NOTHING_MORE
        fleet = fleet_of(reached, locked)
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=as_json, telling=telling, stage=stage)


@options.command(
    "nodeprov plan worker1 --uninstall",
    "nodeprov uninstall worker1 --drain",
    codes="0: done, or nothing to do, 1: not confirmed, or failed and rolled back, 4: left between two states",
)
def uninstall(
    *,
    which: groups.Which,
    drain: Annotated[bool, typer.Option("--drain", help="Evict the sandboxed pods that still run.")] = False,
    force: options.Force = False,
    delete_emptydir_data: options.DeleteEmptydirData = False,
    purge: Annotated[
        bool,
        typer.Option("--purge", help="Then also remove the receipts of all runs, which an uninstall keeps."),
    ] = False,
    activate_pending: options.ActivatePending = False,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Remove all that nodeprov installed. Refused while sandboxes run, unless --drain evicts them."""
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Uninstall
    from nodeprov.runtimes import FAMILY

    sets = waves.over(options.with_pending(access.sets, activate_pending))
    allowed = options.allowed("uninstall", drain=drain, force=force, delete_emptydir_data=delete_emptydir_data)
    if purge and which.handler:
        raise UsageError("--purge removes the receipts of all handlers", "leave --handler out, or --purge")
    telling = told.telling
    with open_session(
        access.inventory, sets, which.selection, ask_sudo_password=access.ask_sudo_password
    ) as fleet:
        want = Uninstall(FAMILY, drain, allowed=allowed)
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling, purges=purge)
