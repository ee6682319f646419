"""`nodeprov install` and `nodeprov uninstall`."""

from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options


@options.command(
    "nodeprov install worker1",
    "nodeprov install 'worker*' --yes --json",
    codes="0: done, or nothing to do, 1: not confirmed, or failed and rolled back, 4: left between two states",
)
def install(
    nodes: options.Nodes,
    activate_pending: options.ActivatePending = False,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Install what the inventory wants, one node after the other, and test it; undo it on any error."""
    from nodeprov.cli.session import confirm, finish, open_session
    from nodeprov.engine import Install
    from nodeprov.runtimes import FAMILY

    sets = options.with_pending(sets, activate_pending)
    with open_session(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as fleet:
        finish(fleet, confirm(fleet.plan(Install(FAMILY)), yes=yes, as_json=as_json), as_json=as_json)


@options.command(
    "nodeprov plan worker1 --uninstall",
    "nodeprov uninstall worker1 --drain",
    codes="0: done, or nothing to do, 1: not confirmed, or failed and rolled back, 4: left between two states",
)
def uninstall(
    nodes: options.Nodes,
    drain: Annotated[bool, typer.Option("--drain", help="Evict the sandboxed pods that still run.")] = False,
    activate_pending: options.ActivatePending = False,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Remove all that nodeprov installed. Refused while sandboxes run, unless --drain evicts them."""
    from nodeprov.cli.session import confirm, finish, open_session
    from nodeprov.engine import Uninstall
    from nodeprov.runtimes import FAMILY

    sets = options.with_pending(sets, activate_pending)
    with open_session(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as fleet:
        planned = confirm(fleet.plan(Uninstall(FAMILY, drain)), yes=yes, as_json=as_json)
        finish(fleet, planned, as_json=as_json)
