"""How a node stands, written for a person and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from nodeprov.diagnosis.status import Status, by_truth
from nodeprov.inventory.canary import canary_handler
from nodeprov.node import receipts
from nodeprov.node.state import Sandboxes
from nodeprov.reports.when import when_text, with_times

MOST_PODS = 3
"""How many pods are named of each release's sandboxes."""


def text(status: Status, now: str) -> str:
    """Write it for a person; `now` is the time in ISO 8601."""
    lines = [
        _headline(status),
        *_canary(status),
        *_truths(status),
        *_sandboxes(status),
        *_last_run(status, now),
        *_at_work(status),
    ]
    return "\n".join([*lines, *(f"  not read: {each.message}" for each in status.faults)])


def _headline(status: Status) -> str:
    installed = f"{status.release}, generation {status.generation}" if status.generation else "nothing"
    how = "is in force, and not as it was installed" if status.damage else "is installed"
    return f"{status.node}: {status.handler}: {installed} {how}; containerd {status.containerd}"


def _canary(status: Status) -> Iterator[str]:
    """Say which release is tried beside it."""
    if status.canary:
        handler = canary_handler(status.handler)
        more = f"nodeprov status {status.node} --handler {handler}"
        yield f"  canary: {status.canary.release}, by the handler {handler} ({more})"


def _truths(status: Status) -> Iterator[str]:
    """Say of disk, containerd and cluster what is not as the receipts say, why, and what mends it."""
    install = f"nodeprov install {status.node}"
    for truth, found in by_truth(status).items():
        for each in found:
            yield f"  {truth}: {each.said}"
            if each.cause:
                yield f"    why: {each.cause}"
            if each.mend and each.mend != install:
                yield f"    what to do: {each.mend}"
    as_wanted = [truth for truth, found in by_truth(status).items() if not found]
    if status.wanted and as_wanted:
        yield f"  as installed: {', '.join(as_wanted)}"
    if any(each.mend == install for each in status.differences):
        yield f"  {install} repairs it"
    if status.wanted and status.differences and status.wanted.generation != status.generation:
        wanted = status.wanted
        yield f"  run {wanted.run} installed {wanted.release}, generation {wanted.generation}"


def _sandboxes(status: Status) -> Iterator[str]:
    if status.sandboxes:
        yield f"  sandboxes that run: {', '.join(map(_of_release, status.sandboxes))}"


def _of_release(found: Sandboxes) -> str:
    said = [*found.pods[:MOST_PODS]]
    if said and found.count > len(said):
        said.append(f"{found.count - len(said)} more")
    return f"{found.count} of {found.release}" + (f" ({', '.join(said)})" if said else "")


def _last_run(status: Status, now: str) -> Iterator[str]:
    if (last := status.last) is None:
        return
    by = f"{last.author.user}@{last.author.controller}"
    ended = {
        receipts.BEGUN: f"begun at {when_text(last.began, now)}, has not ended",
        receipts.DONE: f"done at {when_text(last.ended or last.began, now)}",
        receipts.UNDONE: f"taken back at {when_text(last.ended or last.began, now)}",
    }
    yield f"  last run: {last.action} {last.number} by {by}, {ended[last.state]}"


def _at_work(status: Status) -> Iterator[str]:
    """Say who is at work on the node, and what it has done on its own."""
    if status.is_at_work and status.switched:
        yield (
            f"  a swap of containerd's configuration has not ended (run {status.switched.run}): "
            "the node is at work on it, or the next run settles it"
        )
    elif status.switched and status.switched.restored:
        why = f": {status.switched.why}" if status.switched.why else ""
        how = status.switched.outcome
        yield f"  the node rolled back on its own (run {status.switched.run}; {how}){why}"
    if status.holder:
        silent = status.holder.silent_seconds
        heard = "" if silent is None else f", last heard of {silent} s ago"
        yield f"  held by {with_times(status.holder.by)}{heard}"
    elif status.is_open and status.last:
        yield f"  no run is at work on it: {status.again} finishes it"


def summary(nodes: Sequence[Status]) -> str:
    """Count nodes by how they stand."""
    settled = sum(each.is_settled for each in nodes)
    differing = sum(bool(each.differences) for each in nodes)
    at_work = sum(bool(each.holder or each.is_at_work or each.is_open) for each in nodes)
    parts = {"as it should be": settled, "not as installed": differing, "with a run that has not ended": at_work}
    names = {each.node for each in nodes}
    has_several = len({(each.node, each.handler) for each in nodes}) > len(names)
    subject = f"{len(nodes)} handlers on {len(names)} nodes" if has_several else f"{len(nodes)} nodes"
    return f"{subject}: {', '.join(f'{count} {said}' for said, count in parts.items() if count)}"


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
        "wanted": status.wanted and asdict(status.wanted),
        "canary": status.canary and {"handler": canary_handler(status.handler), **asdict(status.canary)},
        "differences": [asdict(each) for each in status.differences],
        "looked_at": list(status.looked_at),
        "sandboxes": [{**asdict(each), "pods": list(each.pods)} for each in status.sandboxes],
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
