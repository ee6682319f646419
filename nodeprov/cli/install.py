"""`nodeprov install`."""

from __future__ import annotations

from nodeprov.cli import options


@options.command(
    "nodeprov install worker1",
    "nodeprov install 'worker*' --yes --json",
    codes="0: done, or nothing to do, 1: failed and the node is as before, 4: left between two states",
)
def install(
    nodes: options.Nodes,
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

    with open_session(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as fleet:
        finish(fleet, confirm(fleet.plan(Install(FAMILY)), yes=yes, as_json=as_json), as_json=as_json)
