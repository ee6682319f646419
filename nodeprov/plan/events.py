"""What happens in a run, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nodeprov.plan.steps import Part


@dataclass(frozen=True, slots=True)
class Event:
    """A part of a plan begins, has ended, or is being taken back; of a swap only its restart begins."""

    step: Part
    phase: str
    said: str = ""
    node: str = ""


OnEvent = Callable[[Event], None]
"""Hear of an event; it must not raise."""
