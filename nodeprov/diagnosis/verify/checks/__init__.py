"""What `nodeprov verify` checks, as testinfra tests; each one's docstring is its title.

A check that fails says what is wrong and what to type. What cannot hold while another check fails `needs` that
one, and is not looked at then: so a cause is told once, and not by all that it brings about.
"""

from __future__ import annotations

import pytest


def needs(*checks: str) -> pytest.MarkDecorator:
    """Say which checks must have passed before this one means anything."""
    return pytest.mark.needs(*checks)


def because(cause: str, remedy: str) -> str:
    """Write why a check fails, and the way out."""
    return f"{cause}\nhint: {remedy}"
