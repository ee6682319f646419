"""`nodeprov doctor` and `nodeprov verify`: how nodes are, with nothing changed on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED, cancelled_by_signals
from nodeprov.cli.output import say, show_json, show_table
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from nodeprov.cli.checks import CheckView
    from nodeprov.reports.findings import CheckResult


@options.command(
    "nodeprov doctor 'worker*'",
    "nodeprov doctor worker1 --json",
    codes="0: ready to install, 1: an install would be refused, or a node could not be read",
)
def doctor(
    *,
    which: groups.WhichToRead,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Check nodes for what would block an install, and give recommendations. Nothing is changed."""
    from nodeprov.cli.session import open_session, print_errors
    from nodeprov.diagnosis.doctor import examine
    from nodeprov.reports.findings import Severity, findings_json, findings_table
    from nodeprov.runtimes import FAMILY

    ask = access.ask_sudo_password
    with open_session(access.inventory, access.sets, which.selection, ask_sudo_password=ask) as fleet:
        results = print_errors(
            fleet.each_view(lambda view, hosts: (view.name, examine(view, hosts, FAMILY, time.time)))
        )
    # What is true of a machine is found for each of its handlers.
    findings = list(dict.fromkeys(finding for _, found in results.good for finding in found))
    if shown.as_json:
        show_json({"findings": findings_json(findings)}, results.errors)
    elif results.good:
        show_table(findings_table([*dict.fromkeys(name for name, _ in results.good)], findings))
    against = any(finding.severity is Severity.AGAINST for finding in findings)
    raise typer.Exit(FAILED if against or results.errors else DONE)


@options.command(
    "nodeprov verify 'worker*'",
    "nodeprov verify 'worker*' --junit verify.xml --quiet",
    codes="0: all checks passed, 1: a check failed, or could not be run",
)
def verify(
    *,
    which: groups.WhichToRead,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write the result as JUnit XML.")
    ] = None,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Check with testinfra that nodes are still as installed, and that a pod runs in a sandbox."""
    from nodeprov.cli.checks import check_view
    from nodeprov.cli.session import open_session, print_errors
    from nodeprov.diagnosis.verify import runner, subject
    from nodeprov.kubernetes.cluster_read import ClusterReads
    from nodeprov.local_files import in_words
    from nodeprov.runtimes import FAMILY

    if junit is not None:
        another = "name another file: --junit FILE"
        with in_words(f"cannot write {junit}", another):
            if not junit.absolute().parent.is_dir():
                raise UsageError(f"cannot write {junit}: there is no folder {junit.parent}", another)
    ask = access.ask_sudo_password
    with open_session(access.inventory, access.sets, which.selection, ask_sudo_password=ask) as fleet:
        reads = ClusterReads([view for node in fleet.nodes for view in node.views], fleet.hosts.of)
        reads.begin()
        subjects = print_errors(
            fleet.each(lambda node, hosts: [subject.look(view, hosts, FAMILY, reads) for view in node.views])
        )
        view = check_view(
            [each.state.node.name for own in subjects.good for each in own],
            [each.title(FAMILY) for each in runner.CHECKS],
            as_json=shown.as_json,
        )
        with (
            cancelled_by_signals(lambda _cancel: say("interrupted: removing the pods of the checks")) as cancel,
            view.moving(),
        ):
            found = runner.verify_all(subjects.good, cancel, view.on_result)
    verified = {each[0].state.node.name: made for each, made in zip(subjects.good, found, strict=True)}
    verified |= {name: runner.not_looked_at(name, error) for name, error in subjects.failed.items()}
    results = [result for node in fleet.nodes for result in verified[node.name].results]
    show_results(results, subjects.errors, view, as_json=shown.as_json)
    if junit is not None:
        _write_junit(junit, results)
    raise typer.Exit(DONE if all(each.passed for each in verified.values()) else FAILED)


def show_results(
    results: Sequence[CheckResult], errors: Sequence[NodeprovError], view: CheckView, *, as_json: bool
) -> None:
    """Print what the checks found; in JSON a node that cannot be looked at is one of the errors."""
    from nodeprov.reports.findings import NODE, results_json

    if as_json:
        show_json({"findings": [results_json(each) for each in results if each.check != NODE]}, errors)
    else:
        view.show_rest(results)


def _write_junit(path: Path, results: Sequence[CheckResult]) -> None:
    from nodeprov.local_files import write_whole
    from nodeprov.redaction import visible
    from nodeprov.reports.findings import results_junit

    # XML has no control characters, not even as escapes.
    write_whole(path, visible(results_junit(results)).encode(), option="--junit")
