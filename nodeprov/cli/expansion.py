"""Commands that take groups of options: typer reads options from a signature, and gets one with each of them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_type_hints

from typer.models import OptionInfo  # noqa: TID251  a part of the command line


def each_of_a_group(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function with the options of its groups as parameters of their own, in the same order."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    parameters = []
    for name, parameter in inspect.signature(function).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _parameters(hints[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    def called(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        function(**made, **given)

    called.__name__, called.__doc__, called.__module__ = function.__name__, function.__doc__, function.__module__
    called.__annotations__ = {}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    panel = getattr(group, "PANEL", "")
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=_in_panel(hints[each.name], panel),
        )
        for each in fields(group)
    ]


def _in_panel(annotation: Any, panel: str) -> Any:
    """Have an option of a group shown in the group's panel of the help; an argument is shown among arguments."""
    shown = copy.copy(annotation.__metadata__[0])
    if not panel or not isinstance(shown, OptionInfo):
        return annotation
    shown.rich_help_panel = shown.rich_help_panel or panel
    return Annotated[annotation.__origin__, shown]
