"""Questions to a person, and the answers that were given as options."""

from __future__ import annotations

from collections.abc import Sequence

import typer  # noqa: TID251  a part of the command line

from nodeprov.errors import UsageError
from nodeprov.inventory import syntax
from nodeprov.inventory.draft import DraftMachine
from nodeprov.inventory.kinds import Text


class Asking:
    """Asks a person, where one is there; else every answer is the default."""

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on

    def __call__(self, question: str, rule: Text) -> str | None:
        """Ask until the answer fits; None for the default."""
        if not self.is_on:
            return None

        def check(answer: str) -> str:
            if answer and not rule.accepts(answer):
                raise typer.BadParameter(f"that is not {rule.expected}")
            return answer

        said = typer.prompt(question, default="", show_default=False, value_proc=check, err=True)
        return str(said) or None


def ask_nodes(nodes: Sequence[str], ask: Asking, *, from_cluster: bool) -> tuple[DraftMachine, ...]:
    """Understand the nodes that were named, or ask for them."""
    if from_cluster and nodes:
        raise UsageError("--from-cluster and --node: the nodes come from one of the two", "leave one of them out")
    entries = [_entry(each) for each in nodes]
    names = [each.name for each in entries]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--node names {name} twice", "once is enough")
    if not entries and not from_cluster:
        entries = _asked(ask)
    if not entries and not from_cluster:
        hint = "name them: --node worker1=10.0.0.11, for each; or take the cluster's: --from-cluster"
        raise UsageError("no node is named", hint)
    return tuple(entries)


def _asked(ask: Asking) -> list[DraftMachine]:
    entries: dict[str, DraftMachine] = {}
    while name := ask(
        f"{'Another node' if entries else 'A node'}, as Kubernetes calls it (Enter: no more)", syntax.DNS_SUBDOMAIN
    ):
        entries[name] = DraftMachine(name, ask(f"Address of {name} (Enter: look its name up)", syntax.ADDRESS))
    return list(entries.values())


def _entry(node: str) -> DraftMachine:
    name, sign, address = node.partition("=")
    for value, rule in ((name, syntax.DNS_SUBDOMAIN), (address, syntax.ADDRESS)):
        if (value or sign) and not rule.accepts(value):
            raise UsageError(
                f"{value!r} is not {rule.expected}", "--node worker1=10.0.0.11", where=f"--node {node}"
            )
    if not name:
        raise UsageError("has no name", "--node worker1=10.0.0.11", where="--node")
    return DraftMachine(name, address or None)
