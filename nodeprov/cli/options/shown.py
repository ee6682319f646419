"""What is shown and kept of a run, and how much."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import output

if TYPE_CHECKING:
    from nodeprov.cli.watching import Telling


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
