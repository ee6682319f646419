"""`nodeprov policy`: who must run in a sandbox, first audited and then enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.expansion import each_of_a_group
from nodeprov.cli.main import DONE, FAILED, PENDING, cancelled_by_signals
from nodeprov.cli.output import confirm, quiet, say, show_event, show_json, show_outcomes, show_plans, show_text
from nodeprov.cli.policy_site import About, modes_of, site_of, wanted_of
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.hosts.base import Host
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
@each_of_a_group
def render(
    *,
    about: About,
    part: Parts = None,
    profile: Profile = None,
    configured: groups.Configured,
) -> None:
    """Print the policies as YAML, for a repository from which somebody else applies them. Nothing is connected to.

    Namespaces are not in it: label them, as `nodeprov policy apply` does.
    """
    from nodeprov.kubernetes.policy.planning import manifests
    from nodeprov.kubernetes.policy.text import yaml

    _, sandboxes = about.read(configured)
    show_text(yaml(manifests(wanted_of(sandboxes, part, {}, profile))))


@policy.command(
    epilog=options.examples(
        "nodeprov policy apply --audit shop",
        "nodeprov policy apply --required shop --profile shop --yes",
        "nodeprov policy apply --part default --default shop --dry-run",
        codes="0: done, or nothing to do, 1: refused, not confirmed or failed: as before, "
        "3: --dry-run: changes are pending, 4: left between two states",
    )
)
@each_of_a_group
def apply(
    *,
    about: About,
    default: Default = None,
    audit: Audit = None,
    required: Required = None,
    profile: Profile = None,
    part: Parts = None,
    dry_run: DryRun = False,
    yes: options.Yes = False,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Make the policies in the cluster, and label namespaces: they hold only where a namespace is labelled.

    A namespace has one of the modes `default`, `audit` and `required`. Those that are not named stay as they are.
    """
    from nodeprov.kubernetes.kubectl import kubectl
    from nodeprov.kubernetes.policy.cluster import read
    from nodeprov.kubernetes.policy.planning import plan_apply

    site, sandboxes = about.read(access)
    modes = modes_of({"default": default or (), "audit": audit or (), "required": required or ()})
    wanted = wanted_of(sandboxes, part, modes, profile)
    with site.reached(ask_sudo_password=access.ask_sudo_password) as host:
        kube = kubectl(site.cluster)
        plan = plan_apply(kube, wanted, read(host, kube, sandboxes.runtime_class))
        _carry_out(plan, host, dry_run=dry_run, yes=yes, as_json=shown.as_json)


@policy.command(
    epilog=options.examples(
        "nodeprov policy remove --dry-run",
        "nodeprov policy remove --yes",
        codes="0: done, or nothing to do, 1: not confirmed or failed: as before, "
        "3: --dry-run: changes are pending, 4: left between two states",
    )
)
@each_of_a_group
def remove(
    *,
    dry_run: DryRun = False,
    yes: options.Yes = False,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Remove all policies of nodeprov and its labels of namespaces. What is somebody else's is not touched."""
    from nodeprov.kubernetes.kubectl import kubectl
    from nodeprov.kubernetes.policy.cluster import read
    from nodeprov.kubernetes.policy.planning import plan_remove

    site = site_of(None, access)
    with site.reached(ask_sudo_password=access.ask_sudo_password) as host:
        kube = kubectl(site.cluster)
        found = read(host, kube, site.nodes[0].settings.runtime_class.name)
        _carry_out(plan_remove(kube, found), host, dry_run=dry_run, yes=yes, as_json=shown.as_json)


@policy.command(
    epilog=options.examples(
        "nodeprov policy audit -n shop",
        "nodeprov policy audit --without host-path --json",
        codes="0: no pod would be refused, 1: some would be, or the cluster cannot be read",
    )
)
@each_of_a_group
def audit(
    *,
    about: About,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", metavar="NAME", help="Only this namespace. Default: all but those of kube-..."
        ),
    ] = None,
    access: groups.Access,
    shown: groups.Shown,
) -> None:
    """Show which pods would be refused if a namespace were `required`, and by which rule. Nothing is changed.

    It looks at the pods of today and at the templates of their controllers. No policy need be in the cluster.
    What is different for them in a sandbox is named too; `nodeprov check --live` explains it.
    """
    from nodeprov.kubernetes.kubectl import kubectl
    from nodeprov.kubernetes.policy import audit as audits

    options.insist_on_namespaces("--namespace", namespace or ())
    site, sandboxes = about.read(access)
    with site.reached(ask_sudo_password=access.ask_sudo_password) as host:
        kube = kubectl(site.cluster)
        found = audits.audit(host, kube, sandboxes, namespace or ())
    if shown.as_json:
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
