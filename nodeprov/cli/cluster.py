"""`nodeprov cluster`: the engine in the cluster is installed, run from here, looked at, and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import cluster_doing as doing
from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.expansion import each_of_a_group
from nodeprov.cli.main import DONE
from nodeprov.cli.output import say, show_json, show_text, some_of
from nodeprov.errors import NodeprovError

if TYPE_CHECKING:
    from nodeprov.cli.cluster_reach import Site
    from nodeprov.dispatch.api import Api
    from nodeprov.dispatch.applying import Planned
    from nodeprov.dispatch.views import NodeView
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


Stage = Annotated[
    bool,
    typer.Option(
        "--stage",
        help="Only bring the images and the release to the nodes, before the window: no pod is concerned.",
    ),
]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted besides the inventory."""

    engine_image: Engine = None
    release_image: Release = None
    lock: options.Lock = None
    stage: Stage = False
    drain: options.Drain = False

    def site(self, there: There) -> Site:
        """Read the inventory, with what the options lay over it."""
        from nodeprov.cli.cluster_reach import site

        return site(there.inventory, options.with_drain(there.sets, self.drain))

    def of(self, found: Site, now: Wanted | None) -> Wanted:
        """Put together what is wanted; `now` is what the cluster has."""
        from nodeprov.cli.cluster_reach import wanted_of
        from nodeprov.dispatch.wanted import INSTALL, STAGE

        wanted = wanted_of(found, self.lock, self.engine_image, self.release_image, now)
        return replace(wanted, action=STAGE if self.stage else INSTALL)

    def now(self, api: Api, namespace: str) -> Wanted | None:
        """Read what the cluster has; what is damaged there counts for nothing where both images are named here."""
        from nodeprov.dispatch.wanted import DamagedError, read_wanted

        try:
            return read_wanted(api, namespace)
        except DamagedError as error:
            if not (self.engine_image and self.release_image):
                raise
            say(f"{error.where}: {error.message}: it is written anew")
            return None


@dataclass(frozen=True, slots=True)
class There:
    """Which cluster is meant, how it is reached, and where in it the engine is."""

    PANEL: ClassVar = "Inventory and access"

    inventory: options.Inventory = None
    sets: options.Set = None
    namespace: Namespace = SYSTEM
    ask_sudo_password: options.AskSudoPassword = False

    def __post_init__(self) -> None:
        options.insist_on_namespaces("--namespace", (self.namespace,))


@cluster.command()
@each_of_a_group
def install(
    *,
    wish: Wish,
    render: Annotated[
        bool, typer.Option("--render", help="Print the objects as YAML, for GitOps. The cluster is not asked.")
    ] = False,
    yes: options.Yes = False,
    there: There,
    shown: groups.Shown,
) -> None:
    """Put the engine into the cluster: a dispatcher that installs nodes, and stays for those that join later."""
    from nodeprov.cli.cluster_reach import reached
    from nodeprov.dispatch.objects import Place, objects, yaml
    from nodeprov.dispatch.wanted import Members

    found = wish.site(there)
    if render:
        wanted = wish.of(found, None)
        wanted = replace(wanted, run=wanted.digest)  # the same input gives the same text
        show_text(yaml(objects(wanted, Members(wanted), Place(there.namespace))).rstrip("\n"))
        return
    with reached(found.whole, ask_sudo_password=there.ask_sudo_password) as api:
        now, nodes = wish.now(api, there.namespace), _nodes(api)
        wanted = _wanted(nodes, wish.of(found, now), now)
        members = _learnt(Members(wanted), nodes)
        planned = _planned(api, wanted, members, Place(there.namespace), resident=True)
        counts = _counts(nodes, wanted, members)
        doing.show_plan(planned, counts, stages=wish.stage, as_json=shown.as_json, yes=yes)
        done = doing.applied(api, planned)
    if shown.as_json:
        show_json({"run": wanted.run, "objects": _objects_json(done), **counts})
    else:
        say("the dispatcher goes on by itself: nodeprov cluster status" if done else "nothing to do")


@cluster.command()
@each_of_a_group
def run(*, wish: Wish, yes: options.Yes = False, there: There, shown: groups.Shown) -> None:
    """Install the nodes by the cluster once, and wait until it is done; nothing stays that runs.

    The dispatcher runs here; the engines run in pods on the nodes. Ctrl-C gives back the nodes on which nothing
    has restarted: they are uncordoned, and as before. Other nodes go on. A second Ctrl-C ends it at once.
    """
    from nodeprov.cli.cluster_reach import reached
    from nodeprov.dispatch.objects import Place
    from nodeprov.dispatch.wanted import Members

    found = wish.site(there)
    with reached(found.whole, ask_sudo_password=there.ask_sudo_password) as api:
        doing.insist_on_no_resident(api, there.namespace)
        now, nodes = wish.now(api, there.namespace), _nodes(api)
        wanted = _wanted(nodes, wish.of(found, now), now)
        members = _learnt(Members(wanted), nodes)
        planned = _planned(api, wanted, members, Place(there.namespace), resident=False)
        counts = _counts(nodes, wanted, members)
        doing.show_plan(planned, counts, stages=wish.stage, as_json=shown.as_json, yes=yes)
        doing.applied(api, planned)
        came = doing.dispatched(api, wanted, there.namespace)
    doing.end(came, wanted.run, as_json=shown.as_json)


@cluster.command()
@each_of_a_group
def status(*, there: There, shown: groups.Shown) -> None:
    """Show how many nodes are done, which have failed and why, and which dispatcher leads."""
    from nodeprov.cli.cluster_reach import reached, site
    from nodeprov.dispatch.lease import LEASE
    from nodeprov.dispatch.wanted import Members, read_wanted

    with reached(site(there.inventory, there.sets or ()).whole, ask_sudo_password=there.ask_sudo_password) as api:
        now = read_wanted(api, there.namespace)
        if now is None:
            raise NodeprovError(
                f"nothing of nodeprov is in namespace {there.namespace}", "nodeprov cluster install"
            )
        counts = _counts(_nodes(api), now, Members(now))
        lease = api.find(f"/apis/coordination.k8s.io/v1/namespaces/{there.namespace}/leases/{LEASE}")
    holder = (lease or {}).get("spec", {}).get("holderIdentity") or ""
    doing.show_status(now.run, holder, counts, as_json=shown.as_json)


@cluster.command()
@each_of_a_group
def uninstall(*, yes: options.Yes = False, there: There, shown: groups.Shown) -> None:
    """Uninstall every node on which the cluster has installed, then take the engine out of the cluster."""
    from nodeprov.cli.cluster_reach import new_run, reached, site
    from nodeprov.dispatch import applying
    from nodeprov.dispatch.objects import Place, objects
    from nodeprov.dispatch.wanted import UNINSTALL, Members, read_wanted

    with reached(site(there.inventory, there.sets or ()).whole, ask_sudo_password=there.ask_sudo_password) as api:
        now, nodes = read_wanted(api, there.namespace), _nodes(api)
        if now is None:
            _nothing_to_do(there.namespace, as_json=shown.as_json)
        members = _learnt(Members(now), nodes)
        # Another run each time: a node that has failed in the one before is tried again.
        leaving = replace(now, action=UNINSTALL, run=new_run("out"))
        values = objects(now, members, Place(there.namespace))
        counts = _counts(nodes, leaving, members)
        going = applying.plan_removal(api, values)
        doing.show_plan(going, counts, as_json=shown.as_json, yes=yes)
        list(applying.remove(api, [each for each in values if each["kind"] == "Deployment"]))
        came = doing.dispatched(api, leaving, there.namespace)
        if came.exit_code == DONE:
            _insist_on_none_left(api)
            list(applying.remove(api, [*values, *applying.unused_classes(api, members.every)]))
    doing.end(came, leaving.run, as_json=shown.as_json)


def _nothing_to_do(namespace: str, *, as_json: bool) -> NoReturn:
    from nodeprov.dispatch.one_shot import Came

    say(f"nothing to do: nothing of nodeprov is in namespace {namespace}")
    doing.end(Came((), {}, was_stopped=False), "", as_json=as_json)


def _insist_on_none_left(api: Api) -> None:
    """Raise NodeprovError where a node carries a mark of ours still: without the engine nobody would find it."""
    if left := [each.name for each in _nodes(api).values() if each.is_ours]:
        raise NodeprovError(f"still installed: {some_of(left)}; the engine stays", "nodeprov cluster uninstall")


def _wanted(nodes: Mapping[str, NodeView], wanted: Wanted, now: Wanted | None) -> Wanted:
    """Keep the name of the run where the same is wanted and no node has failed: then nodes stay as they are."""
    from nodeprov.cli.cluster_reach import same_run
    from nodeprov.dispatch.wanted import Members

    kept = same_run(wanted, now)
    if kept.run == wanted.run or _counts(nodes, kept, Members(wanted))["failed"]:
        return wanted
    return kept


def _learnt(members: Members, nodes: Mapping[str, NodeView]) -> Members:
    """Have the settings of the nodes that there are: what they may need together is in roles and policies."""
    members.learn(each.name for each in nodes.values() if each.is_ours or members.chooses(each))
    return members


def _planned(api: Api, wanted: Wanted, members: Members, place: Any, *, resident: bool) -> Sequence[Planned]:
    from nodeprov.dispatch.applying import plan
    from nodeprov.dispatch.objects import objects

    return plan(api, objects(wanted, members, place, resident=resident))


def _nodes(api: Api) -> dict[str, NodeView]:
    """Read all nodes of the cluster."""
    from nodeprov.dispatch.views import NodeView

    nodes = [NodeView.of(each) for page in api.pages("/api/v1/nodes") for each in page["items"]]
    return {each.name: each for each in nodes}


def _counts(nodes: Mapping[str, NodeView], wanted: Wanted, members: Members) -> dict[str, Any]:
    from nodeprov.dispatch.overview import overview

    return overview(nodes, wanted, members).to_json()


def _objects_json(done: Sequence[Planned]) -> list[dict[str, str]]:
    return [{"object": each.title, "did": each.verb} for each in done]
