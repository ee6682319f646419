"""The files nodeprov writes and the scripts it runs on a node, from templates/."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeprov.toml import value_text

if TYPE_CHECKING:
    from jinja2 import Environment  # noqa: TID251  the one place

_PACKAGED = Path(__file__).parent / "templates"  # in a wheel
_CHECKOUT = Path(__file__).parent.parent / "templates"  # in a checkout


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: TID251

    environment = Environment(  # noqa: S701  no HTML: shell and TOML are quoted by their own filters
        loader=FileSystemLoader(_folder()), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    environment.filters["sh"] = lambda value: shlex.quote(str(value))
    environment.filters["toml"] = value_text
    return environment


def render(template: str, **values: Any) -> str:
    """Render a template; a name that it uses and is not given is an error."""
    return _environment().get_template(template).render(**values)


def as_it_is(template: str) -> str:
    """Read a template in which nothing is to be filled in, without jinja: to import that takes 40 ms."""
    return (_folder() / template).read_text()
