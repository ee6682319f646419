"""Plans as text for people, and as JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from nodeprov.plan.plan import Adopt, Change, Drain, Plan, Proof, Resource, Restart, Step
from nodeprov.plan.state_json import state_to_json
from nodeprov.reports import unified_diff
from nodeprov.states import FileState, LabelState, LinkState, ObjectState, PresentState, State, TreeState

SCHEMA = 1
"""Raised when a field of the JSON changes its meaning or goes; docs/json.md describes them."""


_COLORS = {"+": "green", "~": "yellow", "-": "red", "!": "bold", "@": "cyan"}


_SIGNED = re.compile(r"(?:  (?=[-+~!] )|      (?=[-+@]))(.)")


def plan_text(plan: Plan) -> str:
    """Write a plan for a person: every change, its diff, the restart and its reasons, the proofs."""
    lines = [headline(plan)]
    for step in plan.steps:
        lines += [f"  {line}" for line in _step_lines(step)]
    lines += [f"  note: {note}" for note in plan.notes]
    return "\n".join(lines)


def painted(plan: str) -> Text:
    """Colour the text of a plan by the signs that its lines begin with."""
    text = Text(plan)
    start = 0
    for line in plan.split("\n"):
        if signed := _SIGNED.match(line):
            text.stylize(_COLORS[signed[1]], start, start + len(line))
        start += len(line) + 1
    return text


def headline(plan: Plan) -> str:
    """Say in one line what a plan comes to."""
    if not plan.pending:
        return f"{plan.node}: nothing to do"
    said = f"{plan.node}: {plan.action}: {_count(len(plan.changes), 'change')}"
    if plan.upload_bytes:
        said += f", {_size(plan.upload_bytes)} to upload"
    return said + (", containerd restarts" if plan.restart else ", no restart")


def _step_lines(step: Step) -> Iterator[str]:
    match step:
        case Change():
            yield f"{_sign(step)} {what(step.resource)}{_states(step)}{f'  ({step.why})' if step.why else ''}"
            for line in diff(step):
                yield f"    {line}"
        case Restart(unit, reasons, activates):
            yield f"! restart {unit}: {'; '.join(reasons)}"
            yield "    by the node itself, which goes back to what it had if containerd does not serve then"
            for also in activates:
                yield f"    also brings into force: {also}"
        case Proof():
            yield f"? {step.title}"
        case Adopt(changes):
            named = ", ".join(what(change.resource) for change in changes)
            yield f"= write down what is here already, of which no receipt tells: {named}"
        case Drain(pods):
            yield f"! cordon the node and evict {len(pods)} sandboxed pods: {', '.join(pods)}"


def step_text(step: Step) -> str:
    """Say in one line what a step is."""
    return next(_step_lines(step))


def _sign(change: Change) -> str:
    if change.before is None:
        return "+"
    return "-" if change.after is None else "~"


def what(resource: Resource) -> str:
    """Name a resource for a person."""
    kind, _, name = resource.key.partition(":")
    if kind == "label":
        node, _, label = name.partition(":")
        return f"label {label} on node {node}"
    names = {"runtimeclass": "RuntimeClass", "tree": "release"}
    return f"{names.get(kind, kind)} {name}"


def _states(change: Change) -> str:
    match change.before, change.after:
        case _, TreeState(entries):
            return f": {len(entries)} files" + (", replacing a damaged one" if change.before else "")
        case None, LinkState(target):
            return f" -> {target}"
        case LinkState(old), LinkState(new):
            return f" -> {new} (was {old})"
        case FileState(mode=old_mode), FileState(mode=new_mode) if old_mode != new_mode:
            return f": mode {new_mode:04o} (was {old_mode:04o})"
        case None, LabelState(value):
            return f" = {value}"
        case LabelState(old), LabelState(new):
            return f" = {new} (was {old})"
    return ""


def diff(change: Change) -> list[str]:
    """Write the difference of two texts as a unified diff; lines that look secret are masked."""
    name = change.resource.key.partition(":")[2]
    before, after = _text(change.before), _text(change.after)
    if before is None and after is None:
        return []
    old, new = f"{name} (as it is)" if before else "/dev/null", f"{name} (wanted)" if after else "/dev/null"
    return unified_diff.unified(before or "", after or "", old=old, new=new)


def _text(state: State | None) -> str | None:
    match state:
        case FileState(content):
            return content.decode(errors="backslashreplace")
        case ObjectState():
            return "\n".join(_yaml_like(state.value))
    return None


def _yaml_like(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, each in value.items():
        if isinstance(each, dict):
            yield f"{indent}{name}:{'' if each else ' {}'}"
            yield from _yaml_like(each, indent + "  ")
        else:
            yield f"{indent}{name}: {each}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def plan_json(plan: Plan) -> dict[str, Any]:
    """Write a plan as plain values."""
    restart = plan.restart
    return {
        "schema": SCHEMA,
        "node": plan.node,
        "action": plan.action,
        "pending": plan.pending,
        "upload_bytes": plan.upload_bytes,
        "steps": [_step_json(step) for step in plan.steps],
        "restart": {"unit": restart.unit, "reasons": restart.reasons, "activates": restart.activates}
        if restart
        else None,
        "notes": list(plan.notes),
    }


def _step_json(step: Step) -> dict[str, Any]:
    match step:
        case Change():
            return {
                "step": "change",
                "resource": step.resource.key,
                "place": step.resource.place.value,
                "before": _described(step.before),
                "after": _described(step.after),
                "diff": diff(step),
                "why": step.why,
            }
        case Restart(unit):
            return {"step": "restart", "unit": unit}
        case Adopt(changes):
            return {"step": "adopt", "resources": [change.resource.key for change in changes]}
        case Drain(pods):
            return {"step": "drain", "pods": list(pods)}
        case Proof(name, title, subject):
            return {"step": "proof", "name": name, "title": title, "subject": subject}


def _described(state: State | None) -> dict[str, Any] | None:
    """Describe a state without a file's content: it may hold others' secrets, and the diff shows what matters."""
    match state:
        case FileState(content, mode, uid, gid):
            return {"kind": "file", "bytes": len(content), "mode": f"{mode:04o}", "owner": f"{uid}:{gid}"}
        case TreeState(entries):
            return {"kind": "tree", "files": len(entries), "digest": state.digest}
        case None | PresentState():
            return None if state is None else {"kind": "present"}
    return state_to_json(state)
