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
    lock: options.Lock = None,
    bundle: options.From = None,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Take over what somebody else installed, by hand or by another tool. Its sandboxes keep running.

    Only its table in containerd's configuration is replaced; its programs stay where they are. An uninstall puts
    the table back. Other nodes of the cluster that have it get no new sandboxed pods until they are adopted too.
    """
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import with_lock
    from nodeprov.cli.reaching import reach
    from nodeprov.cli.session import carry_out, fleet_of
    from nodeprov.engine import Install
    from nodeprov.runtimes import FAMILY

    sets = waves.over(options.with_pending(access.sets, activate_pending))
    chosen, telling = which.selection, told.telling
    whole, locked = with_lock(load(access.inventory, sets), lock, bundle)
    with reach(whole, chosen, ask_sudo_password=access.ask_sudo_password) as reached:
        want = Install(FAMILY, adopts=True)
        carry_out(
            fleet_of(reached, locked), want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling
        )
