"""How scripts are made: of a template, or of a line."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from nodeprov.hosts.base import Output, Script
from nodeprov.templates import render


def plain(name: str, text: str, *, when_well: bytes = b"") -> Script[Output]:
    """Name a script whose output is taken as it is."""
    return Script(name, text, _as_it_is, when_well)


def rendered(template: str, **values: Any) -> Script[Output]:
    """Render a template as a script of the template's name, whose output is taken as it is."""
    return plain(PurePosixPath(template).name.removesuffix(".sh.j2"), render(template, **values))


def _as_it_is(output: Output) -> Output:
    return output
