"""Plans that were saved: what an operator has seen, and enough to see whether the same would still be done."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nodeprov.engine.look import Gc, Install, Rollback, Uninstall, Want
from nodeprov.engine.planner import Planned
from nodeprov.errors import MALFORMED_JSON, NodeprovError, UsageError, json_object, of_type
from nodeprov.inventory import Inventory, Node, Settings
from nodeprov.inventory.explanation import inventory_text
from nodeprov.kubernetes.draining import NOTHING_LOST, Allowed
from nodeprov.node.receipts import Author
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import STAGE, Action, action_named
from nodeprov.plan.state_text import state_to_json, summary_json
from nodeprov.plan.steps import Adopt, Drain, Part, Proof, Restart
from nodeprov.reports.plan import plan_text
from nodeprov.runtimes.family import Family
from nodeprov.states import FileState, State

SCHEMA = 1
DIGEST_CHARACTERS = 12
UNSEEN = ("mode", "owner", "machine-id")
"""What of a step's beginning no text of a plan shows."""
ADDED = ("loses", "losses", "whole", "wait")
"""What a part has got since plans were first saved: it is no part of a digest where it says nothing."""
AGAIN = "plan again: nodeprov plan NODES --out FILE"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """One node's plan: the text that was shown, and a digest of each step by the step's name.

    `details` has in words, by the same names, what a step starts from and leads to.
    """

    node: str
    text: str
    steps: tuple[tuple[str, str], ...]
    details: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """Plans of one invocation. `at` is UTC in ISO 8601; `inventory` is TOML, with nothing left to resolve."""

    at: str
    author: Author
    action: Action
    drain: bool
    inventory: str
    plans: tuple[SavedPlan, ...]
    allowed: Allowed = NOTHING_LOST
    to: str = ""
    """Of a rollback, what was named to go back to."""

    @property
    def by(self) -> str:
        """Name who saved it, and when."""
        return f"{self.author.user}@{self.author.controller} at {self.at}"


def saved(whole: Inventory, planned: Sequence[Planned], author: Author, at: str, want: Want) -> Saved:
    """Make of plans what is saved of them; `latest` becomes the release that it was."""
    text = inventory_text(whole, [_resolved(each) for each in planned])
    plans = tuple(
        SavedPlan(each.node.name, plan_text(each.plan), _steps(each), _details(each)) for each in planned
    )
    if isinstance(want, Uninstall):
        return Saved(at, author, want.action, want.drain, text, plans, want.allowed)
    to = want.to if isinstance(want, Rollback) else ""
    return Saved(at, author, want.action, drain=False, inventory=text, plans=plans, to=to)


def settings_of_then(saved: Saved) -> tuple[str, ...]:
    """Return what the saved inventory meant by settings that its nodeprov did not know, as `--set` has it.

    All that were known then are written out in it.
    """
    is_known = bool({"canary = true", "canary = false"} & {*saved.inventory.splitlines()})
    return () if is_known else ("runtime.canary=false",)


def want_of(saved: Saved, family: Family) -> Want:
    """Return what the plans are for."""
    wants = (
        Install(family),
        Install(family, adopts=True),
        Uninstall(family, saved.drain, allowed=saved.allowed),
        Rollback(family, saved.to),
        Gc(family),
    )
    return next(each for each in wants if each.action is saved.action)


def _resolved(planned: Planned) -> Node:
    """Return the node with the settings of its handlers; a canary is none of them: whoever plans adds it again.

    Raises UsageError for a plan of a canary alone, which no inventory has as a handler.
    """
    views = [each for each in planned.views if not each.node.canary_of]
    if not views:
        hint = f"leave --out out; what carries it out is nodeprov {_typed_for_canary(planned)}"
        raise UsageError("a plan of a canary alone cannot be saved", hint, where=planned.node.name)
    main, *others = views
    handlers = {each.state.layout.handler: _with_release(each) for each in others}
    return replace(main.node, settings=_with_release(main), handlers=handlers)


def _typed_for_canary(planned: Planned) -> str:
    name, want = planned.node.name, planned.want
    match want:
        case Uninstall():
            return f"canary abort {name}"
        case Install():
            return f"canary start {name} --release {planned.settings.release.version}"
    return f"{want.action.typed} {name} --handler {planned.settings.runtime.handler}"


def _with_release(planned: Planned) -> Settings:
    """Return the settings of a handler with the release that was found."""
    if planned.want.release is None:
        return planned.settings
    release = replace(planned.settings.release, version=planned.want.release.version)
    return replace(planned.settings, release=release)


def _steps(planned: Planned, *, names_pods: bool = False) -> tuple[tuple[str, str], ...]:
    """Name each part of the plan with its digest; before them, the machine and the cluster that it is for.

    `names_pods` gives the digests of earlier nodeprovs, of which each pod was a part that a drained node had.
    """
    subjects = [(name, list(values.values())) for name, values in _subjects(planned).items()]
    parts = planned.plan.parts if names_pods else map(_lasting, planned.plan.parts)
    steps = [(_name(part), _value(part)) for part in parts]
    return tuple((name, _digest(value)) for name, value in (*subjects, *steps))


def _lasting(part: Part) -> Part:
    """Leave out which pods a drained node has: they come and go, and what is evicted is whatever is there.

    What would be lost stays, and so do the sandboxed pods that an uninstall evicts: somebody has looked at these.
    """
    if not isinstance(part, Drain):
        return part
    wait = replace(part.wait, pods=()) if part.wait else None
    return replace(part, pods=() if part.whole else part.pods, wait=wait)


def _subjects(planned: Planned) -> dict[str, dict[str, str]]:
    """Describe what a plan is for."""
    cluster = planned.state.cluster
    machine = {"the machine": {"machine-id": planned.state.machine.machine_id}}
    if cluster is None:
        return machine
    return machine | {"the cluster": {"server": cluster.server, "context": cluster.context}}


def _details(planned: Planned) -> dict[str, dict[str, str]]:
    return _subjects(planned) | {_name(part): _words(part) for part in planned.plan.parts}


def _words(part: Part) -> dict[str, str]:
    """Describe what a part starts from and leads to, by what a person would call each of it."""
    match part:
        case Change(before=before, after=after):
            return _in_words(before) | {f"wanted {name}": text for name, text in _in_words(after).items()}
        case Restart(unit, reasons, activates):
            return {"unit": unit, "reasons": "; ".join(reasons), "what it activates": "; ".join(activates)}
        case Drain(pods, losses, wait=wait):
            said = {"pods": ", ".join(pods), "what is lost": "; ".join(losses)}
            return said | ({"pods that are waited for": ", ".join(wait.pods)} if wait else {})
        case Adopt(changes):
            return {"resources": ", ".join(change.resource.key for change in changes)}
        case Proof():
            return {"title": part.title}


def _in_words(state: State | None) -> dict[str, str]:
    """Describe a state without a file's content, which is known by its digest alone."""
    summary = summary_json(state)
    if summary is None:
        return {"state": "absent"}
    said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in summary.items()}
    if isinstance(state, FileState):
        said["content"] = f"SHA-256 {hashlib.sha256(state.content).hexdigest()[:DIGEST_CHARACTERS]}"
    return said


def _name(part: Part) -> str:
    match part:
        case Change(resource):
            return resource.key
        case Restart(unit):
            return f"restart of {unit}"
        case Proof(name=name, subject=subject):
            return f"proof {name} {subject}".rstrip()
        case Drain():
            return "eviction of pods"
        case Adopt():
            return "what is written down"


def _value(part: Part) -> Any:
    match part:
        case Change(resource, before, after, why):
            return [resource.key, resource.place.value, _state(before), _state(after), why]
        case Adopt(changes):
            return [_value(change) for change in changes]
        case Proof():
            return {"name": part.name, **asdict(part)}
        case Restart() | Drain():
            # Otherwise no plan that an earlier nodeprov has saved could be carried out.
            return {name: value for name, value in asdict(part).items() if value or name not in ADDED}


def _state(state: State | None) -> Any:
    """Describe a state by all that it is, and a file's content by its digest."""
    value = state_to_json(state)
    if isinstance(state, FileState) and value is not None:
        value["base64"] = hashlib.sha256(state.content).hexdigest()
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def to_text(saved: Saved) -> str:
    """Write it as JSON, with a digest over all of it."""
    value = {"schema": SCHEMA, **asdict(saved), "action": saved.action.name}
    # What an earlier nodeprov did not know of is left out where it says nothing.
    if saved.allowed == NOTHING_LOST:
        del value["allowed"]
    if not saved.to:
        del value["to"]
    for plan in value["plans"]:
        if not plan["details"]:
            del plan["details"]
    return json.dumps({**value, "sha256": _digest(value)}, indent=1) + "\n"


def is_saved(text: str) -> bool:
    """Tell whether a text is a saved plan, in whatever condition."""
    try:
        value = json_object(text)
    except ValueError:
        return False
    return "schema" in value and "plans" in value


def from_text(text: str, path: str, version: str) -> Saved:
    """Read it back; raise UsageError if it is none, is damaged or edited, or is of another nodeprov."""
    if not is_saved(text):
        raise UsageError("this is not a saved plan, or it is damaged", AGAIN, where=path)
    value: dict[str, Any] = json.loads(text)
    if type(value["schema"]) is not int or value["schema"] > SCHEMA:
        raise UsageError("a newer nodeprov has saved this plan", f"use that version, or {AGAIN}", where=path)
    if value.pop("sha256", "") != _digest(value):
        raise UsageError("this plan was edited, or is damaged: its digest does not match", AGAIN, where=path)
    try:
        found = _read(value)
    except MALFORMED_JSON as error:
        said = f"this saved plan is not understood ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise UsageError(said, AGAIN, where=path) from None
    if found.author.version != version:
        said = f"nodeprov {found.author.version} has saved this plan, and this is nodeprov {version}"
        raise UsageError(said, AGAIN, where=path)
    return found


def _read(value: Mapping[str, Any]) -> Saved:
    name, drain = value["action"], value["drain"]
    action = action_named(name)
    if action is None or action is STAGE or type(drain) is not bool:
        raise ValueError(f"no action: {name!r:.60}, drain {drain!r:.60}")
    plans = tuple(map(_read_plan, value["plans"]))
    allowed = Allowed(**{name: of_type(bool, each) for name, each in value.get("allowed", {}).items()})
    author = Author(**{name: _word(each) for name, each in value["author"].items()})
    to = _word(value.get("to", ""))
    return Saved(_word(value["at"]), author, action, drain, _word(value["inventory"]), plans, allowed, to)


def _read_plan(value: Mapping[str, Any]) -> SavedPlan:
    steps = tuple((_word(name), _word(digest)) for name, digest in value["steps"])
    details = {
        _word(step): {_word(name): _word(text) for name, text in each.items()}
        for step, each in value.get("details", {}).items()
    }
    return SavedPlan(_word(value["node"]), _word(value["text"]), steps, details)


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {value!r:.60}")
    return value


def changes(saved: Saved, planned: Sequence[Planned]) -> tuple[NodeprovError, ...]:
    """Find the nodes for which something else would be done now than was saved, and say what differs.

    A node on which all of it was done already is none of them, nor one that is not planned now: it is left out.
    """
    now = {each.node.name: each for each in planned}
    return tuple(
        NodeprovError(
            f"has changed since the plan was saved by {saved.by}\n{_difference(plan, now[plan.node])}",
            f"look at what differs, and {AGAIN}",
            where=plan.node,
        )
        for plan in saved.plans
        if plan.node in now
        and plan.steps not in (_steps(now[plan.node]), _steps(now[plan.node], names_pods=True))
        and not is_done(saved, now[plan.node])
    )


def is_done(saved: Saved, planned: Planned) -> bool:
    """Tell whether a plan that would have changed a node has nothing to do there any more, on the same machine."""
    then = next(dict(plan.steps) for plan in saved.plans if plan.node == planned.node.name)
    subjects = {name: _digest(list(values.values())) for name, values in _subjects(planned).items()}
    is_same = all(then.get(name) == digest for name, digest in subjects.items())
    return is_same and not planned.plan.pending and len(then) > len(subjects)


def _difference(plan: SavedPlan, planned: Planned) -> str:
    before, after = plan.text.splitlines(), plan_text(planned.plan).splitlines()
    lines = list(difflib.unified_diff(before, after, "as saved", "as it is now", lineterm="", n=1))
    old, new, now = dict(plan.steps), dict(_steps(planned)), _details(planned)
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    found = {name: _what_differs(plan.details.get(name, {}), now.get(name, {})) for name in differing}
    if not lines:
        said = "; ".join(": ".join(filter(None, [name, ", ".join(each.values())])) for name, each in found.items())
        return f"the plan reads the same, and what it starts from differs: {said}"
    unseen = {name: [said for what, said in each.items() if what in UNSEEN] for name, each in found.items()}
    return "\n".join([*lines, *(f"{name}: {', '.join(said)}" for name, said in unseen.items() if said)])


def _what_differs(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Say of a step what it had when it was saved, and has now: `mode 0644, now 0640`."""
    if not before:  # an earlier nodeprov did not keep it
        return {}
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    # What is there is kept as far as it goes: it need not be said twice.
    shown = [name for name in names if not (name.startswith("wanted ") and name.removeprefix("wanted ") in names)]
    return {name: f"{name} {before.get(name, 'none')}, now {now.get(name, 'none')}" for name in shown}
