"""`nodeprov rbac`: the role that nodeprov needs in a cluster, in place of cluster-admin."""

from __future__ import annotations

from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import inventory
from nodeprov.cli.options import Source, examples, node_names, spread
from nodeprov.cli.output import show_text
from nodeprov.cli.session import load
from nodeprov.errors import UsageError
from nodeprov.inventory import syntax
from nodeprov.inventory.schema import Rule
from nodeprov.kubernetes.roles import ServiceAccount, manifest, roles

app = typer.Typer()


@app.command(
    epilog=examples(
        "nodeprov rbac --service-account kube-system/nodeprov | kubectl apply -f -",
        "nodeprov rbac 'worker*' --drain > role.yaml",
        codes="0: printed, 2: the inventory has faults",
    )
)
@spread
def rbac(
    source: Source,
    nodes: Annotated[
        list[str],
        typer.Argument(
            help="As for `plan`; all nodes if none is named.", autocompletion=node_names, metavar="NODE"
        ),
    ] = [],  # noqa: B006  typer's way
    drain: Annotated[bool, typer.Option("--drain", help="With what `uninstall --drain` needs too.")] = False,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the roles are called.")] = "nodeprov",
    service_account: Annotated[
        str | None,
        typer.Option("--service-account", metavar="NAMESPACE/NAME", help="Make it too, and bind it to the roles."),
    ] = None,
) -> None:
    """Print the least that nodeprov needs in the cluster as YAML, for the nodes and names of the inventory.

    It goes in place of cluster-admin. Its comments say what each rule is for, and what else it allows.
    """
    whole = load(source)
    _insist_on("--name", name, syntax.DNS_SUBDOMAIN)
    account = _account(service_account) if service_account else None
    chosen = inventory.select(whole, nodes or ["*"])
    show_text(manifest(roles(chosen, name, drain=drain), account).rstrip("\n"))


def _account(text: str) -> ServiceAccount:
    namespace, slash, name = text.partition("/")
    if not slash:
        raise UsageError(f"--service-account {text!r} names no namespace", "write it as kube-system/nodeprov")
    _insist_on("--service-account", namespace, syntax.DNS_LABEL)
    _insist_on("--service-account", name, syntax.DNS_SUBDOMAIN)
    return ServiceAccount(namespace, name)


def _insist_on(option: str, value: str, rule: Rule) -> None:
    if not rule.accepts(value):
        raise UsageError(f"{option}: {value!r} is no name", f"it is {rule.expected}")
