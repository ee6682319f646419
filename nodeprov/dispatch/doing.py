"""A step is taken for a node, in a thread; what comes of it is handed back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nodeprov.dispatch.actor import Actor, Told
from nodeprov.dispatch.api import ApiError
from nodeprov.dispatch.known import Known
from nodeprov.dispatch.marks import DONE, FAILED
from nodeprov.dispatch.steps import Ended, Step
from nodeprov.dispatch.surroundings import Surroundings
from nodeprov.dispatch.views import NodeView, PodView
from nodeprov.errors import NodeprovError
from nodeprov.inventory import Settings

_POLICY = "ValidatingAdmissionPolicy"
TAKEN_UP_SECONDS = 15.0
"""So long it may take until each API server of a cluster has taken up a changed policy; mostly it is a second."""


class NotYet(NodeprovError):
    """A policy refuses what the next one may allow, which the server has not taken up yet."""


@dataclass(frozen=True, slots=True)
class Did:
    """What came of a step: a node or a pod as it is now, how the node's run has ended, or an error."""

    node: str
    made: NodeView | PodView | None = None
    ended: Ended | None = None
    error: BaseException | None = None


class Doer:
    """Takes steps; for use by several threads."""

    def __init__(self, actor: Actor, known: Known, around: Surroundings, hand_back: Callable[[Did], None]) -> None:
        """Act by `actor`; `hand_back` is given what came of each step, whatever it is."""
        self._actor, self._known, self._around, self._hand_back = actor, known, around, hand_back
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
            if step.doing == "claim":
                return Did(node.name, self._actor.claim(node, wanted, settings, action))
            made = (
                self._actor.make_engine(node, wanted, settings, action)
                if step.doing == "make the pod"
                else self._actor.make_proof(node, wanted, settings)
            )
            self._refused.pop(node.name, None)
            return Did(node.name, made)
        except ApiError as error:
            if error.status == 409:
                return Did(node.name, self._actor.read(node))
            if error.status not in (400, 403, 422):
                raise
            self._wait_for_policy(node.name, error)
            if step.doing == "claim":
                raise
            refused = Ended(FAILED, error.message, error.hint, action=action, want=wanted.digest)
        return self._finished(node, settings, refused)

    def _wait_for_policy(self, name: str, error: ApiError) -> None:
        """Raise NotYet where what was refused may be allowed in a moment."""
        now = self._around.monotonic()
        if _POLICY in error.message and now - self._refused.setdefault(name, now) < TAKEN_UP_SECONDS:
            raise NotYet(error.message, error.hint, where=error.where) from None
        self._refused.pop(name, None)

    def _finished(self, node: NodeView, settings: Settings, ended: Ended) -> Did:
        """Write down how a node's run has ended, unless it is another node, or another run's, by now."""
        now = node
        while (now.uid, now.claim) == (node.uid, node.claim):
            try:
                made = self._actor.finish(now, settings, ended)
            except ApiError as error:
                if error.status != 409:
                    self._wait_for_policy(node.name, error)
                    raise
                now = self._actor.read(node)
            else:
                self._tell(node, ended)
                return Did(node.name, made, ended)
        return Did(node.name, now)

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
