"""`nodeprov canary start`, `promote` and `abort`: a release beside the main one, under a handler of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.expansion import each_of_a_group
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.cli.locking import FoundLock
    from nodeprov.cli.promotion import Promotion
    from nodeprov.inventory import Inventory, Node

canary = typer.Typer(
    help="Try another release beside the main one on some nodes; make it the main one, or take it away.\n\n"
    "The canary has a handler, a RuntimeClass and a label of its own: those of the main one with -next behind. "
    "Pods choose it by their runtimeClassName. containerd does not restart for it.",
    epilog=options.examples(
        "nodeprov canary start --release 20260905.0 worker1",
        "nodeprov status worker1",
        "nodeprov canary promote worker1",
        "nodeprov canary abort worker1",
        codes="0: done, or nothing to do, 1: refused, not confirmed or failed, 4: left between two states",
    ),
    no_args_is_help=True,
    add_completion=False,
)
Release = Annotated[
    str, typer.Option("--release", metavar="RELEASE", help="The release to try, such as 20260905.0, or latest.")
]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the release comes from that is installed, and what its install may do."""

    activate_pending: options.ActivatePending = False
    lock: options.Lock = None
    bundle: options.From = None

    def inventory(self, access: groups.Access, waves: groups.Waves) -> Inventory:
        """Read the inventory."""
        from nodeprov.cli.inventory import load

        return load(access.inventory, waves.over(options.with_pending(access.sets, self.activate_pending)))

    def locked(self, whole: Inventory) -> tuple[Inventory, FoundLock | None]:
        """Hold an inventory to its lock, if there is one."""
        from nodeprov.cli.locking import with_lock

        return with_lock(whole, self.lock, self.bundle)


@canary.command()
@each_of_a_group
def start(
    *,
    release: Release,
    which: groups.WhichNodes,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    source: Source,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Install a release beside the main one, prove it, and make its RuntimeClass and label.

    containerd restarts only if its configuration does not have the canary's table yet: the plan shows that.
    """
    from nodeprov.cli.reaching import reach
    from nodeprov.cli.session import carry_out, fleet_of
    from nodeprov.engine import Install
    from nodeprov.inventory import syntax
    from nodeprov.runtimes import FAMILY

    if not syntax.RELEASE.accepts(release):
        raise UsageError(f"--release {release!r} is not {syntax.RELEASE.expected}", "nodeprov canary start --help")
    chosen, telling = which.selection, told.telling
    whole = source.inventory(access, waves)
    canaries, locked = source.locked(_of_canaries(whole, release))
    if locked is not None and not locked.is_for(canaries):
        raise UsageError(
            f"{locked.path} is for {locked.lock.release}, and the canary is to be {release}",
            f"lock it in a file of its own: nodeprov lock --release {release} --lock canary.lock; then add "
            "--lock canary.lock",
        )
    with reach(whole, chosen, ask_sudo_password=access.ask_sudo_password) as reached:
        want = Install(FAMILY, is_canary=True)
        fleet = fleet_of(replace(reached, nodes=_canaries(whole, canaries, reached.nodes)), locked)
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling)


@canary.command()
@each_of_a_group
def promote(
    *,
    which: groups.WhichNodes,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    source: Source,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Make the canary's release the main one: one rename, as the release is on the node already.

    The inventory, and its lock if there is one, must want that release: else the next install would go back. The
    canary itself stays until `nodeprov canary abort`.
    """
    from nodeprov.cli.promotion import Promotion
    from nodeprov.cli.reaching import reach
    from nodeprov.cli.session import carry_out, end_if_any_failed, fleet_of, print_errors
    from nodeprov.diagnosis.status import read
    from nodeprov.engine import Install, Planned, Results
    from nodeprov.hosts.base import Place
    from nodeprov.runtimes import FAMILY

    chosen, telling = which.selection, told.telling
    inventory = source.inventory(access, waves)
    wanted = {node.name: _alone(node).settings.release.version for node in inventory.nodes}
    whole, locked = source.locked(inventory)
    with reach(whole, chosen, ask_sudo_password=access.ask_sudo_password) as reached:
        main = replace(reached, nodes=[_alone(node) for node in reached.nodes])
        fleet = fleet_of(main, locked)
        found = fleet.each(lambda node, hosts: (node, read(node, hosts[Place.NODE], FAMILY).canary))
        promotions = {
            node.name: Promotion(whole, node, wanted[node.name], locked, tried.release if tried else "")
            for node, tried in found.good
        }
        refusals = (each.refusal() for each in promotions.values())
        errors = [*found.errors, *(each for each in refusals if each is not None)]
        refused: Results[Planned] = Results([], errors, {each.where: each for each in errors})
        end_if_any_failed(print_errors(refused), as_json=shown.as_json)
        fleet = fleet_of(replace(main, nodes=_pinned(main.nodes, promotions)), locked)
        carry_out(
            fleet,
            Install(FAMILY),
            skip=skipping.skip,
            yes=yes,
            as_json=shown.as_json,
            telling=telling,
            refuses=lambda planned: promotions[planned.plan.node].refusal_of(planned.release),
        )


@canary.command()
@each_of_a_group
def abort(
    *,
    which: groups.WhichNodes,
    drain: Annotated[bool, typer.Option("--drain", help="Evict the canary's pods that still run.")] = False,
    force: options.Force = False,
    delete_emptydir_data: options.DeleteEmptydirData = False,
    skipping: groups.Skipping,
    waves: groups.Waves,
    yes: options.Yes = False,
    access: groups.Access,
    told: groups.Told,
    shown: groups.Shown,
) -> None:
    """Take the canary away: its RuntimeClass, its label and its files. Refused while its sandboxes run.

    Its table in containerd's configuration stays, so that containerd need not restart; an uninstall takes it out.
    """
    from nodeprov.cli.inventory import load
    from nodeprov.cli.reaching import reach
    from nodeprov.cli.session import carry_out, fleet_of
    from nodeprov.engine import Uninstall
    from nodeprov.runtimes import FAMILY

    allowed = options.allowed("canary abort", drain=drain, force=force, delete_emptydir_data=delete_emptydir_data)
    chosen, telling = which.selection, told.telling
    whole = load(access.inventory, waves.over(access.sets))
    canaries = _of_canaries(whole, "")
    with reach(whole, chosen, ask_sudo_password=access.ask_sudo_password) as reached:
        want = Uninstall(FAMILY, drain, allowed=allowed)
        fleet = fleet_of(replace(reached, nodes=_canaries(whole, canaries, reached.nodes)))
        carry_out(fleet, want, skip=skipping.skip, yes=yes, as_json=shown.as_json, telling=telling)


def _of_canaries(whole: Inventory, release: str) -> Inventory:
    """Return the inventory as the canaries of its nodes see it, without those that have none.

    Raises UsageError if none has.
    """
    from nodeprov.inventory.canary import insist_on_canary

    found = tuple(canary for node in whole.nodes if (canary := node.canary(release)) is not None)
    if not found:
        insist_on_canary(whole.nodes[0].settings, (), where=whole.nodes[0].name)
    return replace(whole, nodes=found)


def _canaries(whole: Inventory, canaries: Inventory, nodes: Sequence[Node]) -> list[Node]:
    """Return some nodes as their canaries see them; raise UsageError where one can have none."""
    from nodeprov.inventory.canary import insist_on_canary

    others = [view.settings for node in whole.nodes for view in node.views]
    for node in nodes:
        insist_on_canary(node.settings, others, where=node.name)
    known = {node.name: node for node in canaries.nodes}
    return [known[node.name] for node in nodes]


def _alone(node: Node) -> Node:
    """Return a node with its main handler alone: that is the one that has a canary."""
    return node.only(node.settings.runtime.handler)


def _pinned(nodes: Sequence[Node], promotions: Mapping[str, Promotion]) -> list[Node]:
    """Have each node want the very release that was tried on it, where its inventory wants the latest."""
    found = []
    for node in nodes:
        release = replace(node.settings.release, version=promotions[node.name].version)
        found.append(replace(node, settings=replace(node.settings, release=release)))
    return found
