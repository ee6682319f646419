"""The commands as typer knows them: each is imported when it is called or completed."""

import importlib
import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer  # noqa: TID251  the one place
from typer.completion import get_completion_inspect_parameters, install_callback, show_callback  # noqa: TID251
from typer.core import TyperCommand, TyperGroup  # noqa: TID251
from typer.exceptions import TyperException  # noqa: TID251
from typer.main import get_command  # noqa: TID251

from nodeprov import __version__
from nodeprov.cli.main import (
    COMMANDS,
    COMPLETION,
    DONE,
    EXIT_CODES,
    PANELS,
    PURPOSE,
    interrupted,
    module_of,
    name_in_code,
)
from nodeprov.cli.output import print_error, show_json
from nodeprov.errors import NodeprovError, UsageError


def use_plain_values(parameters: Iterable[Any]) -> None:
    """Let the options and arguments of a command convert simple values without typer, and show no Python types."""
    for each in parameters:
        each.get_runtime_param = partial(_PlainValue, each.type_descriptor.annotation, each.get_runtime_param)
        each.display_type_rich = partial(_shown_type, each, each.display_type_rich)


def _shown_type(parameter: Any, of_typer: Callable[..., str | None], ctx: Any) -> str | None:
    """Return what the help shows as the value of a parameter: its name; None where it has none, or is shown."""
    if parameter.param_type_name == "argument":
        return None
    if parameter.metavar is not None or parameter.type_descriptor.is_choice:
        return of_typer(ctx=ctx)
    return _VALUES.get(parameter.type_descriptor.annotation)


_VALUES = {int: "N", Path: "FILE", str: "TEXT", list[str]: "TEXT"}


class _PlainValue:
    """Stands in for typer's RuntimeParam."""

    def __init__(self, annotation: Any, of_typer: Callable[[], Any]) -> None:
        self.annotation, self.of_typer = annotation, of_typer

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert a value; raise what typer raises if it is none."""
        if value is None:
            return () if self.annotation == list[str] else None
        if self.annotation in (str, list[str]) or (self.annotation is int and isinstance(value, int)):
            return value  # a number is a count: -vv
        if self.annotation is Path and (os.access(value, os.R_OK) or not os.access(value, os.F_OK)):
            return Path(value)
        return self.of_typer().coerce(value, param=param, ctx=ctx)


INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""


class CommandGroup(TyperGroup):
    """Knows each command by its name and line, and imports the one that is called or completed."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        mode = self.rich_markup_mode
        for panel, names in PANELS.items():
            for name in names:
                self.add_command(
                    TyperCommand(name, help=COMMANDS[name], rich_markup_mode=mode, rich_help_panel=panel)
                )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command."""
        use_plain_values(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that the arguments begin with."""
        name, _, rest = super().resolve_command(ctx, args)
        if name is None:
            return None, None, rest
        command = load_command(name)
        for each in (command, *getattr(command, "commands", {}).values()):
            use_plain_values(each.get_params(ctx))
        return name, command, rest


def load_command(name: str) -> Any:
    """Import a command of the table."""
    return get_command(getattr(importlib.import_module(module_of(name)), name_in_code(name)))


app = typer.Typer(
    cls=CommandGroup,
    help=PURPOSE,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
if COMPLETION in os.environ:
    get_completion_inspect_parameters()  # makes typer know its shells


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def run(arguments: list[str]) -> int:
    """Run a command and print what went wrong, as text and, where JSON is asked for, as JSON."""
    try:
        code = app(arguments, prog_name="nodeprov", standalone_mode=False) or DONE
        if code != INTERRUPTED or not interrupted.is_set():
            return int(code)
        error = NodeprovError("interrupted; nothing was changed")
    except NodeprovError as raised:
        error = raised
    except TyperException as raised:
        error = _usage_error(raised)
    except typer.Abort:
        error = NodeprovError("not answered; nothing was changed")
    if error.message:
        print_error(error)
        if "--json" in arguments[: arguments.index("--") if "--" in arguments else None]:
            _show_json(error)
    return error.exit_code


def _show_json(error: NodeprovError) -> None:
    """Print an error as JSON, if that can be written and anybody reads it: the exit code says it too."""
    try:
        show_json({}, [error])
    except BrokenPipeError:
        pass
    except NodeprovError as unwritten:
        if str(unwritten) != str(error):  # which was said already
            print_error(unwritten)


def _usage_error(error: TyperException) -> NodeprovError:
    """Turn an error of typer's into one of ours; an empty one if typer has printed the help already."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return UsageError("")
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return UsageError(
        message[:1].lower() + message[1:], f"{context.command_path if context else 'nodeprov'} --help"
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"nodeprov {__version__}")
        raise typer.Exit


@app.callback()
def nodeprov(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    _show: Annotated[
        Shell | None,
        typer.Option(
            "--show-completion", callback=show_callback, is_eager=True, help="Show a shell's completion and exit."
        ),
    ] = None,
    _install: Annotated[
        Shell | None,
        typer.Option(
            "--install-completion",
            callback=install_callback,
            is_eager=True,
            help="Install a shell's completion for this user and exit.",
        ),
    ] = None,
) -> None:
    """Provision the gVisor sandboxed runtime on Kubernetes nodes over SSH."""
