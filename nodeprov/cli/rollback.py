"""`nodeprov rollback`."""

from __future__ import annotations

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options


@options.command(
    "nodeprov rollback worker1",
    "nodeprov rollback --all --yes --max-unavailable 25%",
    "nodeprov rollback worker1 --to 20260518.0",
    "nodeprov plan worker1 --rollback",
    codes="0: done, or nothing to do, 1: refused, not confirmed or failed: as before, 4: left between two states",
)
def rollback(
    *,
    which: groups.Which,
    to: options.To = None,
    activate_pending: options.ActivatePending = False,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Put the generation before in force again, from what is on the node, without network or cluster."""
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Rollback
    from nodeprov.runtimes import FAMILY

    sets = waves.over(options.with_pending(access.sets, activate_pending))
    telling = told.telling
    with open_session(
        access.inventory, sets, which.selection, ask_sudo_password=access.ask_sudo_password
    ) as fleet:
        want = Rollback(FAMILY, to or "")
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling)
