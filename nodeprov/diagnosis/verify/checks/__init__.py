"""What `nodeprov verify` checks: functions named `check_...`, each one's docstring is its title.

A check takes what it works with by the names of its parameters: `subject` (the node, and what is known of it),
`host` (testinfra's host), `pod` (a pod of our own on the node), and what else given.py has. The runner calls it
with these. pytest does so too, where fixtures have these names: tests/lab/test_checks.py shows it.

A check that fails says what is wrong and what to type. What cannot hold while another check fails `needs` that
one, and is not looked at then: so a cause is told once, and not by all that it brings about.
"""

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
