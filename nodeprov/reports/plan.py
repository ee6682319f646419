"""Plans as text for people, without the secrets that are in them, and as JSON for programs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nodeprov.plan.goal import Change
from nodeprov.plan.plan import Plan
from nodeprov.plan.state_text import change_text, lines_of, summary_json
from nodeprov.plan.steps import Adopt, Drain, Part, Proof, Restart
from nodeprov.redaction import looks_secret, masked, secret_spans
from nodeprov.reports.wrapping import wrapped
from nodeprov.toml import key_text, statements

if TYPE_CHECKING:
    from rich.text import Text

SCHEMA = 1
"""Raised when a field of a plan's JSON changes its meaning or goes; docs/json.md describes them."""

_COLORS = {"+": "green", "~": "yellow", "-": "red", "!": "bold", "@": "cyan"}


_SIGNED = re.compile(r"(?:  (?=[-+~!] )|      (?=[-+@]))(.)")
CONTEXT_LINES = 2
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def plan_text(plan: Plan) -> str:
    """Write a plan for a person: every change, its diff, the restart and its reasons, the proofs."""
    lines = [headline(plan), *(f"  handler {each}" for each in _handlers(plan))]
    for part in plan.parts:
        lines += [f"  {line}" for line in _part_lines(part)]
    lines += [f"  note: {note}" for note in plan.notes]
    return "\n".join(lines)


def _handlers(plan: Plan) -> Iterator[str]:
    """Write in a line for each of several handlers what is changed for it."""
    for each in plan.handlers:
        release = f"{each.release}: " if each.release else ""
        restarts = ", needs the restart" if each.restarts else ""
        count = f"{count_text(len(each.changes), 'change')}{restarts}" if each.changes or restarts else ""
        yield f"{each.handler}: {release}{count or 'nothing to do'}"


def plan_texts(plans: Sequence[Plan]) -> Iterator[str]:
    """Write plans for a person: those that are alike once, with all the nodes; at the end what all of them do."""
    alike: dict[str, list[Plan]] = {}
    for plan in plans:
        alike.setdefault(without_name(plan_text(plan), plan.node), []).append(plan)
    for first, *others in alike.values():
        yield plan_text(first)
        if others:
            names = ", ".join(each.node for each in others)
            count = f", {count_text(len(others), 'node')}" if len(others) > 1 else ""
            yield f"{names}: the same as {first.node}{count}"
    if len(plans) > 1:
        yield summary(plans)


def summary(plans: Sequence[Plan]) -> str:
    """Write in one line what several plans do together."""
    pending = [plan for plan in plans if plan.pending]
    nodes = count_text(len(plans), "node")
    if not pending:
        return f"{nodes}: nothing to do"
    uploaded, restarted = sum(plan.upload_bytes for plan in plans), sum(bool(plan.restart) for plan in plans)
    said = [
        count_text(sum(len(plan.changes) for plan in plans), "change"),
        *([f"{_size(uploaded)} to upload"] if uploaded else ()),
        f"containerd restarts on {restarted}" if restarted else "no restart",
    ]
    idle = len(plans) - len(pending)
    return f"{nodes}: {', '.join(said)}{f'; nothing to do on {idle}' if idle else ''}"


def without_name(text: str, node: str) -> str:
    """Take a node's name out of a text, which is then the same for all nodes of which the same is said."""
    return re.sub(rf"(?<![\w.-]){re.escape(node)}(?![\w-]|\.\w)", "NODE", text)


def painted(plan: str, width: int | None = None) -> Text:
    """Colour the text of a plan by the signs that its lines begin with, and break those that are too long."""
    from rich.text import Text  # few plans are shown on a terminal with colours

    text = Text()
    for number, line in enumerate(plan.split("\n")):
        signed = _SIGNED.match(line)
        text.append("\n" if number else "")
        text.append(wrapped(line, width), _COLORS[signed[1]] if signed else None)
    return text


def headline(plan: Plan) -> str:
    """Write in one line what a plan will do."""
    if not plan.pending:
        return f"{plan.node}: nothing to do"
    said = f"{plan.node}: {plan.action.name}: {_way(plan)}{count_text(len(plan.changes), 'change')}"
    if plan.upload_bytes:
        said += f", {_size(plan.upload_bytes)} to upload"
    if plan.action.of_cluster:
        return said
    return said + (", containerd restarts" if plan.restart else ", no restart")


def _way(plan: Plan) -> str:
    """Say from which release to which one a plan leads; "" where it is the first one, or stays."""
    before, after = plan.releases
    if not before or not after or before == after:
        return ""
    old, new = before.partition("-")[0], after.partition("-")[0]
    if old == new:  # the same version of other bytes
        old, new = before, after
    older = " (older)" if _numbers(new) < _numbers(old) else ""
    return f"{old} -> {new}{older}, "


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.partition("-")[0])))


def _part_lines(part: Part) -> Iterator[str]:
    match part:
        case Change():
            changed = f"{_sign(part)} {part.resource.title}{change_text(part.before, part.after)}"
            yield f"{changed}  ({part.why})" if part.why else changed
            for line in diff(part):
                yield f"    {line}"
        case Restart(unit, reasons, activates, loses):
            yield f"! restart {unit}: {'; '.join(reasons)}"
            yield "    by the node itself, which goes back to what it had if containerd does not serve then"
            for also in activates:
                yield f"    also brings into force: {also}"
            for lost in loses:
                yield f"    loses: {lost}"
        case Proof():
            yield f"? {part.title}"
        case Adopt(changes):
            named = ", ".join(change.resource.title for change in changes)
            yield f"= record (exists already): {named}"
        case Drain():
            yield from _drain_lines(part)


def _drain_lines(drain: Drain) -> Iterator[str]:
    pods, wait = drain.pods, drain.wait
    count = count_text(len(pods), "pod" if drain.whole else "sandboxed pod")
    named = f"evict {count}{': ' if pods else ''}{', '.join(pods)}"
    if wait is None:
        yield f"! cordon the node and {named}"
    else:
        now = ", ".join(wait.pods) or "none runs now"
        then = "they are evicted" if wait.evicts else "the run fails, and the node is as before"
        yield f"! cordon the node and wait until its pods of {wait.selector} have ended: {now}"
        yield f"    for {wait.timeout_seconds} s at most; then {then}"
        if pods or drain.whole:
            yield f"! {named}"
    for lost in drain.losses:
        yield f"    lost for good: {lost}"


def part_text(part: Part) -> str:
    """Write in one line what a part of a plan is."""
    return next(_part_lines(part))


def _sign(change: Change) -> str:
    if change.before is None:
        return "+"
    return "-" if change.after is None else "~"


def diff(change: Change) -> list[str]:
    """Write the difference of two texts as a unified diff; lines that look secret are masked."""
    name = change.resource.key.partition(":")[2]
    before, after = lines_of(change.before), lines_of(change.after)
    if before is None and after is None:
        return []
    old, new = f"{name} (as it is)" if before else "/dev/null", f"{name} (wanted)" if after else "/dev/null"
    return unified(before or "", after or "", old=old, new=new)


def count_text(count: int, noun: str) -> str:
    """Write a number of things: 1 node, 2 nodes."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def plan_json(plan: Plan) -> dict[str, Any]:
    """Write a plan as plain values."""
    return {
        "schema": SCHEMA,
        "node": plan.node,
        "action": plan.action.name,
        "pending": plan.pending,
        "releases": dict(zip(("before", "after"), plan.releases, strict=True)),
        "upload_bytes": plan.upload_bytes,
        "steps": [part_json(part) for part in plan.parts],
        "restart": asdict(plan.restart) if plan.restart else None,
        "notes": list(plan.notes),
        **({"handlers": [asdict(each) for each in plan.handlers]} if plan.handlers else {}),
    }


def part_json(part: Part) -> dict[str, Any]:
    """Write a step as plain values; docs/json.md describes each."""
    match part:
        case Change():
            return {
                "step": "change",
                "resource": part.resource.key,
                "place": part.resource.place.value,
                "before": summary_json(part.before),
                "after": summary_json(part.after),
                "diff": diff(part),
                "why": part.why,
            }
        case Restart(unit):
            return {"step": "restart", "unit": unit}
        case Adopt(changes):
            return {"step": "adopt", "resources": [change.resource.key for change in changes]}
        case Drain(pods, losses, wait=wait):
            value = {"step": "drain", "pods": list(pods), "losses": list(losses)}
            return value | ({"wait": {**asdict(wait), "pods": list(wait.pods)}} if wait else {})
        case Proof(name=name, title=title, subject=subject):
            return {"step": "proof", "name": name, "title": title, "subject": subject}


def unified(before: str, after: str, *, old: str, new: str) -> list[str]:
    """Write a unified diff; lines that look secret, or are of a value that does, are masked."""
    import difflib

    found = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="", n=CONTEXT_LINES)
    hidden = {"-": secret_lines(before), "+": secret_lines(after)}
    numbers: dict[str, int] = {}
    shown = []
    for line in found:
        sign = line[:1]
        if hunk := _HUNK.match(line):
            numbers = {"-": int(hunk[1]), "+": int(hunk[2])}
            shown.append(line)
        elif not numbers:
            shown.append(line)  # the two lines of the head
        else:
            side = "-" if sign == "-" else "+"
            shown.append(masked(line, is_secret=numbers[side] in hidden[side]))
            numbers = {each: number + (sign in (each, " ")) for each, number in numbers.items()}
    return shown


def secret_lines(text: str) -> frozenset[int]:
    """Find the lines, counted from 1, of values that look secret and go over several of them."""
    spans = [*secret_spans(text), *_secret_statements(text)]
    return frozenset(
        number
        for start, end in spans
        for number in range(text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 2)
    )


def _secret_statements(text: str) -> Iterator[tuple[int, int]]:
    """Find whole statements by the name of the key and of its table, or by what is in any of their lines."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # another notation, such as a template
    for each in statements(text):
        said = text[each.start : each.end].rstrip()
        if each.kind == "key" and "\n" in said and (looks_secret(said) or looks_secret(key_text(each.path))):
            yield each.start, each.start + len(said)
