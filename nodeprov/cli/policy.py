"""`nodeprov policy`: who must run in a sandbox, first audited and then enforced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.inventory import load
from nodeprov.cli.main import DONE, FAILED, PENDING, cancelled_by_signals
from nodeprov.cli.output import confirm, quiet, say, show_event, show_json, show_outcomes, show_plans, show_text
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.hosts.base import Host
    from nodeprov.inventory import ClusterSettings, Inventory, Node
    from nodeprov.kubernetes.policy.objects import Sandboxes
    from nodeprov.kubernetes.policy.planning import Wanted
    from nodeprov.plan.plan import Plan

policy = typer.Typer(
    help="Who must run in a sandbox: admission policies of the cluster, audited before they are enforced.",
    epilog=options.examples(
        "nodeprov policy apply --audit shop",
        "nodeprov policy audit -n shop",
        "nodeprov policy apply --required shop",
        codes="0: done, or nothing to do, 1: refused or failed, 2: the command line or the inventory is wrong, "
        "3: changes are pending, 4: left between two states",
    ),
    no_args_is_help=True,
    add_completion=False,
)

Parts = Annotated[
    list[str] | None,
    typer.Option(
        "--part", metavar="NAME", help="Only this part: default, required or guards. Default: all three."
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="RULE",
        help="Leave this rule out: "
        "host-network, host-pid, host-ipc, host-path, privileged, capabilities or host-ports.",
    ),
]
Default = Annotated[
    list[str] | None,
    typer.Option("--default", metavar="NAMESPACE", help="Pods without a runtimeClassName get the sandbox there."),
]
Audit = Annotated[
    list[str] | None,
    typer.Option("--audit", metavar="NAMESPACE", help="Only warn there, and write it into the audit log."),
]
Required = Annotated[
    list[str] | None,
    typer.Option("--required", metavar="NAMESPACE", help="Refuse pods there that break a rule."),
]
Profile = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="NAMESPACE",
        help="Also Pod Security `restricted` there, and a NetworkPolicy that denies all.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be changed.")]


@policy.command(
    epilog=options.examples(
        "nodeprov policy render > policy.yaml",
        "nodeprov policy render --without host-path --profile shop",
        codes="0: printed, 2: the command line or the inventory is wrong",
    )
)
def render(
    nodes: options.SomeNodes = None,
    handler: options.Handler = None,
    part: Parts = None,
    without: Without = None,
    profile: Profile = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
) -> None:
    """Print the policies as YAML, for a repository from which somebody else applies them. Nothing is connected to.

    Namespaces are not in it: label them, as `nodeprov policy apply` does.
    """
    from nodeprov.kubernetes.policy.planning import manifests
    from nodeprov.kubernetes.policy.text import yaml

    _, sandboxes = _about(nodes, handler, without, inventory, sets)
    show_text(yaml(manifests(_wanted(sandboxes, part, {}, profile))))


@policy.command(
    epilog=options.examples(
        "nodeprov policy apply --audit shop",
        "nodeprov policy apply --required shop --profile shop --yes",
        "nodeprov policy apply --part default --default shop --dry-run",
        codes="0: done, or nothing to do, 1: refused, not confirmed or failed: as before, "
        "3: --dry-run: changes are pending, 4: left between two states",
    )
)
def apply(
    nodes: options.SomeNodes = None,
    handler: options.Handler = None,
    default: Default = None,
    audit: Audit = None,
    required: Required = None,
    profile: Profile = None,
    part: Parts = None,
    without: Without = None,
    dry_run: DryRun = False,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _timings: options.Timings = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = 0,
    _no_color: options.NoColor = False,
) -> None:
    """Make the policies in the cluster, and label namespaces: they hold only where a namespace is labelled.

    A namespace has one of the modes `default`, `audit` and `required`. Those that are not named stay as they are.
    """
    from nodeprov.kubernetes.kubectl import kubectl
    from nodeprov.kubernetes.policy.cluster import read
    from nodeprov.kubernetes.policy.planning import plan_apply

    site, sandboxes = _about(nodes, handler, without, inventory, sets)
    modes = _modes({"default": default or (), "audit": audit or (), "required": required or ()})
    wanted = _wanted(sandboxes, part, modes, profile)
    with _cluster(site, ask_sudo_password=ask_sudo_password) as host:
        kube = kubectl(site.cluster)
        plan = plan_apply(kube, wanted, read(host, kube, sandboxes.runtime_class))
        _carry_out(plan, host, dry_run=dry_run, yes=yes, as_json=as_json)


@policy.command(
    epilog=options.examples(
        "nodeprov policy remove --dry-run",
        "nodeprov policy remove --yes",
        codes="0: done, or nothing to do, 1: not confirmed or failed: as before, "
        "3: --dry-run: changes are pending, 4: left between two states",
    )
)
def remove(
    dry_run: DryRun = False,
    yes: options.Yes = False,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _timings: options.Timings = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = 0,
    _no_color: options.NoColor = False,
) -> None:
    """Remove all policies of nodeprov and its labels of namespaces. What is somebody else's is not touched."""
    from nodeprov.kubernetes.kubectl import kubectl
    from nodeprov.kubernetes.policy.cluster import read
    from nodeprov.kubernetes.policy.planning import plan_remove

    site = _site(None, inventory, sets)
    with _cluster(site, ask_sudo_password=ask_sudo_password) as host:
        kube = kubectl(site.cluster)
        found = read(host, kube, site.nodes[0].settings.runtime_class.name)
        _carry_out(plan_remove(kube, found), host, dry_run=dry_run, yes=yes, as_json=as_json)


@policy.command(
    epilog=options.examples(
        "nodeprov policy audit -n shop",
        "nodeprov policy audit --without host-path --json",
        codes="0: no pod would be refused, 1: some would be, or the cluster cannot be read",
    )
)
def audit(
    nodes: options.SomeNodes = None,
    handler: options.Handler = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", metavar="NAME", help="Only this namespace. Default: all but those of kube-..."
        ),
    ] = None,
    without: Without = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _timings: options.Timings = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = 0,
    _no_color: options.NoColor = False,
) -> None:
    """Show which pods would be refused if a namespace were `required`, and by which rule. Nothing is changed.

    It looks at the pods of today and at the templates of their controllers. No policy need be in the cluster.
    What is different for them in a sandbox is named too; `nodeprov check --live` explains it.
    """
    from nodeprov.kubernetes.kubectl import kubectl
    from nodeprov.kubernetes.policy import audit as audits

    options.insist_on_namespaces("--namespace", namespace or ())
    site, sandboxes = _about(nodes, handler, without, inventory, sets)
    with _cluster(site, ask_sudo_password=ask_sudo_password) as host:
        kube = kubectl(site.cluster)
        found = audits.audit(host, kube, sandboxes, namespace or ())
    if as_json:
        show_json(audits.to_json(found))
    else:
        show_text(audits.to_text(found))
        if found.handler != sandboxes.handler:
            say(
                f"note: RuntimeClass {sandboxes.runtime_class} "
                f"{'is not there' if found.handler is None else f'leads to {found.handler}'}: "
                "as long as that is so, every pod would be refused"
            )
    raise typer.Exit(FAILED if found.refused else DONE)


@dataclass(frozen=True, slots=True)
class _Site:
    """An inventory, and those of its nodes that say which RuntimeClass is meant."""

    whole: Inventory
    nodes: Sequence[Node]

    @property
    def cluster(self) -> ClusterSettings:
        """How the cluster is reached: it is one for all nodes."""
        return self.nodes[0].settings.cluster


def _site(nodes: list[str] | None, inventory: Path | None, sets: list[str] | None) -> _Site:
    whole = load(inventory, sets)
    found = _Site(whole, options.which(nodes, not nodes, None).of(whole, lambda: None))
    if not found.cluster.enabled:
        raise UsageError(
            "policies are objects of a cluster, and [cluster] enabled is false", "add --set cluster.enabled=true"
        )
    return found


def _about(
    nodes: list[str] | None,
    handler: str | None,
    without: list[str] | None,
    inventory: Path | None,
    sets: list[str] | None,
) -> tuple[_Site, Sandboxes]:
    """Read which RuntimeClass and handler of the inventory are meant; raise UsageError where there are several."""
    from nodeprov.kubernetes.policy.objects import Sandboxes
    from nodeprov.kubernetes.policy.rules import chosen as chosen_rules

    rules = chosen_rules(without or ())
    site = _site(nodes, inventory, sets)
    views = [view.settings for node in site.nodes for view in node.views]
    found = {(each.runtime_class.name, each.runtime.handler) for each in views}
    if handler is not None:
        known = sorted({name for _, name in found})
        found = {each for each in found if each[1] == handler}
        if not found:
            raise UsageError(
                f"no node has the handler {handler}", f"handlers of the inventory: {', '.join(known)}"
            )
    if len(found) > 1:
        said = ", ".join(f"{name} ({handler})" for name, handler in sorted(found))
        raise UsageError(
            f"the inventory has several RuntimeClasses: {said}; a policy is about one",
            "choose it: --handler NAME, or name a node that has it",
        )
    return site, Sandboxes(*found.pop(), rules)


def _modes(given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for mode, names in given.items():
        options.insist_on_namespaces(f"--{mode}", names)
        for name in names:
            if found.setdefault(name, mode) != mode:
                raise UsageError(
                    f"namespace {name} has two modes: --{found[name]} and --{mode}", "give one of them"
                )
    return found


def _wanted(
    sandboxes: Sandboxes, parts: list[str] | None, modes: Mapping[str, str], profiles: list[str] | None
) -> Wanted:
    from nodeprov.kubernetes.policy.planning import PARTS, Wanted

    options.insist_on_namespaces("--profile", profiles or ())
    for each in parts or ():
        if each not in PARTS:
            raise UsageError(f"--part {each}: there is no such part", f"parts: {', '.join(PARTS)}")
    return Wanted(sandboxes, tuple(dict.fromkeys(parts or PARTS)), modes, tuple(profiles or ()))


@contextmanager
def _cluster(site: _Site, *, ask_sudo_password: bool) -> Iterator[Host]:
    """Reach what runs kubectl, and no node besides."""
    from nodeprov.cli.reaching import reach
    from nodeprov.hosts.base import Place

    with reach(site.whole, (), ask_sudo_password=ask_sudo_password) as reached:
        yield reached.hosts.of(site.nodes[0])[Place.CLUSTER]


def _carry_out(plan: Plan, host: Host, *, dry_run: bool, yes: bool, as_json: bool) -> NoReturn:
    """Show a plan, ask, do it, show how it ended, and end the process."""
    from nodeprov.engine.apply import apply_in_cluster
    from nodeprov.engine.context import RunContext

    must_ask = plan.pending and not (yes or dry_run)
    if must_ask and as_json:
        raise UsageError("--json shows no plan to ask about", "look at --dry-run, then add --yes")
    if dry_run or (not as_json and (must_ask or not quiet.is_set())):
        show_plans([plan], as_json=as_json)
    if dry_run or not plan.pending:
        if as_json and not dry_run:
            from nodeprov.plan.plan import Outcome

            show_outcomes([Outcome(plan)], as_json=True)
        raise typer.Exit(PENDING if plan.pending else DONE)
    if must_ask:
        count = len(plan.changes)
        confirm(
            f"Make {count} change{'' if count == 1 else 's'} in the cluster?",
            "review the plan above",
            "nothing was changed",
        )
    with cancelled_by_signals(lambda _: say("interrupted: taking the changes back")) as cancel:
        outcome = apply_in_cluster(plan, host, RunContext(on_event=show_event, cancel=cancel))
    show_outcomes([outcome], as_json=as_json)
    raise typer.Exit(outcome.exit_code)
