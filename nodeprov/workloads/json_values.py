"""Values that were never written as YAML: what a cluster's API has given, without libyaml on the way."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import yaml

from nodeprov.workloads.documents import Value

_NOWHERE = yaml.Mark("", 0, 0, 0, None, 0)
_TAGS = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}


def json_value(found: Any) -> Value:
    """Take what json.loads() returned; all of it is at line 1."""
    return Value("", _node(found))


class _Mapping(yaml.MappingNode):
    """A map whose members become nodes when somebody asks: of most objects, few are looked at."""

    tag, start_mark = "tag:yaml.org,2002:map", _NOWHERE

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    @cached_property
    def value(self) -> list[tuple[Any, Any]]:
        return [(_scalar(name), _node(each)) for name, each in self._found.items()]


class _Sequence(yaml.SequenceNode):
    tag, start_mark = "tag:yaml.org,2002:seq", _NOWHERE

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    @cached_property
    def value(self) -> list[Any]:
        return [_node(each) for each in self._found]


def _node(found: Any) -> Any:
    """Make the node that libyaml makes of the same in JSON."""
    if isinstance(found, dict):
        return _Mapping(found)
    return _Sequence(found) if isinstance(found, list) else _scalar(found)


def _scalar(found: Any) -> Any:
    text = str(found).lower() if isinstance(found, bool) else str(found)
    return yaml.ScalarNode(f"tag:yaml.org,2002:{_TAGS[type(found)]}", text, _NOWHERE)
