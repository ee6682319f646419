"""What earlier settings made on a node, and these do not want any more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nodeprov.inventory import Settings
from nodeprov.kubernetes.scheduling import NodeLabel, label_of
from nodeprov.node.receipts import History
from nodeprov.node.state import NodeState
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import Link
from nodeprov.plan.goal import Change, Goal
from nodeprov.states import ObjectState, State

Written = Mapping[str, State | None]
"""What nodeprov last wrote, by the resource's key."""


def prefixes(written: Written, settings: Settings) -> tuple[str, ...]:
    """Name the prefixes, other than the settings' own, below which the handler was installed."""
    inside = re.compile(rf"(?:file|link):(.+)/handlers/{re.escape(settings.runtime.handler)}/.+")
    found = [match[1] for key, state in written.items() if state is not None and (match := inside.fullmatch(key))]
    return tuple(dict.fromkeys(prefix for prefix in found if prefix != settings.paths.prefix))


def link_goals(state: NodeState) -> tuple[Goal, ...]:
    """Want back what was there before the links for people that were made elsewhere than the settings say."""
    program = state.layout.program
    people = re.compile(rf"link:(.+)/{re.escape(program)}")
    made = state.history.written
    found = [match[1] for key, target in made.items() if target is not None and (match := people.fullmatch(key))]
    elsewhere = [folder for folder in found if folder != state.settings.paths.bin and "/handlers/" not in folder]
    return _goals([Link(f"{folder}/{program}") for folder in elsewhere], state.history)


def label_goals(state: NodeState) -> tuple[Goal, ...]:
    """Want back what was there before the labels that were set by another key than the settings say."""
    settings, node = state.settings, state.node.name
    keys = [key for key in _written(f"label:{node}:", state.history) if key != settings.label.key]
    return _goals([label_of(settings, node, key) for key in keys], state.history)


def runtime_classes(state: NodeState) -> tuple[str, ...]:
    """Name the RuntimeClasses of another name than the settings say; other nodes and pods may still use them."""
    return tuple(
        name for name in _written("runtimeclass:", state.history) if name != state.settings.runtime_class.name
    )


def _written(kind: str, history: History) -> list[str]:
    """Name the resources of a kind that nodeprov has made, and has not taken away since."""
    return [key.removeprefix(kind) for key, state in history.written.items() if key.startswith(kind) and state]


def _goals(some: Sequence[Link | NodeLabel], history: History) -> tuple[Goal, ...]:
    """Want back what was there before; what somebody else has changed since stays."""
    written, before = history.written, history.before_us
    return tuple(
        Goal(each, _back(written[each.key], before.get(each.key)), "earlier settings had it") for each in some
    )


def _back(written: State | None, before: State | None) -> Callable[[Any], State | None]:
    def target(current: State | None) -> State | None:
        return before if current == written else current

    return target


def unknown(
    goals: Sequence[Goal],
    states: Mapping[str, State | None],
    written: Written,
    without: Callable[[Any], State | None],
) -> tuple[Change, ...]:
    """Find what is as wanted though no receipt tells of it, as the changes that would have made it so.

    The disk was cloned, or the receipts were lost. `without` says what the configuration was before.
    """
    found = []
    for goal in goals:
        state = states[goal.resource.key]
        if goal.resource.key in written or goal.target(state) != state:
            continue
        if isinstance(state, ObjectState) and not state.value["labels"]:
            continue  # a RuntimeClass of somebody else
        before = without(state) if isinstance(goal.resource, ContainerdConfig) else None
        if before != state:  # what is wanted absent, and is, nobody made
            found.append(Change(goal.resource, before, state))
    return tuple(found)
