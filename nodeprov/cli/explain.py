"""`nodeprov explain`: what an error of a sandboxed pod means, and what to do."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import UsageError
from nodeprov.local_files import read_bounded
from nodeprov.workloads.explain import Explanation, explanations

_HINT = "kubectl describe pod NAME | nodeprov explain -"


@options.command(
    "kubectl describe pod web | nodeprov explain -",
    "kubectl get events | nodeprov explain -",
    "nodeprov explain kubelet.log",
    codes="0: at least one line is known, 1: none is, 2: the file cannot be read, or is empty",
)
def explain(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A log, or what kubectl prints; - is standard input.")
    ] = "-",
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Explain errors of sandboxed pods: the cause, what shows it, and what to do.

    Lines of kubelet, containerd, the runtime, events and programs are looked at; what is not
    known is left out. Nothing is connected to.
    """
    text = sys.stdin.read() if file == "-" else read_bounded(Path(file), "file", "nodeprov explain FILE")
    if not text.strip():
        raise UsageError("there is nothing in it", _HINT, where="standard input" if file == "-" else file)
    found = explanations(text)
    if as_json:
        show_json({"explanations": [asdict(each) for each in found]})
    for each in () if as_json else found:
        show_text(_paragraph(each))
    if not found:
        say("nothing of it is known: look at the pod's events, and at its node's /var/log/pods")
    raise typer.Exit(DONE if found else FAILED)


def _paragraph(found: Explanation) -> str:
    return (
        f"line {found.line}: {found.said}\n"
        f"  cause: {found.cause} ({found.id})\n"
        f"  look: {found.evidence}\n"
        f"  do: {found.remedy}"
    )
