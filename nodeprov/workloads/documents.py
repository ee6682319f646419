"""YAML whose values know where they stand: libyaml reads it, and it is taken apart only where somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from nodeprov.errors import UsageError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE = ("true", "yes", "on")
"""What YAML 1.1 calls true, as kubectl's reader (sigs.k8s.io/yaml) does."""
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_HINT = "see what kubectl reports: kubectl apply --dry-run=client -f FILE"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a document, with its place.

    Attributes:
        path: as `kubectl explain` writes it, with the numbers of members of lists: spec.containers[0].image.
        node: libyaml's.
    """

    path: str
    node: Any

    @property
    def line(self) -> int:
        """Its line, from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def text(self) -> str:
        """What is written, if it is a single value; "" otherwise."""
        return str(self.node.value) if isinstance(self.node, yaml.ScalarNode) and self.node.tag != _NULL else ""

    @property
    def is_true(self) -> bool:
        """Tell whether it is the boolean true, and no string that reads so."""
        return self.node.tag == "tag:yaml.org,2002:bool" and self.text.lower() in _TRUE

    @property
    def is_false(self) -> bool:
        """Tell whether it is the boolean false."""
        return self.node.tag == "tag:yaml.org,2002:bool" and not self.is_true

    def keys(self) -> Iterator[tuple[str, Value]]:
        """Return what a mapping has; nothing for what is none. Later keys count, and merged ones (`<<`) least."""
        for name, node in _pairs(self.node).items():
            yield name, Value(f"{self.path}.{name}" if self.path else name, node)

    def get(self, *names: str) -> Value | None:
        """Follow keys; None where one is not there, or has nothing."""
        node, path = self.node, self.path
        for name in names:
            node = _pairs(node).get(name)
            path = f"{path}.{name}" if path else name
            if node is None or node.tag == _NULL:
                return None
        return Value(path, node)

    def members(self, *names: str) -> list[Value]:
        """Return the members of a list below some keys; none where there is no list."""
        found = self.get(*names)
        if found is None or not isinstance(found.node, yaml.SequenceNode):
            return []
        return [Value(f"{found.path}[{number}]", node) for number, node in enumerate(found.node.value)]

    def said(self, *names: str) -> str:
        """Return the text below some keys; "" where there is none."""
        found = self.get(*names)
        return found.text if found else ""


def _pairs(node: Any) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    pairs: dict[str, Any] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for each in merged:
                pairs = {**_pairs(each), **pairs}
    own = ((key, value) for key, value in node.value if key.tag != _MERGE and isinstance(key.value, str))
    return {**pairs, **{key.value: value for key, value in own}}


def documents(text: str, where: str) -> Iterator[Value]:
    """Read the documents of a stream but the empty ones; raise UsageError, with the line, if it is no YAML."""
    try:
        for node in yaml.compose_all(text, Loader=_LOADER):
            if node is not None and node.tag != _NULL:
                yield Value("", node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}" if mark else where
        raise UsageError(f"it is no YAML: {error.problem or error.context}", _HINT, where=place) from None
    except yaml.YAMLError as error:
        raise UsageError(f"it is no YAML: {' '.join(str(error).split())}", _HINT, where=where) from None
    except RecursionError:
        raise UsageError("it is nested too deep", _HINT, where=where) from None
