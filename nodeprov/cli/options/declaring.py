"""A command as it is declared: examples and exit codes in its help, and what its options insist on."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli.expansion import each_of_a_group
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.inventory.kinds import Text


def examples(*lines: str, codes: str) -> str:
    """Write what stands below a command's help: examples, and the exit codes that it has."""
    return "\n".join(("Examples:", *(f"  {line}" for line in lines), "", f"Exit code {codes}."))


def command(*lines: str, codes: str = "") -> Callable[[Callable[..., None]], typer.Typer]:
    """Declare a function as the command of its name, with examples and exit codes below its help.

    A parameter that is a group of options (option_groups.py) stands for each of them.
    """

    def declare(function: Callable[..., None]) -> typer.Typer:
        declared = typer.Typer(add_completion=False)
        epilog = examples(*lines, codes=codes) if codes else None
        declared.command(function.__name__, epilog=epilog)(each_of_a_group(function))
        return declared

    return declare


def one_of(given: Mapping[str, bool]) -> str:
    """Return the one option that is set, "" if none is; raise UsageError for several."""
    found = [option for option, is_set in given.items() if is_set]
    if len(found) > 1:
        raise UsageError(f"{' and '.join(found)}: only one can be planned at a time", f"leave out {found[-1]}")
    return found[0] if found else ""


def only_with(needed: str, is_there: bool, given: Mapping[str, bool]) -> None:
    """Raise UsageError for an option that needs another one."""
    for option, is_set in given.items():
        if is_set and not is_there:
            raise UsageError(f"{option} is a part of {needed}", f"nodeprov plan NODE {needed} {option} ...")


def insist_on(option: str, value: str, rule: "Text") -> None:
    """Raise UsageError unless a name is one: the API server would say so later, in other words."""
    if not rule.accepts(value):
        raise UsageError(f"{option}: {value!r} is not a valid name", f"it is {rule.expected}")


def insist_on_namespaces(option: str, names: Iterable[str]) -> None:
    """Raise UsageError unless all are names that a namespace may have."""
    from nodeprov.inventory import syntax

    for each in names:
        insist_on(option, each, syntax.DNS_LABEL)
