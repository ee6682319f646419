"""`nodeprov gc`."""

from __future__ import annotations

from nodeprov.cli import options


@options.command(
    "nodeprov plan worker1 --gc",
    "nodeprov gc --all --yes",
    "nodeprov gc worker1 --keep 0",
    codes="0: done, or nothing to do, 1: refused or not confirmed, 4: something could not be removed",
)
def gc(
    nodes: options.Nodes = None,
    is_all: options.All = False,
    selector: options.Labelled = None,
    handler: options.Handler = None,
    keep: options.Keep = None,
    skip_unready: options.SkipUnready = False,
    canary: options.Canary = None,
    soak: options.Soak = None,
    max_unavailable: options.MaxUnavailable = None,
    max_failures: options.MaxFailures = None,
    allow_two_zones: options.AllowTwoZones = False,
    window: options.Window = None,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    report: options.Report = None,
    events: options.Events = None,
    as_json: options.Json = False,
    _timings: options.Timings = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Remove releases and generations that nothing needs; name what is kept, and for whom."""
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Gc
    from nodeprov.runtimes import FAMILY

    sets = options.with_rollout(
        options.with_keep(sets, keep),
        canary=canary,
        soak=soak,
        max_unavailable=max_unavailable,
        max_failures=max_failures,
        allow_two_zones=allow_two_zones,
        window=window,
    )
    telling = options.telling(report, events)
    which = options.which(nodes, is_all, selector, handler)
    with open_session(inventory, sets, which, ask_sudo_password=ask_sudo_password) as fleet:
        want = Gc(FAMILY)
        carry_out(fleet, want, skip=skip_unready, yes=yes, as_json=as_json, telling=telling)
