"""`nodeprov rollback`."""

from __future__ import annotations

from nodeprov.cli import options


@options.command(
    "nodeprov rollback worker1",
    "nodeprov rollback --all --yes --max-unavailable 25%",
    "nodeprov rollback worker1 --to 20260518.0",
    "nodeprov plan worker1 --rollback",
    codes="0: done, or nothing to do, 1: refused, not confirmed or failed: as before, 4: left between two states",
)
def rollback(
    nodes: options.Nodes = None,
    is_all: options.All = False,
    selector: options.Labelled = None,
    handler: options.Handler = None,
    to: options.To = None,
    activate_pending: options.ActivatePending = False,
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
    """Put the generation before in force again, from what is on the node, without network or cluster."""
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Rollback
    from nodeprov.runtimes import FAMILY

    sets = options.with_rollout(
        options.with_pending(sets, activate_pending),
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
        want = Rollback(FAMILY, to or "")
        carry_out(fleet, want, skip=skip_unready, yes=yes, as_json=as_json, telling=telling)
