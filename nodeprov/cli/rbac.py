"""`nodeprov rbac`: the role that nodeprov needs in a cluster, in place of cluster-admin."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.inventory import load
from nodeprov.cli.output import show_json, show_text
from nodeprov.errors import UsageError
from nodeprov.inventory import Node, syntax
from nodeprov.kubernetes.roles import ServiceAccount, manifest, roles


@options.command(
    "nodeprov rbac --service-account kube-system/nodeprov | kubectl apply -f -",
    "nodeprov rbac 'worker*' --drain > role.yaml",
    "nodeprov rbac --service-account kube-system/nodeprov --confine | kubectl apply -f -",
    codes="0: printed, 2: the inventory has faults",
)
def rbac(
    *,
    which: groups.WhichNodesToRead,
    drain: Annotated[
        bool,
        typer.Option("--drain", help="Include what `uninstall --drain`, rollout.drain and rollout.wait_for need."),
    ] = False,
    policy: Annotated[
        bool, typer.Option("--policy", help="Include what `nodeprov policy apply`, `remove` and `audit` need.")
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Include what `nodeprov probe`, `try` and `calibrate` need.")
    ] = False,
    confine: Annotated[
        bool,
        typer.Option(
            "--confine",
            help="Also print an admission policy that lets the service account change only nodeprov's own labels, "
            "taints and annotations of a node. Needs Kubernetes 1.30.",
        ),
    ] = False,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the roles.")] = "nodeprov",
    service_account: Annotated[
        str | None,
        typer.Option(
            "--service-account",
            metavar="NAMESPACE/NAME",
            help="Also make this service account, and bind the roles to it.",
        ),
    ] = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Print the minimal RBAC roles for nodeprov, as YAML, for the nodes and names of the inventory.

    Use them in place of cluster-admin. Comments say what each rule is for, and what else it allows.
    """
    whole = load(inventory, sets)
    options.insist_on("--name", name, syntax.DNS_SUBDOMAIN)
    account = _account(service_account) if service_account else None
    chosen = which.selection.of(whole, lambda: None)
    needed = roles(chosen, name, drain=drain, policy=policy, probe=probe)
    text = manifest(needed, account).rstrip("\n")
    text = "\n".join([text, *([_confining(chosen, account, name, drain=drain)] if confine else [])])
    if as_json:
        show_json({"roles": [asdict(each) for each in needed], "manifest": text})
    else:
        show_text(text)


def _confining(nodes: Sequence[Node], account: ServiceAccount | None, name: str, *, drain: bool) -> str:
    from nodeprov.kubernetes.policy.confine import confining  # few ask for it
    from nodeprov.kubernetes.policy.text import yaml

    if account is None:
        raise UsageError("--confine needs to know whom", "add --service-account NAMESPACE/NAME")
    user = f"system:serviceaccount:{account.namespace}:{account.name}"
    return yaml(confining(nodes, user, f"{name}-own-fields", drain=drain))


def _account(text: str) -> ServiceAccount:
    namespace, slash, name = text.partition("/")
    if not slash:
        raise UsageError(f"--service-account {text!r} names no namespace", "write it as kube-system/nodeprov")
    options.insist_on("--service-account", namespace, syntax.DNS_LABEL)
    options.insist_on("--service-account", name, syntax.DNS_SUBDOMAIN)
    return ServiceAccount(namespace, name)
