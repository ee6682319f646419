"""What happens in a run, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nodeprov.plan.steps import Step


@dataclass(frozen=True, slots=True)
class Event:
    """A step begins, has ended, or is being taken back."""

    step: Step
    phase: str
    said: str = ""


OnEvent = Callable[[Event], None]
"""Hear of an event; it must not raise."""
