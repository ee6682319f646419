"""Values of the command line without pydantic.

typer (0.29) gives every value to pydantic, even that of an option that was not given, and importing pydantic takes
longer than the rest of `nodeprov inventory`. A text, a list of texts, a path (but not of a file that may not be
read) and what was not given need no conversion; all else goes to typer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any


def use_plain_values(parameters: Iterable[Any]) -> None:
    """Let the options and arguments of a command convert what is simple by themselves."""
    for each in parameters:
        each.get_runtime_param = partial(_PlainValue, each.type_descriptor.annotation, each.get_runtime_param)


class _PlainValue:
    """Stands in for typer's RuntimeParam."""

    def __init__(self, annotation: Any, of_typer: Callable[[], Any]) -> None:
        self.annotation, self.of_typer = annotation, of_typer

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert a value; raise what typer raises if it is none."""
        if value is None:
            return () if self.annotation == list[str] else None
        if self.annotation in (str, list[str]):
            return value
        if self.annotation is Path and (os.access(value, os.R_OK) or not os.access(value, os.F_OK)):
            return Path(value)
        return self.of_typer().coerce(value, param=param, ctx=ctx)
