"""How a node stands: what is installed, how the last run ended, and what the node has done on its own."""

import posixpath
from dataclasses import asdict, dataclass, replace
from typing import Any

from nodeprov.diagnosis.damage import damage
from nodeprov.engine.lock import Holder, HolderOf
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Reader
from nodeprov.inventory import Node
from nodeprov.node import receipts
from nodeprov.node.facts import FactsQuery
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import History, Receipt
from nodeprov.node.state import NOT_ROOT, Facts
from nodeprov.node.switch import Switched
from nodeprov.plan.plan import action_named
from nodeprov.runtimes.family import Family


@dataclass(frozen=True, slots=True)
class Status:
    """How one node stands; `release` and `generation` are "" where nothing is installed."""

    node: str
    handler: str
    release: str
    generation: str
    containerd: str
    last: Receipt | None
    switched: Switched | None
    holder: Holder | None
    faults: tuple[NodeprovError, ...] = ()
    """Why receipts cannot be read: what they record is missing in all else."""
    damage: tuple[str, ...] = ()
    """What is not as it was installed, in words."""

    @property
    def is_open(self) -> bool:
        """Tell whether the last run has not ended, whoever may still be at work on it."""
        return self.last is not None and self.last.state == receipts.BEGUN

    @property
    def is_at_work(self) -> bool:
        """Tell whether the node itself is in the middle of a change."""
        return self.switched is not None and not self.switched.outcome

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is under way or waits for the next run."""
        return not (self.is_open or self.is_at_work or self.holder or self.faults or self.damage)


def read(node: Node, reader: Reader, family: Family) -> Status:
    """Read how a node stands; raise NodeprovError if it cannot be read.

    While somebody is at work on it, nothing is held against what was installed before.
    """
    layout = Layout.of(node.settings, family.program)
    query = FactsQuery(node.name, node.settings, layout)
    facts, holder = reader.ask([query, HolderOf(node.settings.paths.state)])
    if not facts.machine.is_root:
        raise NodeprovError(f"{NOT_ROOT.message}: how it stands cannot be told", NOT_ROOT.hint, where=node.name)
    found = status(facts, holder, layout)
    if found.holder or found.is_at_work or found.is_open:
        return found
    return replace(found, damage=damage(reader, facts, _history(facts, layout)[0], layout, family))


def status(facts: Facts, holder: Holder | None, layout: Layout) -> Status:
    """Return how a node stands."""
    target = facts.footprint.links.get(layout.current, "")
    folder = f"{layout.handler_folder}/{target}" if target else ""
    history, faults = _history(facts, layout)
    ours = history.of_handler
    containerd = "; ".join(facts.daemon.cri_errors) or "serves" if facts.daemon else "does not run"
    return Status(
        facts.node,
        layout.handler,
        posixpath.basename(facts.footprint.generations.get(folder, "")),
        target,
        containerd,
        history.interrupted or (ours[-1] if ours else None),
        facts.footprint.switched,
        holder,
        faults,
    )


def _history(facts: Facts, layout: Layout) -> tuple[History, tuple[NodeprovError, ...]]:
    machine_id = facts.machine.machine_id
    return History.as_far_as_readable(
        facts.receipts, machine_id=machine_id, handler=layout.handler, node=facts.node
    )


def text(status: Status) -> str:
    """Write it for a person."""
    installed = f"{status.release}, generation {status.generation}" if status.generation else "nothing"
    how = "is in force, and not as it was installed" if status.damage else "is installed"
    lines = [f"{status.node}: {status.handler}: {installed} {how}; containerd {status.containerd}"]
    lines += [f"  {each}" for each in status.damage]
    lines += [f"  nodeprov install {status.node} mends it"] if status.damage else []
    if (last := status.last) is not None:
        by = f"{last.author.user}@{last.author.controller}"
        ended = {
            receipts.BEGUN: "has not ended",
            receipts.DONE: f"was done at {last.ended}",
            receipts.UNDONE: f"was taken back at {last.ended}",
        }
        lines.append(
            f"  last run: {last.action} {last.number} by {by}, begun at {last.began}, {ended[last.state]}"
        )
    if status.is_at_work and status.switched:
        lines.append(
            f"  a swap of containerd's configuration has not ended (run {status.switched.run}): "
            "the node is at work on it, or the next run settles it"
        )
    elif status.switched and status.switched.restored:
        why = f": {status.switched.why}" if status.switched.why else ""
        how = status.switched.outcome
        lines.append(f"  the node rolled back on its own (run {status.switched.run}; {how}){why}")
    if status.holder:
        silent = status.holder.silent_seconds
        heard = "" if silent is None else f", last heard of {silent} s ago"
        lines.append(f"  held by {status.holder.by}{heard}")
    elif status.is_open and status.last:
        action = action_named(status.last.action)
        typed = action.typed if action else status.last.action
        lines.append(f"  nobody is at work on it: nodeprov {typed} {status.node} finishes it")
    lines += [f"  not read: {each.message}" for each in status.faults]
    return "\n".join(lines)


def as_json(status: Status) -> dict[str, Any]:
    """Write it as plain values."""
    last = status.last
    return {
        "node": status.node,
        "handler": status.handler,
        "release": status.release,
        "generation": status.generation,
        "containerd": status.containerd,
        "settled": status.is_settled,
        "last": last
        and {
            "number": last.number,
            "action": last.action,
            "state": last.state,
            "by": f"{last.author.user}@{last.author.controller}",
            "began": last.began,
            "ended": last.ended,
        },
        "switch": status.switched and asdict(status.switched) | {"hit": list(status.switched.hit)},
        "holder": status.holder and asdict(status.holder),
        "damage": list(status.damage),
        "unread": [each.message for each in status.faults],
    }
