"""What must be seen to hold before a plan goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that must be seen to hold before the plan goes on; `subject` is the path it is about."""

    name: str
    title: str
    subject: str = ""
