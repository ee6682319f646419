"""The options and arguments that several commands have, each declared once."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import output
from nodeprov.cli.expansion import each_of_a_group
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.cli.watching import Telling
    from nodeprov.inventory.kinds import Text
    from nodeprov.inventory.selection import Selection
    from nodeprov.kubernetes.draining import Allowed


def _calls(act: Callable[[], None]) -> Callable[[bool], None]:
    def callback(wanted: bool) -> None:
        if wanted:
            act()

    return callback


def _verbose(times: int) -> None:
    if times > 0:
        output.shows_commands.set()
    if times > 1:
        output.shows_scripts.set()


_quiet = _calls(output.quiet.set)
_timings = _calls(output.shows_timings.set)
_no_color = _calls(output.without_color)


def node_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of nodes and groups from the inventory that would be used; connect to nothing.

    A file that has faults still has names to complete; without a file there are none.
    """
    try:
        import tomllib

        from nodeprov.cli.inventory import find, read

        named = context.params.get("inventory")
        found = find(Path(named) if named else None, os.environ, Path.cwd())
        tables = tomllib.loads(read(found))
        names = [*tables.get("nodes", {}), *(f"@{name}" for name in tables.get("groups", {}))]
    except Exception:  # whatever is wrong, a completion is no place to report it
        return []
    return [name for name in names if name.startswith(incomplete)]


def examples(*lines: str, codes: str) -> str:
    """Write what stands below a command's help: examples, and the exit codes that it has."""
    return "\n".join(("Examples:", *(f"  {line}" for line in lines), "", f"Exit code {codes}."))


def command(*lines: str, codes: str = "") -> Callable[[Callable[..., None]], typer.Typer]:
    """Declare a function as the command of its name, with examples and exit codes below its help.

    A parameter that is a group of options (option_groups.py) stands for each of them.
    """

    def declare(function: Callable[..., None]) -> typer.Typer:
        declared = typer.Typer(add_completion=False)
        epilog = examples(*lines, codes=codes) if codes else None
        declared.command(function.__name__, epilog=epilog)(each_of_a_group(function))
        return declared

    return declare


def with_pending(sets: list[str] | None, activate: bool) -> list[str]:
    """Add to the values that are set for this run what --activate-pending sets."""
    return [*(sets or ()), *(["containerd.pending_changes=activate"] if activate else ())]


def telling(report: Path | None, events: Path | None) -> "Telling":
    """Read what a run is to leave behind; raise UsageError for a file that may not be written."""
    from nodeprov.cli.events import check_events
    from nodeprov.cli.report import check_report
    from nodeprov.cli.watching import Telling

    if report is not None:
        check_report(report)
    if events is not None:
        check_events(events)
    return Telling(report, events)


def one_of(given: Mapping[str, bool]) -> str:
    """Return the one option that is set, "" if none is; raise UsageError for several."""
    found = [option for option, is_set in given.items() if is_set]
    if len(found) > 1:
        raise UsageError(f"{' and '.join(found)}: only one can be planned at a time", f"leave out {found[-1]}")
    return found[0] if found else ""


def only_with(needed: str, is_there: bool, given: Mapping[str, bool]) -> None:
    """Raise UsageError for an option that needs another one."""
    for option, is_set in given.items():
        if is_set and not is_there:
            raise UsageError(f"{option} is a part of {needed}", f"nodeprov plan NODE {needed} {option} ...")


def insist_on(option: str, value: str, rule: "Text") -> None:
    """Raise UsageError unless a name is one: the API server would say so later, in other words."""
    if not rule.accepts(value):
        raise UsageError(f"{option}: {value!r} is not a valid name", f"it is {rule.expected}")


def insist_on_namespaces(option: str, names: Iterable[str]) -> None:
    """Raise UsageError unless all are names that a namespace may have."""
    from nodeprov.inventory import syntax

    for each in names:
        insist_on(option, each, syntax.DNS_LABEL)


def with_drain(sets: Sequence[str] | None, drain: bool) -> list[str]:
    """Add to the values that are set for this run what --drain of an install sets."""
    return [*(sets or ()), *(["rollout.drain=true"] if drain else ())]


def with_forward(sets: Sequence[str] | None, forward: bool) -> list[str]:
    """Add to the values that are set for this run what --forward sets."""
    return [*(sets or ()), *(["rollout.after_rollback=forward"] if forward else ())]


def with_keep(sets: Sequence[str] | None, keep: int | None) -> list[str]:
    """Add to the values that are set for this run what --keep sets."""
    return [*(sets or ()), *([f"release.keep={keep}"] if keep is not None else ())]


def allowed(*, drain: bool, force: bool, delete_emptydir_data: bool) -> "Allowed":
    """Read what a drain may do; raise UsageError where nothing is drained."""
    from nodeprov.kubernetes.draining import Allowed

    for option, is_set in (("--force", force), ("--delete-emptydir-data", delete_emptydir_data)):
        if is_set and not drain:
            raise UsageError(f"{option} is a part of a drain", f"nodeprov uninstall NODE --drain {option}")
    return Allowed(force, delete_emptydir_data)


def which(
    names: list[str] | None,
    is_all: bool,
    selector: str | None,
    handler: str | None = None,
    limit: list[str] | None = None,
) -> "Selection":
    """Read which nodes, and which of their handlers, are meant; raise UsageError for a selector that is none."""
    from nodeprov.inventory.selection import Selection

    limits = tuple(name for each in limit or () for name in each.split(","))
    found = Selection(tuple(names or ()), is_all, handler=handler or "", limit=limits)
    if selector is None:
        return found
    from nodeprov.inventory.selector import parse_selector  # few choose by labels

    return replace(found, selector=parse_selector(selector))


Nodes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Nodes of the inventory, globs such as 'worker*', or groups such as @gpu; or --all, or -l. "
        "With ! in front nodes are left out: '!worker2'.",
        autocompletion=node_names,
        metavar="NODE",
    ),
]
SomeNodes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Nodes of the inventory, globs such as 'worker*', or groups such as @gpu; all nodes if none is "
        "named. With ! in front nodes are left out: '!worker2'.",
        autocompletion=node_names,
        metavar="NODE",
    ),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NODE,...",
        help="Of the chosen nodes only these: names, globs, groups, or '!worker2' for all but it.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All nodes of the inventory.")]
Labelled = Annotated[
    str | None,
    typer.Option(
        "--selector",
        "-l",
        metavar="SELECTOR",
        help="Only nodes with fitting labels, as for kubectl: zone=a,disk!=hdd. Labels come from the inventory; "
        "for keys that no node has there, from the cluster.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Inventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="FILE",
        help="The inventory: a TOML file, or Ansible's (.ini, .yml). Default: $NODEPROV_INVENTORY, else the "
        "nearest nodeprov.toml or inventory.toml, here or in a folder above.",
    ),
]
SignersInventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="FILE",
        help="The inventory that says who may sign plans (trust.allowed_signers). Found as for `plan`.",
    ),
]
Lock = Annotated[
    Path | None,
    typer.Option(
        "--lock",
        metavar="FILE",
        help="The lock. Default: trust.lock, else nodeprov.lock beside the inventory, if there is one.",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Take the release, and the lock if there is none, from this file of `nodeprov bundle`; no network.",
    ),
]
Architectures = Annotated[
    list[str] | None,
    typer.Option(
        "--arch",
        metavar="NAME",
        help="Default: those of the lock; if there is none, all for which the release is published.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one value for this run: release.version=20260905.0, or nodes.worker1.port=2222.",
    ),
]
ROLLOUT = "Rollout"
"""The panel of the help that says how many nodes are changed at once, and when."""
Canary = Annotated[
    int | None,
    typer.Option(
        "--canary",
        metavar="N",
        min=0,
        rich_help_panel=ROLLOUT,
        help="Change N nodes first; the others follow if these are done and still serve.",
    ),
]
Soak = Annotated[
    int | None,
    typer.Option(
        "--soak",
        metavar="SECONDS",
        min=0,
        rich_help_panel=ROLLOUT,
        help="Wait after the canary nodes, then test them once more.",
    ),
]
MaxUnavailable = Annotated[
    str | None,
    typer.Option(
        "--max-unavailable",
        metavar="N|P%",
        rich_help_panel=ROLLOUT,
        help="Let N nodes, or P% of those named, be out of service at once; those that are already count. "
        "Default: one after the other.",
    ),
]
MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        metavar="N",
        min=1,
        rich_help_panel=ROLLOUT,
        help="Begin no other node after N have failed. Default: 1.",
    ),
]
AllowTwoZones = Annotated[
    bool,
    typer.Option(
        "--allow-two-zones", rich_help_panel=ROLLOUT, help="Let nodes of different zones restart at the same time."
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="FROM-TO",
        rich_help_panel=ROLLOUT,
        help="Begin only nodes that will be done within 02:00-04:00, say; the time zone is rollout.time_zone.",
    ),
]
Stage = Annotated[
    bool,
    typer.Option(
        "--stage",
        rich_help_panel=ROLLOUT,
        help="Only upload the release, and run a sandbox with it: what needs no restart, before the window.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="With --drain: also evict pods that no controller makes again.")
]
DeleteEmptydirData = Annotated[
    bool,
    typer.Option(
        "--delete-emptydir-data",
        help="With --drain: also evict pods with emptyDir volumes. Their content is lost.",
    ),
]
ActivatePending = Annotated[
    bool,
    typer.Option(
        "--activate-pending",
        help="Let the restart bring into force also what cannot be tried before: another containerd on disk, "
        "an edited template.",
    ),
]
Forward = Annotated[
    bool,
    typer.Option("--forward", help="Install also on nodes that were rolled back from what the inventory wants."),
]
Drain = Annotated[
    bool,
    typer.Option(
        "--drain",
        rich_help_panel=ROLLOUT,
        help="Before containerd restarts, cordon the node and evict its pods; without a restart none is evicted.",
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="RELEASE",
        help="Which release, or generation, of those on the node. Default: the one before.",
    ),
]
Keep = Annotated[
    int | None,
    typer.Option(
        "--keep", metavar="N", min=0, help="Keep N generations that were in force before. Default: release.keep."
    ),
]
SkipUnready = Annotated[
    bool,
    typer.Option(
        "--skip-unready",
        help="Leave out nodes that do not answer, or where something blocks it; do the others, and end with 1.",
    ),
]
SkipUnreachable = Annotated[
    bool,
    typer.Option(
        "--skip-unreachable",
        help="Leave out only nodes that do not answer; what blocks another node still stops the run.",
    ),
]
AskSudoPassword = Annotated[
    bool,
    typer.Option(
        "--ask-sudo-password",
        "-K",
        help="Ask for sudo's password before connecting, not when it is needed. "
        "Without a terminal it is the first line of standard input.",
    ),
]

Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Look at all nodes in full, also at those that are as they were when nothing was to be done.",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write a report for a change ticket, in Markdown, also if the run fails or is interrupted.",
    ),
]
Events = Annotated[
    Path | None,
    typer.Option(
        "--events",
        metavar="FILE",
        help="Write what happens to a file or a pipe, while it happens: a line of JSON for each event.",
    ),
]
Handler = Annotated[
    str | None,
    typer.Option(
        "--handler",
        metavar="NAME",
        help="One handler of the nodes. Default: all that the inventory has for a node.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result and errors as JSON.")]
# These three act by their callbacks; the commands need not look at them.
Quiet = Annotated[bool, typer.Option("--quiet", "-q", callback=_quiet, help="Print only the result and errors.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        metavar="",
        show_default=False,
        callback=_verbose,
        help="Show the name of every command that runs on a host, and how long it took; -vv: also its text, "
        "without secrets.",
    ),
]
Timings = Annotated[
    bool,
    typer.Option(
        "--timings", callback=_timings, help="Show at the end where the time went, for each node and phase."
    ),
]
NoColor = Annotated[
    bool, typer.Option("--no-color", callback=_no_color, is_eager=True, help="No colours; or set NO_COLOR.")
]
