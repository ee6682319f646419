"""The states of what lives in a cluster; the resources themselves are in kubernetes/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.errors import of_type
from nodeprov.plan.resources.base import StateKind
from nodeprov.states import LabelState, ObjectState, State


class LabelKind(StateKind[LabelState]):
    """The state of a node's label."""

    name = "label"
    type = LabelState

    def to_json(self, state: LabelState) -> dict[str, Any]:
        return {"value": state.value}

    def from_json(self, value: Mapping[str, Any]) -> LabelState:
        return LabelState(of_type(str, value["value"]))

    def change_text(self, before: State | None, after: LabelState) -> str:
        was = f" (was {before.value})" if isinstance(before, LabelState) else ""
        return f" = {after.value}{was}"


class ObjectKind(StateKind[ObjectState]):
    """The state of an object, such as a RuntimeClass."""

    name = "object"
    type = ObjectState

    def to_json(self, state: ObjectState) -> dict[str, Any]:
        return {"manifest": state.value}

    def from_json(self, value: Mapping[str, Any]) -> ObjectState:
        return ObjectState.of(of_type(dict, value["manifest"]))

    def text(self, state: ObjectState) -> str:
        """Write it much as YAML would be."""
        return "\n".join(_yaml_like(state.value))


def _yaml_like(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, each in value.items():
        if isinstance(each, dict):
            yield f"{indent}{name}:{'' if each else ' {}'}"
            yield from _yaml_like(each, indent + "  ")
        else:
            yield f"{indent}{name}: {each}"
