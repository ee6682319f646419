"""How a run has ended, as the result that its pod leaves."""

import hashlib
import json
from dataclasses import dataclass

from nodeprov.engine import Planned
from nodeprov.engine.generations import release_in_force
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster import result
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.result import NodeResult, ResultError
from nodeprov.node.receipts import UNDONE, Author, Receipt
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Restart
from nodeprov.reports.outcome import errors_json
from nodeprov.reports.plan import plan_json


@dataclass(frozen=True, slots=True)
class Ended:
    """What was planned last, what came of it, who did it, and whether a restart was left for later."""

    planned: Planned
    outcome: Outcome
    author: Author
    to_restart: bool = False

    def result(self, assignment: Assignment, seconds: float) -> NodeResult:
        """Say it as a result, what this run had done before it was killed included."""
        planned, outcome, earlier = self.planned, self.outcome, self._earlier
        in_force = {view.settings.runtime.handler: self._in_force(view) for view in planned.views}
        switched = planned.as_read[0].footprint.switched
        is_switched = earlier is not None and switched is not None and switched.run == earlier.name
        return NodeResult(
            assignment.run,
            assignment.node,
            assignment.action,
            exit=4 if outcome.left else 1 if self._error else 0,
            outcome=self._named(),
            release=next(iter(in_force.values())),
            handlers=tuple(name for name, release in in_force.items() if release),
            digest=_digest(planned) if planned.plan.pending else "",
            restarted=is_switched or any(isinstance(part, Restart) for part in outcome.done),
            hit=(*(switched.hit if is_switched and switched else ()), *outcome.hit),
            seconds=seconds,
            error=self._said(),
            to_restart=self.to_restart,
        )

    @property
    def _error(self) -> NodeprovError | None:
        return self.outcome.error or self.outcome.later

    @property
    def _earlier(self) -> Receipt | None:
        """What this run has done on the node before it was killed, and started again."""
        states, action = self.planned.as_read, self.planned.plan.action.name
        last = [receipt for state in states for receipt in state.history.of_handler[-1:]]
        own = [
            each for each in last if (each.author, each.action) == (self.author, action) and each.state != UNDONE
        ]
        return min(own, key=lambda receipt: receipt.number, default=None)

    def _named(self) -> str:
        if self.outcome.left:
            return result.BETWEEN
        if self._error:
            return result.FAILED
        return result.DONE if self.outcome.plan.pending or self._earlier else result.UNCHANGED

    def _in_force(self, view: Planned) -> str:
        """Tell which release is in force now for a handler, by its version; "" if none is, or it is not known."""
        plan, wanted = self.outcome.plan, view.want.release
        if self.outcome.left or (plan.action.ends_installation and not self._error):
            return ""
        if wanted is not None and plan.action is view.want.action and not self._error:
            return wanted.version
        return release_in_force(view.state).rpartition("-")[0]

    def _said(self) -> ResultError | None:
        if not self.outcome.left:
            return _said(self._error) if self._error else None
        said = "; ".join(["left between two states", *self.outcome.left])
        error = self._error or NodeprovError(
            said, "look at these, then run it again", where=self.planned.node.name
        )
        found = _said(error)
        return found if error.message == said else ResultError(found.where, f"{found.what}; {said}", found.hint)


def failed(assignment: Assignment, error: NodeprovError, seconds: float) -> NodeResult:
    """Return the result of a run that has not begun to change anything."""
    said = _said(error.at(assignment.node))
    it = (assignment.run, assignment.node, assignment.action)
    return NodeResult(*it, exit=1, outcome=result.FAILED, seconds=seconds, error=said)


def _digest(planned: Planned) -> str:
    """Return the SHA-256 of a plan, as its JSON."""
    return hashlib.sha256(json.dumps(plan_json(planned.plan), sort_keys=True).encode()).hexdigest()


def _said(error: NodeprovError) -> ResultError:
    """Say all that is wrong: several reasons may be found at once."""
    parts = errors_json([error])
    whats, hints = (dict.fromkeys(part[name] for part in parts if part[name]) for name in ("message", "hint"))
    return ResultError(parts[0]["where"], "; ".join(whats), "; ".join(hints))
