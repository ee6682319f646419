"""What a command of policies is about: an inventory, the nodes whose RuntimeClass is meant, and what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.inventory import load
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.hosts.base import Host
    from nodeprov.inventory import ClusterSettings, Inventory, Node
    from nodeprov.kubernetes.policy.objects import Sandboxes
    from nodeprov.kubernetes.policy.planning import Wanted

Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="RULE",
        help="Leave this rule out: "
        "host-network, host-pid, host-ipc, host-path, privileged, capabilities or host-ports.",
    ),
]


@dataclass(frozen=True, slots=True)
class Site:
    """An inventory, and those of its nodes that say which RuntimeClass is meant."""

    whole: Inventory
    nodes: Sequence[Node]

    @property
    def cluster(self) -> ClusterSettings:
        """How the cluster is reached: it is one for all nodes."""
        return self.nodes[0].settings.cluster

    @contextmanager
    def reached(self, *, ask_sudo_password: bool) -> Iterator[Host]:
        """Reach what runs kubectl, and no node besides."""
        from nodeprov.cli.reaching import reach
        from nodeprov.hosts.base import Place

        with reach(self.whole, (), ask_sudo_password=ask_sudo_password) as reached:
            yield reached.hosts.of(self.nodes[0])[Place.CLUSTER]


@dataclass(frozen=True, slots=True)
class About:
    """Which sandboxes a policy is about."""

    PANEL: ClassVar = "Sandboxes"

    nodes: options.SomeNodes = None
    handler: options.Handler = None
    without: Without = None

    def read(self, configured: groups.Configured) -> tuple[Site, Sandboxes]:
        """Read which RuntimeClass and handler are meant; raise UsageError where there are several."""
        from nodeprov.kubernetes.policy.objects import Sandboxes
        from nodeprov.kubernetes.policy.rules import chosen as chosen_rules

        rules = chosen_rules(self.without or ())
        site = site_of(self.nodes, configured)
        views = [view.settings for node in site.nodes for view in node.views]
        found = {(each.runtime_class.name, each.runtime.handler) for each in views}
        if self.handler is not None:
            known = sorted({name for _, name in found})
            found = {each for each in found if each[1] == self.handler}
            if not found:
                raise UsageError(
                    f"no node has the handler {self.handler}", f"handlers of the inventory: {', '.join(known)}"
                )
        if len(found) > 1:
            said = ", ".join(f"{name} ({handler})" for name, handler in sorted(found))
            raise UsageError(
                f"the inventory has several RuntimeClasses: {said}; a policy is about one",
                "choose it: --handler NAME, or name a node that has it",
            )
        return site, Sandboxes(*found.pop(), rules)


def site_of(nodes: list[str] | None, configured: groups.Configured) -> Site:
    """Read an inventory, and which nodes are meant, all if none is named; raise UsageError without a cluster."""
    whole = load(configured.inventory, configured.sets)
    found = Site(whole, options.which(nodes, not nodes, None).of(whole, lambda: None))
    if not found.cluster.enabled:
        raise UsageError(
            "policies are objects of a cluster, and [cluster] enabled is false", "add --set cluster.enabled=true"
        )
    return found


def modes_of(given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the mode of each namespace that is named; raise UsageError for one with two."""
    found: dict[str, str] = {}
    for mode, names in given.items():
        options.insist_on_namespaces(f"--{mode}", names)
        for name in names:
            if found.setdefault(name, mode) != mode:
                raise UsageError(
                    f"namespace {name} has two modes: --{found[name]} and --{mode}", "give one of them"
                )
    return found


def wanted_of(
    sandboxes: Sandboxes, parts: list[str] | None, modes: Mapping[str, str], profiles: list[str] | None
) -> Wanted:
    """Read what is wanted in the cluster; raise UsageError for a part that there is not."""
    from nodeprov.kubernetes.policy.planning import PARTS, Wanted

    options.insist_on_namespaces("--profile", profiles or ())
    for each in parts or ():
        if each not in PARTS:
            raise UsageError(f"--part {each}: there is no such part", f"parts: {', '.join(PARTS)}")
    return Wanted(sandboxes, tuple(dict.fromkeys(parts or PARTS)), modes, tuple(profiles or ()))
