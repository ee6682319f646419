"""`nodeprov gc`."""

from __future__ import annotations

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options


@options.command(
    "nodeprov plan worker1 --gc",
    "nodeprov gc --all --yes",
    "nodeprov gc worker1 --keep 0",
    codes="0: done, or nothing to do, 1: refused or not confirmed, 4: something could not be removed",
)
def gc(
    *,
    which: groups.Which,
    keep: options.Keep = None,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Remove releases and generations that nothing needs; show what is kept, and why."""
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Gc
    from nodeprov.runtimes import FAMILY

    sets = waves.over(options.with_keep(access.sets, keep))
    telling = told.telling
    with open_session(
        access.inventory, sets, which.selection, ask_sudo_password=access.ask_sudo_password
    ) as fleet:
        want = Gc(FAMILY)
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling)
