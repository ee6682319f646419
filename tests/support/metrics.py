"""Series in Prometheus' text format, and the selectors of rules, by which they are chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

RULES = Path(__file__).parents[2] / "docs" / "monitoring" / "rules.yaml"
_SERIES = re.compile(r"^(?P<name>\w+)(\{(?P<labels>.*)\})? (?P<value>\S+)( \d+)?$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Series:
    """A series and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


def series(text: str) -> list[Series]:
    """Read what an endpoint prints."""
    return [
        Series(each["name"], dict(_LABEL.findall(each["labels"] or "")), float(each["value"]))
        for each in _SERIES.finditer(text)
    ]


def rules() -> dict[str, dict[str, Any]]:
    """Read the rules by their names."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule.get("record") or rule["alert"]: rule for group in groups for rule in group["rules"]}


def selectors(expression: str) -> list[Any]:
    """Find the selectors of a rule's expression; raise ValueError if that is no PromQL."""
    return [*_selectors(promql_parser.parse(expression))]


def _selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    below = (getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector", "args", "param"))
    for each in below:
        for one in each if isinstance(each, list) else [each]:
            if one is not None:
                yield from _selectors(one)


def chosen(selector: Any, given: list[Series]) -> list[Series]:
    """Choose series as Prometheus does; a label that is not there is empty."""
    return [
        each for each in given if each.name == selector.name and all(map(_fits(each), selector.matchers.matchers))
    ]


def _fits(one: Series) -> Any:
    def fits(matcher: Any) -> bool:
        value, wanted = one.labels.get(matcher.name, ""), matcher.value
        is_equal = bool(re.fullmatch(wanted, value)) if "Re" in str(matcher.op) else value == wanted
        return is_equal != ("Not" in str(matcher.op))

    return fits
