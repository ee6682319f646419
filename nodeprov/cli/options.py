"""What commands share: their common options, declared once, and the completion of names."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import tomllib
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import output
from nodeprov.inventory import file as inventory_file


def _no_color(wanted: bool) -> bool:
    if wanted:
        output.without_color()
    return wanted


def _quiet(wanted: bool) -> bool:
    if wanted:
        output.be_quiet()
    return wanted


@dataclass(frozen=True, slots=True)
class Source:
    """Where the settings come from: the options of every command that reads an inventory."""

    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            "-i",
            metavar="FILE",
            help="The inventory; else $NODEPROV_INVENTORY, else the nearest nodeprov.toml or inventory.toml "
            "from here upwards.",
        ),
    ] = None
    sets: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Say one setting for this run: release.version=20260905.0, or nodes.worker1.port=2222.",
        ),
    ] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Login:
    """How we log in: the options of every command that connects."""

    ask_sudo_password: Annotated[
        bool,
        typer.Option(
            "--ask-sudo-password", "-K", help="Ask for sudo's password before connecting; else when it is needed."
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Voice:
    """How a command speaks: the options of every command."""

    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result, and errors too, as JSON (docs/json.md).")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", callback=_quiet, help="Print only the result and errors.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every command that runs on a host, without secrets.")
    ] = False
    no_color: Annotated[
        bool, typer.Option("--no-color", callback=_no_color, is_eager=True, help="No colours; or set NO_COLOR.")
    ] = False


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Make of each parameter that is a dataclass, such as Source and Voice, an option for each of its fields."""
    hints = typing.get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}

    @functools.wraps(command)
    def spread_out(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in dataclasses.fields(group)})
        command(**given)

    own = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, each in inspect.signature(command).parameters.items()
        if name not in groups
    ]
    parameters = [*own, *(parameter for group in groups.values() for parameter in _parameters(group))]
    untyped: Any = spread_out
    untyped.__signature__ = inspect.Signature(parameters)
    untyped.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread_out


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=_default(each), annotation=hints[each.name]
        )
        for each in dataclasses.fields(group)
    ]


def _default(each: dataclasses.Field[Any]) -> Any:
    return each.default if each.default_factory is dataclasses.MISSING else each.default_factory()


def examples(*lines: str, codes: str) -> str:
    """Write what stands below a command's help: examples, and the exit codes that it has."""
    return "\n".join(("Examples:", *(f"  {line}" for line in lines), "", f"Exit code {codes}."))


def node_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of nodes and groups from the inventory that would be used; connect to nothing.

    A file that has faults still says which names there are; without one there is nothing to say.
    """
    try:
        named = context.params.get("inventory")
        found = inventory_file.find(Path(named) if named else None, os.environ, Path.cwd())
        tables = tomllib.loads(inventory_file.read(found))
        names = [*tables.get("nodes", {}), *(f"@{name}" for name in tables.get("groups", {}))]
    except Exception:  # whatever is wrong, it is no time to say so
        return []
    return [name for name in names if name.startswith(incomplete)]


Nodes = Annotated[
    list[str],
    typer.Argument(
        help="Nodes of the inventory, globs such as 'worker*', or groups such as @gpu.",
        autocompletion=node_names,
        metavar="NODE",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
