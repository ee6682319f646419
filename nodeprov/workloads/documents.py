"""YAML whose values know where they stand: libyaml reads it, and it is taken apart only where somebody asks."""

from __future__ import annotations

import itertools
import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from nodeprov.errors import UsageError
from nodeprov.workloads.json_streams import as_yaml

_TRUE = ("true", "yes", "on", "y")
"""What YAML 1.1 calls true, as kubectl's reader (sigs.k8s.io/yaml) does."""
_BOOL = "tag:yaml.org,2002:bool"
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_PAIRS = "_nodeprov_pairs"
_HINT = "see what kubectl reports: kubectl apply --dry-run=client -f FILE"

_OF_TEMPLATES = "a chart's templates are no YAML yet: helm template CHART | nodeprov check -"
_MOST_VALUES = 1_000_000
"""So many may aliases make of a few: more than the objects of any chart have."""


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
    def is_there(self) -> bool:
        """Tell whether it is anything but null."""
        return bool(self.node.tag != _NULL)

    @property
    def is_true(self) -> bool:
        """Tell whether it is the boolean true, and no string that reads so."""
        return self.node.tag == _BOOL and self.text.lower() in _TRUE

    @property
    def is_false(self) -> bool:
        """Tell whether it is the boolean false."""
        return self.node.tag == _BOOL and not self.is_true

    def items(self) -> Iterator[tuple[str, Value]]:
        """Return what a mapping has; nothing for what is none. Later keys count, and merged ones (`<<`) least."""
        for name, node in _pairs(self.node).items():
            yield name, Value(f"{self.path}.{name}" if self.path else name, node)

    def get(self, *names: str) -> Value | None:
        """Follow keys; None where one is not there, or has nothing."""
        node = self.node
        for name in names:
            node = _pairs(node).get(name)
            if node is None or node.tag == _NULL:
                return None
        return Value(".".join((self.path, *names) if self.path else names), node)

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
    """Return what a mapping has by its keys; it is kept with the node, which nobody changes."""
    kept: dict[str, Any] | None = node.__dict__.get(_PAIRS)
    if kept is None:
        kept = node.__dict__[_PAIRS] = _read_pairs(node) if isinstance(node, yaml.MappingNode) else {}
    return kept


def _read_pairs(node: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                merged = {**_pairs(each), **merged}
        elif isinstance(key.value, str):
            own[key.value] = value
    return {**merged, **own} if merged else own


def documents(text: str, where: str) -> Iterator[Value]:
    """Read the documents of a stream but the empty ones; raise UsageError, with the line, if it is no YAML."""
    text = as_yaml(text)
    extra = _extra_lines(text)
    with _placed(text, where, extra):
        for node in _composed(text):
            if node is not None and node.tag != _NULL:
                if "*" in text:
                    _insist_on_few_aliases(node, most=_MOST_VALUES + len(text))
                if extra:
                    _correct_lines(node, extra)
                yield Value("", node)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml, with the y and n that PyYAML leaves out of YAML 1.1's booleans and kubectl's reader does not."""


_Loader.add_implicit_resolver(_BOOL, re.compile("[yYnN]$"), [*"yYnN"])
_COMPOSING = (_Loader,) if issubclass(_Loader, yaml.composer.Composer) else (yaml.composer.Composer, _Loader)


class _LaterAnchors(*_COMPOSING):  # type: ignore[misc]
    """Takes an anchor's name again, for what follows, as YAML says and kubectl does; composes in Python."""

    def __init__(self, text: str) -> None:
        _Loader.__init__(self, text)  # type: ignore[call-arg]
        self.anchors: dict[str, Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; PyYAML would refuse one whose anchor it knows."""
        if not self.check_event(yaml.AliasEvent):
            self.anchors.pop(self.peek_event().anchor, None)
        return super().compose_node(parent, index)


def _composed(text: str) -> Iterator[Any]:
    """Compose the documents; once more, which takes longer, where an anchor's name comes again."""
    done = 0
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            yield node
            done += 1
    except yaml.composer.ComposerError as error:
        if not (error.context or "").startswith("found duplicate anchor"):
            raise
    else:
        return
    yield from itertools.islice(yaml.compose_all(text, Loader=_LaterAnchors), done, None)


def _extra_lines(text: str) -> list[int]:
    """Find the lines, from 0, that begin for libyaml alone: editors and grep know fewer ends of lines."""
    if text.isascii() or not any(end in text for end in "\x85\u2028\u2029"):
        return []
    ends = re.findall("\r\n|[\r\n\x85\u2028\u2029]", text)
    return [number for number, end in enumerate(ends, start=1) if end in "\x85\u2028\u2029"]


def _line(mark: Any, extra: list[int]) -> int:
    """Return the line of a mark, from 0, as editors count."""
    return int(mark.line) - bisect_right(extra, mark.line)


def _correct_lines(node: Any, extra: list[int]) -> None:
    waiting, seen = [node], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        node.start_mark = yaml.Mark("", 0, _line(node.start_mark, extra), 0, None, 0)
        if isinstance(node, yaml.MappingNode):
            waiting += itertools.chain(*node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


@contextmanager
def _placed(text: str, where: str, extra: list[int]) -> Iterator[None]:
    """Turn libyaml's errors into ours, with the line."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        hint = _OF_TEMPLATES if "{{" in text else _HINT
        place = f"{where}:{_line(mark, extra) + 1}" if mark else where
        raise UsageError(f"it is no YAML: {error.problem or error.context}", hint, where=place) from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        sign = f"the character #x{error.character:04x} may not be in it"
        raise UsageError(f"it is no YAML: {sign}", _HINT, where=f"{where}:{line}") from None
    except RecursionError:
        raise UsageError("it is nested too deep", _HINT, where=where) from None


def _insist_on_few_aliases(node: Any, most: int) -> None:
    """Raise an error of YAML for a value that has itself within, or that aliases make larger than `most` values.

    kubectl's reader refuses both too (go-yaml: decode.go, "contains itself" and "excessive aliasing").
    """
    sizes: dict[int, float] = {}

    def size(node: Any) -> float:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = math.inf  # as long as it is looked at: who meets it again is within
            parts = itertools.chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 + sum(map(size, parts))
        if sizes[id(node)] > most:
            problem = "its aliases (*NAME) go on without end, or repeat too much"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return sizes[id(node)]

    size(node)
