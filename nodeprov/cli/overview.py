"""The overview that `nodeprov --help` shows, as typer would show it.

typer (0.29) imports a reader of Markdown and a writer of tracebacks for it, which takes longer than all the rest.
"""

from rich.columns import Columns
from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from nodeprov.cli.main import COMMANDS, EXIT_CODES, PURPOSE

OPTIONS = (
    ("--version", "<bool>", "Show the version and exit."),
    ("--show-completion", "<bash|zsh|fish>", "Show a shell's completion and exit."),
    ("--install-completion", "<bash|zsh|fish>", "Install a shell's completion for this user and exit."),
    ("--help", "<bool>", "Show this message and exit."),
)
"""The options of cli/app.py; a test compares them."""
_COLORS = Theme({"option": "bold cyan", "switch": "bold green", "usage": "yellow", "sign": "dim"})


class _Words(RegexHighlighter):
    highlights = (r"(^|\W)(?P<switch>-\w+)(?![a-zA-Z0-9])", r"(^|\W)(?P<option>--[\w-]+)", r"(?P<usage>Usage: )")


class _Types(RegexHighlighter):
    highlights = (r"(?P<sign>[<|>])",)


def show_overview() -> None:
    """Print it."""
    console, words = Console(theme=_COLORS, highlighter=_Words()), _Words()
    console.print(Padding(words("Usage: nodeprov [OPTIONS] COMMAND [ARGS]..."), 1), style="bold")
    console.print(Padding(words(PURPOSE), (0, 1, 1, 1)))
    options, commands = _table("", columns=6), _table("bold cyan", columns=2, ratio=10)
    for name, kind, line in OPTIONS:
        types = _Types()(Text(kind, style="bold yellow", overflow="fold"))
        options.add_row(words(name), "", "", "", types, Columns([words(line)]))
    for name, line in COMMANDS.items():
        commands.add_row(name, words(line))
    for title, table in (("Options", options), ("Commands", commands)):
        console.print(Panel(table, border_style="dim", title=title, title_align="left"))
    console.print(Padding(words(EXIT_CODES), 1))
    console.print()


def _table(style: str, *, columns: int, ratio: int | None = None) -> Table:
    """Make a table whose first column has a style, and whose last one takes all the room that is left."""
    table = Table(show_header=False, expand=True, box=None, pad_edge=False, padding=(0, 1))
    table.add_column(style=style)
    for _ in range(columns - 2):
        table.add_column()
    table.add_column(ratio=ratio)
    return table
