"""What earlier settings made on a node, and these do not want any more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nodeprov.inventory import Settings
from nodeprov.kubernetes.cluster import kubectl
from nodeprov.kubernetes.node_label import NodeLabel
from nodeprov.node.receipts.history import History
from nodeprov.plan.goal import Change, Goal
from nodeprov.plan.resources.containerd_config import ContainerdConfig
from nodeprov.plan.resources.link import Link
from nodeprov.states import ObjectState, State

Written = Mapping[str, State | None]
"""What nodeprov last wrote, by the resource's key."""


def prefixes(written: Written, settings: Settings) -> tuple[str, ...]:
    """Name the prefixes, other than the settings' own, below which the handler was installed."""
    inside = re.compile(rf"(?:file|link):(.+)/handlers/{re.escape(settings.runtime.handler)}/.+")
    found = [match[1] for key, state in written.items() if state is not None and (match := inside.fullmatch(key))]
    return tuple(dict.fromkeys(prefix for prefix in found if prefix != settings.paths.prefix))


def links(written: Written, settings: Settings) -> tuple[Link, ...]:
    """Name the links for people that were made elsewhere than the settings say."""
    people = re.compile(r"link:(.+)/runsc")
    found = [match[1] for key, state in written.items() if state is not None and (match := people.fullmatch(key))]
    return tuple(
        Link(f"{folder}/runsc") for folder in found if folder != settings.paths.bin and _is_for_people(folder)
    )


def _is_for_people(folder: str) -> bool:
    return "/handlers/" not in folder


def labels(written: Written, settings: Settings, node: str) -> tuple[NodeLabel, ...]:
    """Name the labels of the node that were set by another key than the settings say."""
    kube = kubectl(settings.cluster)
    keys = [
        key.removeprefix(f"label:{node}:") for key in written if key.startswith(f"label:{node}:") and written[key]
    ]
    return tuple(NodeLabel(kube, node, key) for key in keys if key != settings.label.key)


def runtime_classes(written: Written, settings: Settings) -> tuple[str, ...]:
    """Name the RuntimeClasses of another name than the settings say; other nodes and pods may still use them."""
    named = [
        key.removeprefix("runtimeclass:") for key in written if key.startswith("runtimeclass:") and written[key]
    ]
    return tuple(name for name in named if name != settings.runtime_class.name)


def goals(some: Sequence[Link | NodeLabel], history: History) -> tuple[Goal, ...]:
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
