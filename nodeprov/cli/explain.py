"""`nodeprov explain`: what an error of a sandboxed pod means, and what to do."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import named_text, options
from nodeprov.cli.main import DONE, FAILED
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import UsageError
from nodeprov.inventory import ClusterSettings
from nodeprov.workloads.explain import Explanation, explanations

_POD = re.compile(r"((?P<namespace>[a-z0-9][a-z0-9-]*)/)?(?P<name>[a-z0-9][a-z0-9.-]*)")
_HINT = "kubectl describe pod NAME | nodeprov explain -"
_HINT_OF_LOGS = f"{_HINT}; of a log that is too large: tail --bytes=16M FILE | nodeprov explain -"
_HINT_OF_PODS = "nodeprov explain pod default/web"


@options.command(
    "kubectl describe pod web | nodeprov explain -",
    "kubectl get events | nodeprov explain -",
    "nodeprov explain pod shop/web",
    codes="0: at least one line is known, 1: none is, or the pod cannot be read, 2: the file cannot be read",
)
def explain(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE | pod NAMESPACE/NAME",
            help="A log, or what kubectl prints; - or nothing is standard input. Or a pod of the cluster.",
        ),
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="With pod: the context of the kubeconfig.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", metavar="FILE", help="With pod: another kubeconfig.")
    ] = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Explain errors of sandboxed pods: the cause, what shows it, and what to do.

    Lines of kubelet, containerd, the runtime, events and programs are looked at; what is not
    known is left out. Of a pod kubectl's description and the programs' last lines are read.
    """
    settings = ClusterSettings(kubeconfig=str(kubeconfig) if kubeconfig else None, context=context)
    where, text = _text(what or ["-"], settings)
    if not text.strip():
        raise UsageError("there is nothing in it", _HINT, where=where)
    found = explanations(text)
    if as_json:
        show_json({"explanations": [asdict(each) for each in found]})
    for each in () if as_json else found:
        show_text(_paragraph(each))
    if not found:
        say("nothing of it is known: look at the pod's events, and at its node's /var/log/pods")
    raise typer.Exit(DONE if found else FAILED)


def _text(what: list[str], settings: ClusterSettings) -> tuple[str, str]:
    """Return where the text is from, and the text; raise UsageError for arguments that mean nothing."""
    if what[0] == "pod" and len(what) == 2:
        return what[1], _of_pod(what[1], settings)
    if len(what) > 1:
        raise UsageError(f"{' '.join(what)} is neither one file nor a pod", f"{_HINT}; or: {_HINT_OF_PODS}")
    if settings.context or settings.kubeconfig:
        raise UsageError("--context and --kubeconfig say which cluster", _HINT_OF_PODS)
    if what == ["pod"] and not Path("pod").exists():
        raise UsageError("no pod is named", _HINT_OF_PODS)
    return named_text.place(what[0]), named_text.read(what[0], _HINT_OF_LOGS, replacing=True)


def _of_pod(named: str, settings: ClusterSettings) -> str:
    from nodeprov.hosts.provider import kubectl_host
    from nodeprov.kubernetes.trials.said_of_pod import read_said

    match = _POD.fullmatch(named)
    if match is None:
        raise UsageError("it is not the name of a pod", _HINT_OF_PODS, where=named)
    found = read_said(kubectl_host(), settings, match["namespace"] or "default", match["name"])
    if found.unread:
        say(f"note: what the pod's programs have printed cannot be read: {found.unread}")
    return found.text


def _paragraph(found: Explanation) -> str:
    return (
        f"line {found.line}: {found.said}\n"
        f"  cause: {found.cause} ({found.id})\n"
        f"  look: {found.evidence}\n"
        f"  do: {found.remedy}"
    )
