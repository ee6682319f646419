"""A command that takes a group of options has each of them, in its place, and gets them as one value."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer  # noqa: TID251  as the command line has it

from nodeprov.cli.expansion import each_of_a_group

Number = Annotated[int, typer.Option("--number", help="How many.")]
Quick = Annotated[bool, typer.Option("--quick")]
calls: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True)
class Pair:
    """Two options."""

    number: Number = 3
    quick: Quick = False


def command(*, before: Quick = True, pair: Pair, after: Number = 7) -> None:
    """Do nothing much."""
    calls.append({"before": before, "pair": pair, "after": after})


def test_the_signature_has_each_option_in_its_place() -> None:
    signature = inspect.signature(each_of_a_group(command))
    assert [*signature.parameters] == ["before", "number", "quick", "after"]
    assert [each.default for each in signature.parameters.values()] == [True, 3, False, 7]
    assert signature.parameters["number"].annotation == Number


def test_the_name_and_the_help_are_the_commands() -> None:
    expanded = each_of_a_group(command)
    assert (expanded.__name__, expanded.__doc__) == ("command", "Do nothing much.")


def test_the_command_gets_its_groups() -> None:
    each_of_a_group(command)(before=False, number=5, quick=True, after=1)
    assert calls.pop() == {"before": False, "pair": Pair(5, True), "after": 1}


@dataclass(frozen=True, slots=True)
class Shown:
    """Options that the help shows together."""

    PANEL: ClassVar = "Output"

    number: Number = 3


def test_the_options_of_a_group_are_shown_in_its_panel_and_elsewhere_in_that_of_others() -> None:
    def shows(*, shown: Shown, number_of_all: Number = 1) -> None:
        """Do nothing."""

    parameters = inspect.signature(each_of_a_group(shows)).parameters
    panels = [parameters[name].annotation.__metadata__[0].rich_help_panel for name in parameters]
    assert panels == ["Output", None]
