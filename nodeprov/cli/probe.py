"""`nodeprov probe`: what a workload meets in the sandbox of a node, asked there in pods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED, PENDING, cancelled_by_signals
from nodeprov.cli.output import moving, print_error, say, show_json, show_table, show_text
from nodeprov.errors import NodeprovError, OnLeft, UsageError

if TYPE_CHECKING:
    from nodeprov.diagnosis.verify.subject import Subject
    from nodeprov.workloads.probe_report import Probed


@options.command(
    "nodeprov probe worker1",
    "nodeprov probe worker1 --markdown > sandbox.md",
    "nodeprov probe 'worker*' --json",
    codes="0: as recorded for the release, 1: something could not be found out, 3: something is new, or gone",
)
def probe(
    *,
    which: groups.Which,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for the pages of your own platform.")
    ] = False,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Ask on nodes what a workload meets in the sandbox, in pods with it and without it.

    What is known of the release is compared. The pods are in a namespace of their own, which is
    removed at the end.
    """
    if as_markdown and shown.as_json:
        raise UsageError("--markdown and --json are two forms", "leave one of them out")
    from nodeprov.cli.session import open_session, print_errors
    from nodeprov.diagnosis.verify import subject
    from nodeprov.hosts.at_once import at_once
    from nodeprov.runtimes import FAMILY

    ask, left = access.ask_sudo_password, list[NodeprovError]()
    with open_session(access.inventory, access.sets, which.selection, ask_sudo_password=ask) as fleet:
        subjects = print_errors(
            fleet.each(lambda node, hosts: [subject.look(view, hosts, FAMILY) for view in node.views])
        )
        if subjects.good:
            say("asking in pods, with the sandbox and without it: about a minute")
        with (
            moving("asking in pods"),
            cancelled_by_signals(lambda _cancel: say("interrupted: removing the pods")) as cancel,
        ):
            answers = at_once(lambda each: [_probed(one, cancel.wait, left.append) for one in each], subjects.good)
    probed = [one for each in answers if not isinstance(each, Exception) for one in each]
    errors = [*subjects.errors, *_told([*answers, *left])]
    show(probed, errors, as_json=shown.as_json, as_markdown=as_markdown)
    raise typer.Exit(_code(probed, errors))


def show(probed: Sequence[Probed], errors: Sequence[NodeprovError], *, as_json: bool, as_markdown: bool) -> None:
    """Print what was found out, in the form that is wanted, and count it."""
    from nodeprov.workloads import probe_report as report

    if as_json:
        show_json({"nodes": [report.as_json(each) for each in probed]}, errors)
    elif as_markdown:
        show_text(report.markdown(probed))
    elif probed:
        show_table(report.table(probed))
    for each in probed:
        say(report.summary(each))


def _told(answers: Sequence[object]) -> list[NodeprovError]:
    """Print why nodes were not probed; raise what is no error of theirs."""
    errors = []
    for each in answers:
        if isinstance(each, NodeprovError):
            print_error(each)
            errors.append(each)
        elif isinstance(each, Exception):
            raise each
    return errors


def _probed(subject: Subject, sleep: Callable[[float], None], on_left: OnLeft) -> Probed:
    from nodeprov.hosts.base import Place
    from nodeprov.kubernetes import images
    from nodeprov.kubernetes.trials.probing import Prober
    from nodeprov.workloads.judgement import judged
    from nodeprov.workloads.probe_report import Probed

    state, name = subject.state, subject.state.node.name
    if Place.CLUSTER not in subject.hosts:
        raise NodeprovError(
            "[cluster] enabled is false: no pods can be made", f"nodeprov inventory {name}", where=name
        )
    if not subject.release:
        raise NodeprovError(f"there is no {subject.layout.handler} on the node", subject.install, where=name)
    host, cluster = subject.hosts[Place.NODE], subject.hosts[Place.CLUSTER]
    with images.available(host, state.machine.architecture, state.daemon, state.settings) as image:
        answers = Prober(host, cluster, state.settings, state.daemon, name, image, sleep, on_left).ask()
    release, flags = subject.release.partition("-")[0], subject.flags
    cgroup_version = state.machine.cgroup_version
    findings = tuple(judged(answers, release, flags, cgroup_version))
    return Probed(name, subject.layout.handler, release, flags, cgroup_version, findings)


def _code(probed: Sequence[Probed], errors: Sequence[NodeprovError]) -> int:
    from nodeprov.workloads.judgement import Verdict

    if errors or any(each.count(Verdict.FAILED) for each in probed):
        return FAILED
    return PENDING if any(each.count(Verdict.NEW) or each.count(Verdict.GONE) for each in probed) else DONE
