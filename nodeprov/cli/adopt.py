"""`nodeprov adopt`."""

from __future__ import annotations

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options


@options.command(
    "nodeprov plan worker1 --adopt",
    "nodeprov adopt worker1",
    "nodeprov adopt --all --yes --max-unavailable 25%",
    codes="0: done, or nothing to do, 1: refused, not confirmed or failed: as before, 4: left between two states",
)
def adopt(
    *,
    which: groups.Which,
    activate_pending: options.ActivatePending = False,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Take over what somebody else installed, by hand or by another tool. Its sandboxes keep running.

    Only its table in containerd's configuration is replaced; its programs stay where they are. An uninstall puts
    the table back. Other nodes of the cluster that have it get no new sandboxed pods until they are adopted too.
    """
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Install
    from nodeprov.runtimes import FAMILY

    sets = waves.over(options.with_pending(access.sets, activate_pending))
    telling = told.telling
    with open_session(
        access.inventory, sets, which.selection, ask_sudo_password=access.ask_sudo_password
    ) as fleet:
        want = Install(FAMILY, adopts=True)
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling)
