"""`nodeprov verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli.exit_codes import DONE, FAILED
from nodeprov.cli.options import (
    AskSudoPasswordOption,
    InventoryOption,
    JsonOption,
    NoColorOption,
    NodesArgument,
    QuietOption,
    SetOption,
    VerboseOption,
    examples,
)
from nodeprov.errors import NodeprovError

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "nodeprov verify 'worker*'",
        "nodeprov verify 'worker*' --junit verify.xml --quiet",
        codes="0: all is as it was installed, 1: a check failed, or could not be made",
    )
)
def verify(
    nodes: NodesArgument,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML too.")
    ] = None,
    inventory: InventoryOption = None,
    sets: SetOption = None,
    ask_sudo_password: AskSudoPasswordOption = False,
    as_json: JsonOption = False,
    _quiet: QuietOption = False,
    _verbose: VerboseOption = False,
    _no_color: NoColorOption = False,
) -> None:
    """Check with testinfra that nodes are as they were installed, and that a pod is sandboxed there."""
    from nodeprov.cli.output import print_error, say, show_findings, write_junit
    from nodeprov.cli.session import opened
    from nodeprov.diagnosis.verify import verifying

    with opened(inventory, sets, nodes, ask_sudo_password=ask_sudo_password) as session:
        errands = verifying.errands(session.nodes, session.connections)
    answers = verifying.verify_all(errands, lambda: say("interrupted: removing the pods of the checks"))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    for error in errors:
        if not isinstance(error, NodeprovError):
            raise error
        print_error(error)
    verified = [answer for answer in answers if not isinstance(answer, Exception)]
    findings = [finding for each in verified for finding in each.findings]
    if junit is not None:
        write_junit(junit, findings)
    show_findings(findings, [error for error in errors if isinstance(error, NodeprovError)], as_json=as_json)
    bad = errors or any(each.interrupted for each in verified) or any(f.result == "failed" for f in findings)
    raise typer.Exit(FAILED if bad else DONE)
