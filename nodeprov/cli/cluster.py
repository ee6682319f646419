"""`nodeprov cluster`: the engine in the cluster is installed, run from here, looked at, and taken away."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options, output
from nodeprov.cli.main import DONE, cancelled_by_signals
from nodeprov.cli.output import confirm, say, show_json, show_text
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from nodeprov.dispatch.api import Api
    from nodeprov.dispatch.applying import Planned
    from nodeprov.dispatch.one_shot import Came
    from nodeprov.dispatch.wanted import Members, Wanted

cluster = typer.Typer(
    help="Have the cluster install its nodes itself: without SSH, also those that join later.",
    epilog=options.examples(
        "nodeprov cluster install --engine-image R/engine@sha256:... --release-image R/release@sha256:...",
        "nodeprov cluster install --render > nodeprov.yaml",
        "nodeprov cluster run --yes",
        "nodeprov cluster status --json",
        "nodeprov cluster uninstall",
        codes="0: done, 1: failed or not confirmed, 3: nodes are left, 4: one is between two states",
    ),
    no_args_is_help=True,
    add_completion=False,
)

Engine = Annotated[
    str | None,
    typer.Option(
        "--engine-image",
        metavar="NAME@DIGEST",
        help="Image of `nodeprov image --engine`. Default: the one that the cluster has now.",
    ),
]
Release = Annotated[
    str | None,
    typer.Option(
        "--release-image",
        metavar="NAME@DIGEST",
        help="Image of `nodeprov image --release`. Default: the one that the cluster has now.",
    ),
]
Namespace = Annotated[
    str, typer.Option("--namespace", metavar="NAME", help="Namespace for the engine, and for nothing else.")
]
SYSTEM = "nodeprov-system"


@cluster.command()
def install(
    engine_image: Engine = None,
    release_image: Release = None,
    render: Annotated[
        bool, typer.Option("--render", help="Print the objects as YAML, for GitOps. The cluster is not asked.")
    ] = False,
    namespace: Namespace = SYSTEM,
    lock: options.Lock = None,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Put the engine into the cluster: a dispatcher that installs nodes, and stays for those that join later."""
    from nodeprov.cli.cluster_reach import reached, site, wanted_of
    from nodeprov.dispatch.objects import Place, objects, yaml
    from nodeprov.dispatch.wanted import Members, read_wanted

    found = site(inventory)
    if render:
        wanted = wanted_of(found, lock, engine_image, release_image, None)
        wanted = replace(wanted, run=wanted.digest)  # the same input gives the same text
        show_text(yaml(objects(wanted, Members(wanted), Place(namespace))).rstrip("\n"))
        return
    with reached(found.whole) as api:
        now = read_wanted(api, namespace)
        wanted = _wanted(api, wanted_of(found, lock, engine_image, release_image, now), now)
        members = Members(wanted)
        planned = _planned(api, wanted, members, Place(namespace, _has_control_plane(api)), resident=True)
        counts = _counts(api, wanted, members)
        _show_plan(planned, counts, as_json=as_json, yes=yes)
        done = _applied(api, planned)
    if as_json:
        show_json({"run": wanted.run, "objects": _objects_json(done), **counts})
    else:
        say("the dispatcher goes on by itself: nodeprov cluster status" if done else "nothing to do")


@cluster.command()
def run(
    engine_image: Engine = None,
    release_image: Release = None,
    namespace: Namespace = SYSTEM,
    lock: options.Lock = None,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Install the nodes by the cluster once, and wait until it is done; nothing stays that runs.

    The dispatcher runs here; the engines run in pods on the nodes.
    """
    from nodeprov.cli.cluster_reach import reached, site, wanted_of
    from nodeprov.dispatch.objects import Place
    from nodeprov.dispatch.wanted import Members, read_wanted

    found = site(inventory)
    with reached(found.whole) as api:
        now = read_wanted(api, namespace)
        wanted = _wanted(api, wanted_of(found, lock, engine_image, release_image, now), now)
        members = Members(wanted)
        planned = _planned(api, wanted, members, Place(namespace), resident=False)
        counts = _counts(api, wanted, members)
        _show_plan(planned, counts, as_json=as_json, yes=yes)
        _applied(api, planned)
        came = _dispatched(api, wanted, namespace)
    _end(came, wanted.run, as_json=as_json)


@cluster.command()
def status(
    namespace: Namespace = SYSTEM,
    inventory: options.Inventory = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show how many nodes are done, which have failed and why, and which dispatcher leads."""
    from nodeprov.cli.cluster_reach import reached, site
    from nodeprov.dispatch.lease import LEASE
    from nodeprov.dispatch.wanted import Members, read_wanted

    with reached(site(inventory).whole) as api:
        now = read_wanted(api, namespace)
        if now is None:
            raise NodeprovError(f"nothing of nodeprov is in namespace {namespace}", "nodeprov cluster install")
        counts = _counts(api, now, Members(now))
        lease = api.find(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}")
    holder = (lease or {}).get("spec", {}).get("holderIdentity") or ""
    if as_json:
        show_json({"run": now.run, "leader": holder, **counts})
        return
    for state, count in counts["nodes"].items():
        show_text(f"{state:10}{count:7}")
    for name, why in counts["failed"].items():
        show_text(f"{name}: {why}")
    say(f"run {now.run}; the dispatcher that leads: {holder or 'none'}")


@cluster.command()
def uninstall(
    namespace: Namespace = SYSTEM,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Uninstall every node on which the cluster has installed, then take the engine out of the cluster."""
    from nodeprov.cli.cluster_reach import reached, site
    from nodeprov.dispatch import applying
    from nodeprov.dispatch.objects import Place, objects
    from nodeprov.dispatch.wanted import UNINSTALL, Members, read_wanted

    with reached(site(inventory).whole) as api:
        now = read_wanted(api, namespace)
        if now is None:
            say(f"nothing to do: nothing of nodeprov is in namespace {namespace}")
            raise typer.Exit(DONE)
        members = Members(now)
        leaving = replace(now, action=UNINSTALL, run=f"{now.run}-out"[-40:])
        values = objects(now, members, Place(namespace))
        counts = _counts(api, leaving, members)
        going = applying.plan_removal(api, values)
        _show_plan(going, counts, as_json=as_json, yes=yes)
        list(applying.remove(api, [each for each in values if each["kind"] == "Deployment"]))
        came = _dispatched(api, leaving, namespace)
        if came.exit_code == DONE:
            list(applying.remove(api, [*values, *applying.unused_classes(api, members.every)]))
    _end(came, leaving.run, as_json=as_json)


def _wanted(api: Api, wanted: Wanted, now: Wanted | None) -> Wanted:
    """Keep the name of the run where the same is wanted and no node has failed: then nodes stay as they are."""
    from nodeprov.cli.cluster_reach import same_run
    from nodeprov.dispatch.wanted import Members

    members = Members(wanted)
    kept = same_run(wanted, now)
    if kept.run == wanted.run or _counts(api, kept, members)["failed"]:
        return wanted
    return kept


def _planned(api: Api, wanted: Wanted, members: Members, place: Any, *, resident: bool) -> Sequence[Planned]:
    from nodeprov.dispatch.applying import plan
    from nodeprov.dispatch.objects import objects

    return plan(api, objects(wanted, members, place, resident=resident))


def _has_control_plane(api: Api) -> bool:
    from nodeprov.engine.rollout import CONTROL_PLANE

    return bool(api.get("/api/v1/nodes", labelSelector=CONTROL_PLANE, limit="1")["items"])


def _counts(api: Api, wanted: Wanted, members: Members) -> dict[str, Any]:
    from nodeprov.dispatch.views import NodeView
    from nodeprov.dispatch.wanted import states

    nodes = [NodeView.of(each) for page in api.pages("/api/v1/nodes") for each in page["items"]]
    return states({each.name: each for each in nodes}, wanted, members)


def _show_plan(planned: Sequence[Planned], counts: dict[str, Any], *, as_json: bool, yes: bool) -> None:
    """Show what is to be done, and ask unless that is answered already."""
    pending = [each for each in planned if each.verb != "keep"]
    due = counts["nodes"]["due"]
    if not as_json and not output.quiet.is_set():
        signs = {"create": "+", "change": "~", "delete": "-"}
        for each in pending:
            show_text(f"  {signs[each.verb]} {each.title}")
        show_text(f"  {due} node{'' if due == 1 else 's'} to be changed, as [rollout] says")
    if (pending or due) and not yes:
        if as_json:
            raise UsageError("--json shows no plan to ask about", "run it without --json first, then add --yes")
        confirm("Change the cluster?", "review the plan above", "nothing was changed")


def _applied(api: Api, planned: Sequence[Planned]) -> list[Planned]:
    from nodeprov.dispatch.applying import apply

    done = []
    for each in apply(api, planned):
        say(f"{each.title}: {each.verb}d")
        done.append(each)
    return done


def _objects_json(done: Sequence[Planned]) -> list[dict[str, str]]:
    return [{"object": each.title, "did": each.verb} for each in done]


def _dispatched(api: Api, wanted: Wanted, namespace: str) -> Came:
    """Dispatch from here until nothing is left; a signal ends it, and what was begun goes on in the cluster."""
    from nodeprov.cli.output import print_error
    from nodeprov.dispatch.one_shot import dispatch_here
    from nodeprov.dispatch.one_shot import said as how
    from nodeprov.dispatch.surroundings import Surroundings
    from nodeprov.runtimes import FAMILY

    stop = threading.Event()
    with cancelled_by_signals(lambda _cancellation: stop.set()):
        around = Surroundings(
            namespace,
            f"{socket.gethostname()}-{os.getpid()}",
            FAMILY.kernel_line,
            on_wait=lambda node, why: say(f"{node}: its pod does not start yet: {why}"),
            on_end=lambda end: say(how(end)),
            on_error=print_error,
            stop=stop,
        )
        return dispatch_here(api, wanted, around)


def _end(came: Came, run: str, *, as_json: bool) -> NoReturn:
    """Show how it ended, and end the process."""
    if as_json:
        show_json({"run": run, **came.to_json()})
    for end in came.ends:
        if end.ended.hint and not as_json:
            output.print_error(NodeprovError(end.ended.why, end.ended.hint, where=end.node))
    for node, why in list(came.untouched.items())[:10]:
        say(f"{node}: not begun: {why}")
    if came.was_stopped:
        say("interrupted: what was begun goes on in the cluster; the next run sees it to its end")
    raise typer.Exit(came.exit_code or DONE)
