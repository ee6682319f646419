"""`nodeprov adopt`."""

from __future__ import annotations

from nodeprov.cli import options


@options.command(
    "nodeprov plan worker1 --adopt",
    "nodeprov adopt worker1",
    "nodeprov adopt --all --yes --max-unavailable 25%",
    codes="0: done, or nothing to do, 1: refused, not confirmed or failed: as before, 4: left between two states",
)
def adopt(
    nodes: options.Nodes = None,
    is_all: options.All = False,
    selector: options.Labelled = None,
    handler: options.Handler = None,
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
    """Take over what somebody else installed, by hand or by another tool. Its sandboxes go on.

    Only its table in containerd's configuration is replaced; its programs stay where they are. An uninstall puts
    the table back. Other nodes of the cluster that have it get no new sandboxed pods until they are adopted too.
    """
    from nodeprov.cli.session import carry_out, open_session
    from nodeprov.engine import Install
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
        want = Install(FAMILY, adopts=True)
        carry_out(fleet, want, skip=skip_unready, yes=yes, as_json=as_json, telling=telling)
