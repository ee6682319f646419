"""What the commands of `nodeprov cluster` do to a cluster: it is shown, asked for, done, and told."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import output
from nodeprov.cli.main import DONE, cancelled_by_signals
from nodeprov.cli.output import confirm, say, show_json, show_lines, show_text, some_of
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from nodeprov.dispatch.api import Api
    from nodeprov.dispatch.applying import Planned
    from nodeprov.dispatch.one_shot import Came
    from nodeprov.dispatch.wanted import Wanted


def show_plan(
    planned: Sequence[Planned], counts: dict[str, Any], *, stages: bool = False, as_json: bool, yes: bool
) -> None:
    """Show what is to be done, and ask unless that is answered already."""
    pending = [each for each in planned if each.verb != "keep"]
    due = counts["nodes"]["due"]
    if not as_json and not output.quiet.is_set():
        signs = {"create": "+", "change": "~", "delete": "-"}
        for each in pending:
            show_text(f"  {signs[each.verb]} {each.title}")
        how = "staged" if stages else "changed, as [rollout] says"
        show_text(f"  {due} node{'' if due == 1 else 's'} to be {how}")
    if (pending or due) and not yes:
        if as_json:
            raise UsageError("--json shows no plan to ask about", "run it without --json first, then add --yes")
        confirm("Change the cluster?", "review the plan above", "nothing was changed")


def applied(api: Api, planned: Sequence[Planned]) -> list[Planned]:
    """Give the cluster its objects; return those that were created or changed."""
    from nodeprov.dispatch.applying import apply

    done = []
    for each in apply(api, planned):
        say(f"{each.title}: {each.verb}d")
        done.append(each)
    return done


def insist_on_no_resident(api: Api, namespace: str) -> None:
    """Raise NodeprovError where a dispatcher stays in the cluster: it would do at once what is written for it."""
    from nodeprov.dispatch.objects import ACCOUNT

    found = api.find(f"/apis/apps/v1/namespaces/{namespace}/deployments/{ACCOUNT}")
    if found is not None and (found.get("spec") or {}).get("replicas", 1):
        raise NodeprovError(
            f"the cluster has a dispatcher that stays, {namespace}/{ACCOUNT}: it does what `cluster install` says",
            f"nodeprov cluster install; or first: kubectl delete deployment {ACCOUNT} --namespace {namespace}",
        )


def dispatched(api: Api, wanted: Wanted, namespace: str) -> Came:
    """Dispatch from here until nothing is left.

    A signal ends it: nodes on which nothing has restarted are given back, and what was begun there goes on in the
    cluster. A second one ends it at once.
    """
    from nodeprov.dispatch.one_shot import dispatch_here
    from nodeprov.dispatch.one_shot import said as how
    from nodeprov.dispatch.surroundings import Surroundings
    from nodeprov.runtimes import FAMILY

    stop, at_once = threading.Event(), threading.Event()

    def interrupt(_cancellation: object) -> None:
        if stop.is_set():
            at_once.set()
            say("interrupted again: ends at once")
            return
        stop.set()
        say("interrupted: the nodes on which nothing has restarted are given back; once more ends it at once")

    with cancelled_by_signals(interrupt):
        around = Surroundings(
            namespace,
            f"{socket.gethostname()}-{os.getpid()}",
            FAMILY.kernel_line,
            on_wait=lambda node, why: say(f"{node}: {why}"),
            on_end=lambda end: say(how(end)),
            on_error=output.print_error,
            on_fault=lambda node, traceback: say(f"{node}: a fault of nodeprov\n{traceback.rstrip()}"),
            stop=stop,
            at_once=at_once,
        )
        return dispatch_here(api, wanted, around)


def show_status(run: str, leader: str, counts: dict[str, Any], *, as_json: bool) -> None:
    """Print how many nodes are in which state, and what is wrong with which."""
    if as_json:
        show_json({"run": run, "leader": leader, **counts})
        return
    for state, count in counts["nodes"].items():
        show_text(f"{state:10}{count:7}")
    for name, why in (*counts["failed"].items(), *counts["drifted"].items()):
        show_lines(f"{name}: {why}")
    for name, since in counts.get("draining", {}).items():
        show_text(f"{name}: its pods are to leave, since {since}")
    for name, since in counts.get("waiting", {}).items():
        show_text(f"{name}: the end of pods is waited for, since {since}")
    say(f"run {run}; the dispatcher that leads: {leader or 'none'}")


def end(came: Came, run: str, *, as_json: bool) -> NoReturn:
    """Show how it ended, and end the process."""
    if as_json:
        show_json({"run": run, **came.to_json()})
    for each in came.ends:
        if each.ended.hint and not as_json:
            output.print_error(NodeprovError(each.ended.why, each.ended.hint, where=each.node))
    for node, why in list(came.untouched.items())[:10]:
        say(f"{node}: not begun: {why}")
    if came.was_stopped:
        _say_interrupted(came)
    if came.cordoned:
        say(f"still cordoned: {some_of(came.cordoned)}; the next run uncordons them at its end")
    raise typer.Exit(came.exit_code or DONE)


def _say_interrupted(came: Came) -> None:
    """Tell what was given back, and what goes on."""
    if came.given_back:
        say(f"given back, for nothing has restarted there: {some_of(came.given_back)}")
    for node, why in list(came.kept.items())[:10]:
        say(f"{node}: not given back: {why}")
    if came.kept:
        say("interrupted: what was begun goes on in the cluster; the next run sees it to its end")
