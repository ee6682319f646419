"""`nodeprov plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.ending import DONE, FAILED, PENDING
from nodeprov.errors import UsageError


@options.command(
    "nodeprov plan worker1",
    "nodeprov plan 'worker*' --inventory cluster.toml",
    "nodeprov plan worker1 --uninstall --drain",
    "nodeprov plan worker1 --commands > commands.txt",
    "nodeprov plan worker1 --out worker1.plan && nodeprov apply worker1.plan",
    codes="0: nothing to do, 1: it would be refused, 3: changes are pending",
)
def plan(
    nodes: options.Nodes,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Plan an uninstall.")] = False,
    drain: Annotated[bool, typer.Option("--drain", help="With --uninstall: evict sandboxed pods.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `nodeprov apply FILE`.")
    ] = None,
    commands: Annotated[
        bool, typer.Option("--commands", help="Show also every script that would run on a host, in order.")
    ] = False,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show what an install or an uninstall would change. Nothing is written on any node."""
    from nodeprov.cli import plan_commands
    from nodeprov.cli.apply import save
    from nodeprov.cli.inventory import load
    from nodeprov.cli.output import show_plans
    from nodeprov.cli.session import connect, print_errors
    from nodeprov.engine import Install, Uninstall
    from nodeprov.inventory import select
    from nodeprov.runtimes import FAMILY

    if drain and not uninstall:
        raise UsageError("--drain is a part of an uninstall", "nodeprov plan NODE --uninstall --drain")
    whole = load(inventory, sets)
    log = plan_commands.PlanCommands() if commands else None
    want, chosen = Uninstall(FAMILY, drain) if uninstall else Install(FAMILY), select(whole, nodes)
    with connect(whole, chosen, ask_sudo_password=ask_sudo_password, on_command=log) as fleet:
        planned = fleet.plan(want)
        found = log.of(planned, fleet.hosts) if log else {}
    print_errors(planned)
    if out and not planned.errors:
        save(out, whole, planned.good, action=want.action, drain=drain)
    if commands:
        plan_commands.show(planned, found, as_json=as_json)
    else:
        show_plans([each.plan for each in planned.good], planned.errors, as_json=as_json)
    if planned.errors:
        raise typer.Exit(FAILED)
    raise typer.Exit(PENDING if any(each.plan.pending for each in planned.good) else DONE)
