"""How runs end and what happens in them, as text and as JSON."""

import re
from collections.abc import Iterable
from typing import Any

from nodeprov.errors import NodeprovError, ended
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Drain, Event, Proof, Restart
from nodeprov.redaction import without_userinfo
from nodeprov.reports.plan import count_text, plan_json


def outcome_text(outcome: Outcome) -> str:
    """Write how a run ended: what was done and proven, or why it stopped and what was taken back."""
    node, plan = outcome.plan.node, outcome.plan
    kept = [f"  {ended(each)}" for each in outcome.kept]
    kept += [f"  note: {ended(each)}" for each in outcome.notes]
    if outcome.error is None:
        if not plan.pending:
            return f"{node}: nothing to do"
        proven = [f"  {ended(f'{title}: {_short(said)}')}" for title, said in outcome.proofs.items()]
        head = f"{node}: {plan.action.name} done, {count_text(len(outcome.made), 'change')}"
        if outcome.node_seconds is not None:
            head += f", in {outcome.node_seconds:.2f} s by the node's clock"
        others = [
            f"  done meanwhile by another node, or by somebody else: {c.resource.title}"
            for c in outcome.made_by_others
        ]
        return "\n".join([head, *proven, *others, *kept])
    lines = [str(outcome.error)]
    if outcome.left:
        lines += [f"{node}: left between two states:", *(f"  {ended(each)}" for each in outcome.left)]
        again = plan.action.typed if plan.action.of_cluster else f"{plan.action.typed} {node}"
        lines.append(f"hint: look at these, then run nodeprov {again} again")
    elif outcome.undone:
        undone = count_text(len(outcome.undone), "change")
        lines.append(f"{node}: taken back: {undone} of this run; {_as_before(outcome)}")
    else:
        lines.append(f"{node}: {_as_before(outcome)}")
    return "\n".join(lines + kept)


_KERNEL = re.compile(r"(Linux version \S+) #.*")


def _short(said: str) -> str:
    """Leave out when and how a kernel was built: it is in the JSON."""
    return _KERNEL.sub(r"\1", said)


def _as_before(outcome: Outcome) -> str:
    """Say so of a node; or that something stays, which the next lines name."""
    if not outcome.kept:
        return f"the {'cluster' if outcome.plan.action.of_cluster else 'node'} is as before"
    return "the node serves as before; files that are in use, or cannot be removed, stay until the next run:"


def event_text(event: Event) -> str | None:
    """Write a progress line; None for what needs none."""
    match event.step, event.phase:
        case Proof() as proof, "done":
            return ended(f"proven: {proof.title}: {event.said}")
        case Restart(unit), "begun":
            return f"restarting {unit}"
        case Restart(unit), "undone":
            return f"restarting {unit} with its configuration as before"
        case Change() as change, "done":
            return f"done: {change.resource.title}"
        case Change() as change, "undone":
            return f"taken back: {change.resource.title}"
        case Drain(wait=wait), "begun" if wait:
            return "cordoning the node"
        case Drain(whole=whole), "begun":
            return "evicting pods" if whole else "evicting sandboxed pods"
        case Drain(), "waiting":
            return f"waiting for the end of {event.said}"
    return None


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Write an outcome as plain values."""
    error = outcome.error
    return {
        **plan_json(outcome.plan),
        "exit_code": outcome.exit_code,
        "done": len(outcome.done),
        "changed": len(outcome.made),
        "proofs": dict(outcome.proofs),
        "undone": [change.resource.key for change in outcome.undone],
        "left": list(outcome.left),
        "kept": list(outcome.kept),
        "error": _error_json(error) if error else None,
        "later": _error_json(outcome.later) if outcome.later else None,
        "remarks": list(outcome.notes),
        "node_seconds": None if outcome.node_seconds is None else round(outcome.node_seconds, 2),
    }


def errors_json(errors: Iterable[NodeprovError]) -> list[dict[str, str]]:
    """Write errors as plain values: one for each thing that is wrong."""
    return [_error_json(part) for error in errors for part in error.parts()]


def _error_json(error: NodeprovError) -> dict[str, str]:
    said = {"message": error.message, "hint": error.hint, "where": error.where}
    return {name: without_userinfo(text) for name, text in said.items()}
