"""A dispatcher that runs here until nothing is left to be done, and what it came to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeprov.dispatch.api import Api, sleeping_until
from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.giving_back import GivenBack, GivingBack
from nodeprov.dispatch.lease import DURATION_SECONDS, Leadership
from nodeprov.dispatch.marks import BETWEEN, DONE, FAILED
from nodeprov.dispatch.surroundings import NodeEnd, Surroundings
from nodeprov.dispatch.wanted import Wanted
from nodeprov.errors import NodeprovError

GIVE_BACK_SECONDS = 8.0
"""How long a run that is stopped takes at most to give nodes back: somebody waits for its end."""
LET_GO_SECONDS = 5.0
"""How long it takes at most to let go of the Lease."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a run came to.

    Args:
        ends: how nodes have ended.
        untouched: the nodes that were not begun, and why not.
        was_stopped: whether somebody has ended it.
        cordoned: the nodes that are cordoned still, by this run: it was ended while they were drained.
        given_back: the nodes that were given back then, for nothing had restarted there.
        kept: those that it had, and that were not given back, and why not.
    """

    ends: tuple[NodeEnd, ...]
    untouched: dict[str, str]
    was_stopped: bool
    cordoned: tuple[str, ...] = ()
    given_back: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0 done, 1 failed, 3 nodes are left, 4 one is between two states."""
        results = {each.ended.result for each in self.ends}
        if BETWEEN in results:
            return 4
        if FAILED in results or self.was_stopped:
            return 1
        return 3 if self.untouched else 0

    def to_json(self) -> dict[str, Any]:
        """Write it for programs; docs/json.md describes it."""
        return {
            "outcomes": [_json(each) for each in self.ends],
            "untouched": [{"node": node, "why": why} for node, why in self.untouched.items()],
            "cordoned": list(self.cordoned),
            "given_back": list(self.given_back),
            "not_given_back": [{"node": node, "why": why} for node, why in self.kept.items()],
        }


def _json(end: NodeEnd) -> dict[str, Any]:
    found = end.ended.found
    return {
        "node": end.node,
        "action": end.ended.action,
        "result": end.ended.result,
        "why": end.ended.why,
        "hint": end.ended.hint,
        "release": found.release if found else "",
        "restarted": bool(found and found.restarted),
        "hit": list(found.hit) if found else [],
        "seconds": round(end.seconds, 1),
    }


def dispatch_here(access_api: Api, wanted: Wanted, around: Surroundings) -> Came:
    """Lead, and dispatch from here; raise NodeprovError where another dispatcher leads.

    Where it is stopped, the nodes on which nothing has restarted are given back: nobody else goes on with them.
    """
    ended = threading.Event()
    lease = Leadership(
        Api(access_api.access, patience_seconds=0, timeout_seconds=5), around.namespace, around.identity
    )
    holding = threading.Thread(target=lease.hold, args=(ended, around.on_error), daemon=True)
    holding.start()
    back = GivenBack()
    try:
        _insist_on_lead(lease, around)
        api = Api(access_api.access, sleep=sleeping_until(around.stop), before_write=lease.insist)
        dispatcher = Dispatcher(api, lease, wanted, around)
        dispatcher.run(once=True)
        if around.stop.is_set():
            hasty = Api(
                access_api.access,
                sleep=sleeping_until(around.at_once),
                before_write=lease.insist,
                patience_seconds=GIVE_BACK_SECONDS,
                timeout_seconds=GIVE_BACK_SECONDS / 2,
            )
            back = GivingBack(hasty, dispatcher, around).within(GIVE_BACK_SECONDS)
    finally:
        ended.set()
        holding.join(1 if around.at_once.is_set() else LET_GO_SECONDS)
    return _came(dispatcher, back, around)


def _came(dispatcher: Dispatcher, back: GivenBack, around: Surroundings) -> Came:
    known, why = dispatcher.known, dispatcher.turn.why_not
    for each in back.nodes.values():
        known.put_node(each)
    left = {name: known.nodes[name].unavailable or why or "it was interrupted" for name in sorted(known.due)}
    left |= {name: "it was interrupted, and given back" for name in sorted(back.nodes) if name in left}
    ends = {each.node: each for each in dispatcher.ends}  # a canary's second one counts
    cordoned = tuple(sorted(each.name for each in known.nodes.values() if each.has_our_cordon))
    kept = dict(sorted(back.kept.items()))
    return Came(tuple(ends.values()), left, around.stop.is_set(), cordoned, tuple(sorted(back.nodes)), kept)


def _insist_on_lead(lease: Leadership, around: Surroundings) -> None:
    """Wait until we lead: another one that has ended a moment ago may not have given it back."""
    deadline = around.monotonic() + DURATION_SECONDS + 5
    while not lease.is_leading:
        if around.stop.wait(0.2):
            raise NodeprovError("interrupted; nothing was changed")
        if around.monotonic() > deadline:
            lease.insist()


def said(end: NodeEnd) -> str:
    """Tell for a person how a node has ended."""
    what = f"{end.node}: {end.ended.action} {end.ended.result}"
    hit = end.ended.found.hit if end.ended.found else ()
    return "\n  ".join([what if end.ended.result == DONE else f"{what}: {end.ended.why}", *hit])
