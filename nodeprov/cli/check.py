"""`nodeprov check`: what the pods of manifests meet in the sandbox, before they run there."""

from __future__ import annotations

import difflib
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli import named_text, options
from nodeprov.cli.main import DONE, FAILED, PENDING
from nodeprov.cli.output import print_error, say, show_json, show_text
from nodeprov.errors import UsageError
from nodeprov.inventory import ClusterSettings
from nodeprov.local_files import write_whole
from nodeprov.redaction import visible
from nodeprov.workloads import report
from nodeprov.workloads.catalogue import Effect
from nodeprov.workloads.meets import known, met
from nodeprov.workloads.pods import Others, Workload, workloads
from nodeprov.workloads.report import Checked

if TYPE_CHECKING:
    from nodeprov.kubernetes.trials.live_workloads import Read

_HINT = "name manifests in UTF-8, of 16 MiB at most; or: helm template CHART | nodeprov check -"


@options.command(
    "nodeprov check deployment.yaml",
    "helm template web ./chart | nodeprov check -",
    "nodeprov check k8s/*.yaml --allow seccomp --sarif sandbox.sarif",
    "nodeprov check --live -n shop",
    codes="0: nothing is known to differ, 1: something does not start, does not work, or could not be read, "
    "2: a file is not valid, 3: something works differently, without a message",
)
def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="YAML or JSON with Kubernetes objects; - is standard input."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Read the workloads from the cluster, with this machine's kubectl.")
    ] = False,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", metavar="NAME", help="With --live: of this namespace alone.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="With --live: the context of the kubeconfig.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", metavar="FILE", help="With --live: another kubeconfig.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="ID", help="Leave out what is known; may be given several times."),
    ] = None,
    sarif: Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Also write it as SARIF.")] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write it as JUnit XML.")
    ] = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show what the pods of manifests meet in a sandbox: what will not start, and what works differently.

    With --live those of the cluster. Only manifests are read, so what a program
    does is not examined. Objects without pods are left out.
    """
    allowed = _allowed(allow or ())
    gc.disable()  # all that is read is kept to the end: to look through it again and again takes half of the time
    read = _of_cluster(files, live, namespace, context, kubeconfig)
    errors = read.errors if read else ()
    checked = [_checked(each, allowed) for each in (read.workloads if read else _workloads(files or ()))]
    if sarif is not None:
        write_whole(sarif, report.as_sarif(checked, __version__).encode(), option="--sarif")
    if junit is not None:
        # XML has no control characters, not even as escapes.
        write_whole(junit, visible(report.as_junit(checked)).encode(), option="--junit")
    if as_json:
        show_json({"workloads": report.as_json(checked)}, errors)
    else:
        for text in report.texts(checked):
            show_text(text)
        say(report.summary(checked))
    for error in errors:
        print_error(error)
    raise typer.Exit(FAILED if errors else _code(checked))


def _allowed(names: Sequence[str]) -> frozenset[str]:
    for name in names:
        if name not in known():
            close = difflib.get_close_matches(name, sorted(known()), n=1)
            hint = f"did you mean {close[0]}?" if close else f"it is one of {', '.join(sorted(known()))}"
            raise UsageError(f"nothing is called {name}", hint, where="--allow")
    return frozenset(names)


def _of_cluster(
    files: Sequence[str] | None, live: bool, namespace: str | None, context: str | None, kubeconfig: Path | None
) -> Read | None:
    """Read the workloads of a cluster, if that is asked for; raise UsageError for what does not go together."""
    if not live:
        if namespace or context or kubeconfig:
            raise UsageError("--namespace, --context and --kubeconfig say which cluster", "add --live")
        if not files:
            raise UsageError("no file is named", "name a FILE, - for standard input, or --live for the cluster")
        return None
    if files:
        raise UsageError("a FILE and --live are two things", "leave one of them out")
    options.insist_on_namespaces("--namespace", () if namespace is None else (namespace,))
    from nodeprov.hosts.provider import kubectl_host
    from nodeprov.kubernetes.trials.live_workloads import read_workloads

    settings = ClusterSettings(kubeconfig=str(kubeconfig) if kubeconfig else None, context=context)
    return read_workloads(kubectl_host(), settings, namespace or "")


def _workloads(files: Sequence[str]) -> Iterator[Workload]:
    """Read all files before anything is said of one; raise UsageError if there is no pod in any of them."""
    found: list[Workload] = []
    others: dict[str, Others] = {}
    for name in files:
        for each in workloads(named_text.read(name, _HINT), named_text.place(name)):
            if isinstance(each, Workload):
                found.append(each)
            else:
                others.setdefault(each.kind, each)
    if others:
        say(f"these kinds have no pod and were not checked: {', '.join(sorted(others))}")
    if not found:
        raise UsageError(
            "there is no pod in it, and no template of one",
            "name manifests of pods, Deployments and the like: helm template prints them",
            where=" ".join(files),
        )
    yield from found


def _checked(workload: Workload, allowed: frozenset[str]) -> Checked:
    return Checked.of(workload, [each for each in met(workload) if each.behaviour.id not in allowed])


def _code(checked: Sequence[Checked]) -> int:
    effects = {behaviour.effect for each in checked for behaviour, _ in each.found}
    if effects & {Effect.REFUSED, Effect.FAILS}:
        return FAILED
    return PENDING if effects else DONE
