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

from nodeprov.cli.main import COMMANDS, EXIT_CODES, PANELS, PURPOSE

OPTIONS = (
    ("--version", "", "Show the version and exit."),
    ("--show-completion", "<bash|zsh|fish>", "Show a shell's completion and exit."),
    ("--install-completion", "<bash|zsh|fish>", "Install a shell's completion for this user and exit."),
    ("--help", "", "Show this message and exit."),
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
    for title, table in (("Options", _options(words)), *((each, _commands(each, words)) for each in PANELS)):
        console.print(Panel(table, border_style="dim", title=title, title_align="left"))
    console.print(Padding(words(EXIT_CODES), 1))
    console.print()


def _options(words: _Words) -> Table:
    table = _table()
    for name, kind, line in OPTIONS:
        types = _Types()(Text(kind, style="bold yellow", overflow="fold"))
        table.add_row(words(name), "", "", "", types, Columns([words(line)]))
    return table


def _commands(panel: str, words: _Words) -> Table:
    """Lay out the commands of a panel; their names take as much room in each."""
    table = _table()
    table.add_column(style="bold cyan", no_wrap=True, width=max(map(len, COMMANDS)))
    table.add_column(ratio=10)
    for name in PANELS[panel]:
        table.add_row(name, words(COMMANDS[name]))
    return table


def _table() -> Table:
    return Table(show_header=False, expand=True, box=None, pad_edge=False, padding=(0, 1))
