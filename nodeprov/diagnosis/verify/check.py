"""How a check says what it needs, that it does not apply to a node, and why it fails."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Skipped(unittest.SkipTest):
    """Says why a check does not apply to a node; pytest knows its base class and skips as well."""


def skip(reason: str) -> NoReturn:
    """End a check that does not apply to this node, and say why."""
    raise Skipped(reason)


def needs(*checks: str) -> Callable[[Function], Function]:
    """Name the checks that must not have failed before this one means anything."""

    def named(function: Function) -> Function:
        function.needs = checks  # type: ignore[attr-defined]  # read by the runner
        return function

    return named


def because(cause: str, remedy: str) -> str:
    """Write why a check fails, and the way out."""
    return f"{cause}\nhint: {remedy}"
