"""`nodeprov try`: a workload's shadow in the sandbox, beside the same under runc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED, PENDING, cancelled_by_signals
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nodeprov.hosts.provider import HostProvider
    from nodeprov.inventory import Node
    from nodeprov.kubernetes.trials.trying import Pods
    from nodeprov.workloads.catalogue import Behaviour

LONGEST_SECONDS = 120


@options.command(
    "nodeprov try deployment/web -n shop",
    "nodeprov try shop/statefulset/db --with-secrets --with-volumes",
    codes="0: it runs as without the sandbox, 1: it does not, or could not be tried, 3: it runs, and something "
    "works differently without a message",
)
def trial(
    workload: Annotated[str, typer.Argument(metavar="[NAMESPACE/]KIND/NAME", help="A workload of the cluster.")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", metavar="NAME", help="Its namespace. Default: default.")
    ] = None,
    with_volumes: Annotated[
        bool,
        typer.Option("--with-volumes", help="Mount its claims and folders of the node too; else they are empty."),
    ] = False,
    with_secrets: Annotated[
        bool,
        typer.Option("--with-secrets", help="Give it its secrets and its service account's token too."),
    ] = False,
    seconds: Annotated[
        int, typer.Option("--seconds", metavar="N", min=1, help="How long it has to become ready.")
    ] = LONGEST_SECONDS,
    *,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Run a workload's pod once more in the sandbox, and beside it under runc; compare, and remove both.

    The two pods have other labels: no Service selects them, nor any NetworkPolicy that
    goes by the workload's labels. But they do what their program does:
    one that takes jobs from a queue takes them.
    """
    from nodeprov.cli.inventory import load
    from nodeprov.cli.reaching import reach
    from nodeprov.cli.session import end_if_left
    from nodeprov.hosts.base import Place
    from nodeprov.kubernetes.trials.trying import Subject, Trier
    from nodeprov.workloads.explain import explanations
    from nodeprov.workloads.shadow import Wanted, shadow
    from nodeprov.workloads.trial import Trial

    options.insist_on_namespaces("--namespace", () if namespace is None else (namespace,))
    subject = Subject.of(workload, namespace)
    whole = load(access.inventory, access.sets)
    ask, left = access.ask_sudo_password, list[NodeprovError]()
    with reach(whole, whole.nodes[:1], ask_sudo_password=ask) as reached:
        first = reached.nodes[0]
        cluster = reached.hosts.of(first).get(Place.CLUSTER)
        if cluster is None:
            raise UsageError("[cluster] enabled is false: there are no pods", "set it to true", where=whole.path)
        with cancelled_by_signals(lambda _cancel: say("interrupted: removing the pods")) as cancel:
            trier = Trier.of(cluster, first.settings, subject, seconds, cancel.wait, left.append)
            read = trier.whole()
            made = shadow(read, Wanted(volumes=with_volumes, secrets=with_secrets))
            say(f"{subject.title}: running it in the sandbox, and beside it")
            with trier.running(made) as pods:
                calls = _calls(whole.nodes, reached.hosts, pods)
    said = explanations(pods.sandbox.said)
    found = Trial(
        title=subject.title,
        node=pods.node,
        sandbox=pods.sandbox,
        runc=pods.runc,
        left_out=tuple(made.left_out),
        calls=calls,
        meets=_meets(read),
        explanations=tuple(said),
    )
    if shown.as_json:
        show_json({"trial": found.as_json()}, left)
    else:
        show_text("\n".join(found.lines()))
    end_if_left(left)
    raise typer.Exit(FAILED if found.is_worse else PENDING if found.meets or found.calls else DONE)


def _calls(nodes: Sequence[Node], hosts: HostProvider, pods: Pods) -> tuple[str, ...] | None:
    """Read which calls the sandbox of the pod did not know; None if its node cannot be asked."""
    from nodeprov.hosts.base import Place
    from nodeprov.runtimes import FAMILY

    node = next((each for each in nodes if each.name == pods.node), None)
    if node is None:
        return None
    try:
        found = hosts.of(node)[Place.NODE].ask([FAMILY.unsupported_calls()])[0]
    except NodeprovError:
        return None
    return tuple(note.call for each in found if each.uid == pods.uid for note in each.notes)


def _meets(whole: Mapping[str, object]) -> tuple[Behaviour, ...]:
    from nodeprov.workloads.meets import met
    from nodeprov.workloads.pods import workloads_of

    return tuple(dict.fromkeys(each.behaviour for one in workloads_of([whole]) for each in met(one)))
