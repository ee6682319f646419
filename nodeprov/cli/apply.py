"""`nodeprov plan --out` and `nodeprov apply`: plans that are saved, and carried out as they were seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli import options
from nodeprov.cli.output import say
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.engine.planner import Planned
    from nodeprov.inventory import Inventory
    from nodeprov.plan.plan import Action


def save(path: Path, whole: Inventory, planned: Sequence[Planned], *, action: Action, drain: bool) -> None:
    """Save plans; raise UsageError rather than write over a file that is no saved plan."""
    from nodeprov.engine import context, saved_plan
    from nodeprov.local_files import write_private

    if path.exists() and not (path.is_file() and saved_plan.is_saved(path.read_text(errors="replace"))):
        raise UsageError(f"{path} is there and is no saved plan", "name another place: --out FILE")
    author, now = context.this_user(), context.utc_now()
    saved = saved_plan.saved(whole, planned, author, now, action=action, drain=drain)
    write_private(path, saved_plan.to_text(saved).encode())
    say(f"saved: nodeprov apply {path}")


@options.command(
    "nodeprov plan 'worker*' --out upgrade.plan",
    "nodeprov apply upgrade.plan",
    codes="0: done, 1: a node has changed since and nothing was done, or it failed, 2: not a saved plan",
)
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan saved by `nodeprov plan --out FILE`.")],
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = False,
    _no_color: options.NoColor = False,
) -> None:
    """Carry out a saved plan without asking. Refused if any of its nodes has changed since."""
    from nodeprov.cli.session import connect, end_if_any_failed, finish, print_errors
    from nodeprov.engine import Install, Uninstall, saved_plan
    from nodeprov.inventory import parse
    from nodeprov.local_files import read_bounded
    from nodeprov.plan.plan import INSTALL
    from nodeprov.reports.plan import headline
    from nodeprov.runtimes import FAMILY

    try:
        text = read_bounded(file)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read the plan {file}: {getattr(error, 'strerror', error)}", saved_plan.AGAIN
        ) from None
    found = saved_plan.from_text(text, str(file), __version__)
    whole = parse(found.inventory, str(file))
    with connect(whole, whole.nodes, ask_sudo_password=ask_sudo_password) as fleet:
        planned = fleet.plan(Install(FAMILY) if found.action is INSTALL else Uninstall(FAMILY, found.drain))
        if not planned.errors:
            planned.errors.extend(saved_plan.changes(found, planned.good))
        print_errors(planned)
        end_if_any_failed(planned, as_json=as_json)
        for each in planned.good:
            say(f"{headline(each.plan)}, as planned by {found.by}")
        finish(fleet, planned.good, as_json=as_json)
