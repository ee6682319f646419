"""A step is taken for a node, in a thread; what comes of it is handed back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from nodeprov.dispatch.actor import Actor, Told
from nodeprov.dispatch.api import ApiError, unless_stopped
from nodeprov.dispatch.case import Ended, Step
from nodeprov.dispatch.evictions import Evictions
from nodeprov.dispatch.known import Known
from nodeprov.dispatch.marks import BETWEEN, DONE, FAILED, time_of
from nodeprov.dispatch.surroundings import Surroundings
from nodeprov.dispatch.views import NodeView, PodView
from nodeprov.errors import NodeprovError, Problem, Problems
from nodeprov.inventory import Settings
from nodeprov.kubernetes.draining import do_not_leave, have_not_ended
from nodeprov.kubernetes.kubectl import is_forbidden

_POLICY = "ValidatingAdmissionPolicy"
TAKEN_UP_SECONDS = 15.0
"""So long it may take until each API server of a cluster has taken up a changed policy or role: mostly 1 s."""
REFUSED = (400, 403, 422)
"""What is answered where a write is not allowed, or not valid: to ask again is in vain."""
_LOOK_SECONDS, _MOST_LOOK_SECONDS, _MOST_WAIT_SECONDS = 0.5, 5.0, 15.0
"""How often it is looked whether pods have left, or have ended: less often, the longer that takes.

The last one is for pods that may take an hour to end.
"""


class NotYet(NodeprovError):
    """A policy, or a role, refuses what the next one may allow, which the server has not taken up yet."""


@dataclass(frozen=True, slots=True)
class Did:
    """What came of a step: a node or a pod as it is now, how the node's run has ended, or an error.

    Where others are waited for, `waits` says for whom, and `again_seconds` when it is looked again. Where it
    `is_refused`, the cluster does not let the node be claimed, or let go, and nothing can be written to it.
    """

    node: str
    made: NodeView | PodView | None = None
    ended: Ended | None = None
    error: BaseException | None = None
    waits: str = ""
    again_seconds: float = 0.0
    is_refused: bool = False


class Doer:
    """Takes steps; for use by several threads.

    Attributes:
        asked: the nodes whose engine's pod was asked for, and for which no answer has come.
    """

    def __init__(
        self,
        actor: Actor,
        evictions: Evictions,
        known: Known,
        around: Surroundings,
        hand_back: Callable[[Did], None],
    ) -> None:
        """Act by `actor` and `evictions`; `hand_back` is given what came of each step, whatever it is."""
        self._actor, self._known, self._around, self._hand_back = actor, known, around, hand_back
        self._evictions = evictions
        self.asked: set[str] = set()
        self._refused: dict[str, float] = {}

    def do(self, name: str, step: Step, node: NodeView | None) -> None:
        """Take a step for a node; `node` is None if it has left the cluster."""
        try:
            did = Did(name)
            if step.pod is not None:
                self._actor.remove(step.pod, at_once=step.at_once)
            elif node is not None:
                did = self._done(node, step)
        except BaseException as error:  # the loop must hear of it, whatever it is
            did = Did(name, error=error)
        self._hand_back(did)

    def _done(self, node: NodeView, step: Step) -> Did:
        wanted, settings = self._known.wanted, self._known.members.settings(node.name)
        action = self._known.action(node)
        if step.ended is not None:
            return self._finished(node, settings, step.ended)
        try:
            did = self._taken(node, step)
            self._refused.pop(node.name, None)
            return did
        except ApiError as error:
            if error.status == 409:
                return Did(node.name, self._actor.read(node))
            if error.status not in REFUSED:
                raise
            self._wait_until_taken_up(node.name, error)
            if step.doing in ("claim", "uncordon"):
                how = Ended(FAILED, error.message, error.hint, action=action, want=wanted.digest, run=wanted.run)
                return self._refused_for_good(node, how)
            refused: NodeprovError = error
        except Problems as error:
            refused = error
        said = "; ".join(each.message for each in refused.parts())
        hint = "; ".join(dict.fromkeys(each.hint for each in refused.parts()))
        return self._finished(node, settings, Ended(FAILED, said, hint, action=action, want=wanted.digest))

    def _taken(self, node: NodeView, step: Step) -> Did:
        """Take a step that is no end."""
        wanted, settings = self._known.wanted, self._known.members.settings(node.name)
        action, name = self._known.action(node), node.name
        match step.doing:
            case "claim":
                return Did(name, self._actor.claim(node, wanted, settings, action))
            case "stage":
                return Did(name, self._actor.make_engine(node, wanted, settings, action, before_drain=True))
            case "cordon":
                self._evictions.insist(name, settings)
                return Did(name, self._actor.cordon(node, wanted, settings))
            case "uncordon":
                return Did(name, self._actor.uncordon(node))
            case "prove":
                return Did(name, self._actor.make_proof(node, wanted, settings))
            case "empty" if did := self._emptied(node, settings):
                return did
        return Did(name, self._engine(node, settings, action))

    def _engine(self, node: NodeView, settings: Settings, action: str) -> PodView:
        """Have the pod made that restarts containerd, unless it is stopped."""
        # Before it is looked whether it is stopped: who gives nodes back looks here then.
        self.asked.add(node.name)
        try:
            unless_stopped(self._around.stop)
        except NodeprovError:
            self.asked.discard(node.name)
            raise
        try:
            pod = self._actor.make_engine(node, self._known.wanted, settings, action)
        except ApiError as error:
            if 400 <= error.status < 500:
                self.asked.discard(node.name)
            raise
        self.asked.discard(node.name)
        return pod

    def _emptied(self, node: NodeView, settings: Settings) -> Did | None:
        """Wait for pods, or evict them, once more; return None when none is in the way of a restart.

        Raises Problems where they take too long, or something would be lost that nobody has allowed to lose.
        """
        if settings.rollout.wait_for is not None and not node.draining:
            return self._awaited(node, settings)
        return self._drained(node, settings)

    def _awaited(self, node: NodeView, settings: Settings) -> Did | None:
        """See whether pods have ended by themselves; others leave after that, and so do these if they are late."""
        rollout = settings.rollout
        names = [each.name for each in self._evictions.awaited(node.name, settings)]
        seconds = _seconds_between(node.waiting, self._around.now())
        if names and seconds <= rollout.wait_timeout_seconds:
            waits = f"waits for pods to end: {', '.join(names)}"
            return Did(node.name, waits=waits, again_seconds=_pause(seconds, _MOST_WAIT_SECONDS))
        if names and rollout.wait_then == "fail":
            error = have_not_ended(names, settings, node.name)
            raise Problems([Problem(error.message, error.hint)], where=node.name)
        return Did(node.name, self._actor.drain(node)) if names or rollout.drain else None

    def _drained(self, node: NodeView, settings: Settings) -> Did | None:
        """Evict pods once more; return None when all have left."""
        left = self._evictions.ask(node.name, settings)
        if not left.why:
            return None
        seconds = _seconds_between(node.draining or node.waiting, self._around.now())
        if seconds > settings.rollout.drain_timeout_seconds:
            error = do_not_leave(left.why, node.name)
            raise Problems([Problem(error.message, error.hint)], where=node.name)
        waits = f"waits for pods to leave: {', '.join(f'{name} ({why})' for name, why in left.why.items())}"
        again = max(left.after_seconds, _pause(seconds, _MOST_LOOK_SECONDS))
        return Did(node.name, waits=waits, again_seconds=again)

    def _wait_until_taken_up(self, name: str, error: ApiError) -> None:
        """Raise NotYet where what was refused may be allowed in a moment."""
        now = self._around.monotonic()
        is_refused = _POLICY in error.message or is_forbidden(error.message)
        if is_refused and now - self._refused.setdefault(name, now) < TAKEN_UP_SECONDS:
            raise NotYet(error.message, error.hint, where=error.where) from None
        self._refused.pop(name, None)

    def _finished(self, node: NodeView, settings: Settings, ended: Ended) -> Did:
        """Write down how a node's run has ended, unless it is another node, or another run's, by now."""
        now = node
        while (now.uid, now.claim) == (node.uid, node.claim):
            try:
                made = self._actor.finish(now, settings, ended)
            except ApiError as error:
                if error.status in REFUSED:
                    self._wait_until_taken_up(node.name, error)
                    said = f"how it ended ({ended.result}) cannot be written: {error.message}"
                    return self._refused_for_good(node, replace(ended, result=BETWEEN, why=said, hint=error.hint))
                if error.status != 409:
                    raise
                now = self._actor.read(node)
            else:
                self._tell(node, ended)
                return Did(node.name, made, ended)
        return Did(node.name, now)

    def _refused_for_good(self, node: NodeView, how: Ended) -> Did:
        """Say how a run ends of a node that the cluster does not let us write to: an Event, and this run's end."""
        self._tell(node, how)
        return Did(node.name, ended=how, is_refused=True)

    def _tell(self, node: NodeView, ended: Ended) -> None:
        if ended.result == DONE:
            return
        said = "\n".join(filter(None, (ended.why, ended.hint and f"hint: {ended.hint}")))
        told = Told(node.name, "NodeprovFailed", said, is_warning=True)
        self._around.on_told(told)
        try:
            self._actor.tell(told, node)
        except NodeprovError as error:  # the annotation says it too
            self._around.on_error(error)


def _pause(seconds: float, most: float) -> float:
    """Return when to look again for what is waited for since so many seconds."""
    return min(most, max(_LOOK_SECONDS, seconds / 5))


def _seconds_between(before: str, now: str) -> float:
    """Return the seconds between two times of ISO 8601; 0 where the first is none."""
    began = time_of(before)
    return (datetime.fromisoformat(now) - began).total_seconds() if began else 0.0
