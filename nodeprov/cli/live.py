"""The live view of a run: a line for each node, as many as the terminal has, and a summary of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nodeprov.cli.board import BEGUN, DONE, FAILED, STATES, UNTOUCHED, WAITING, Board, NodeRow, Picture
from nodeprov.cli.lines import clock_text, wave_text
from nodeprov.redaction import visible

if TYPE_CHECKING:
    from rich.console import Console

    from nodeprov.engine.events import WaveEvent

WIDE = 110
"""From so many columns on there is room for a bar, and for the bytes in full."""
WIDEST = 150
"""On a wider terminal the times would be too far from the names."""
BAR = 12
LONGEST_NAME = 40
SOON_SECONDS = 600
"""A window that closes sooner is shown so that it is seen."""
REFRESHES = 4
"""A second."""
_MARKS = {WAITING: "·", BEGUN: "▶", DONE: "✓", FAILED: "✗", UNTOUCHED: "○"}
_STYLES = {WAITING: "dim", BEGUN: "bold cyan", DONE: "green", FAILED: "bold red", UNTOUCHED: "yellow"}
_WORDS = {WAITING: "waiting", BEGUN: "in progress", DONE: "done", FAILED: "failed", UNTOUCHED: "untouched"}


@contextmanager
def live_view(board: Board, console: Console, window_left: Callable[[], float | None]) -> Iterator[None]:
    """Draw a board until the end of the context; what others print in between goes above it.

    `window_left` returns the seconds until the maintenance window closes; None where there is none.
    """
    from rich.live import Live

    def now() -> RenderableType:
        try:
            return view(board.picture(), console, window_left())
        except Exception as error:  # what is done on the nodes counts
            return Text(f"the view cannot be drawn: {error}")

    live = Live(get_renderable=now, console=console, refresh_per_second=REFRESHES, transient=True)
    # A terminal that is gone ends no run: rich would end the program.
    with suppress(OSError, SystemExit):
        live.start(refresh=True)
    try:
        yield
    finally:
        with suppress(OSError, SystemExit):
            live.stop()


def view(picture: Picture, console: Console, window_left: float | None = None) -> RenderableType:
    """Draw a picture of a run for a console of some width and height."""
    waves = [_wave(wave, picture.rows) for wave in picture.waves if _says_more(wave, picture)]
    summary = _summary(picture, window_left, console.width)
    room = console.size.height - len(waves) - len(summary) - 1  # the line of the cursor
    shown = _chosen(picture.rows, room)
    lines: list[RenderableType] = [_fitting(Text(each, style="bold"), console.width) for each in waves]
    lines.append(_table(shown, min(console.width, WIDEST)))
    if hidden := [row for row in picture.rows if row not in shown]:
        lines.append(_fitting(Text(f"  … and {len(hidden)} more: {_counted(hidden)}", style="dim"), console.width))
    return Group(*lines, *(_fitting(each, console.width) for each in summary))


def _fitting(text: Text, width: int) -> Text:
    """Keep a text on one line, whatever its length."""
    text.truncate(max(width - 1, 1), overflow="ellipsis")
    text.no_wrap = True
    return text


def _wave(wave: WaveEvent, rows: Sequence[NodeRow]) -> str:
    """Write which wave goes; where canaries have all ended and it goes on, they are being watched."""
    is_done = not any(row.node in wave.nodes and row.state in (WAITING, BEGUN) for row in rows)
    return wave_text(wave) + ("; soaking" if is_done and wave.kind == "canary" else "")


def _says_more(wave: WaveEvent, picture: Picture) -> bool:
    """Tell whether a wave is worth a line: one of one node is that node's line."""
    return len(picture.rows) > 1 and (len(wave.nodes) > 1 or wave.kind != "wave")


def _chosen(rows: Sequence[NodeRow], room: int) -> list[NodeRow]:
    """Choose the rows that there is room for: what goes on and what failed first, then what ended last."""
    if len(rows) <= room:
        return list(rows)
    by_interest = sorted(rows, key=lambda row: (STATES.index(row.state), -row.ended))
    kept = set(by_interest[: max(room - 1, 1)])  # one line says what is not shown
    return [row for row in rows if row in kept]


def _table(rows: Sequence[NodeRow], width: int) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False, width=width)
    is_wide = width >= WIDE
    longest = max((len(row.node) for row in rows), default=1)
    table.add_column(width=1)
    table.add_column(
        width=min(longest, LONGEST_NAME if is_wide else width // 3), no_wrap=True, overflow="ellipsis"
    )
    if is_wide:
        table.add_column(width=BAR, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=5)
    for row in rows:
        style = _STYLES[row.state]
        bar = [_bar(row)] if is_wide else []
        said = Text(_step(row, is_wide=is_wide), style="" if row.state == BEGUN else style)
        name = Text(visible(row.node))
        table.add_row(Text(_MARKS[row.state], style=style), name, *bar, said, _bytes(row), clock_text(row.seconds))
    return table


def _bar(row: NodeRow) -> Text:
    """Draw how much of a node's steps is done; while it uploads, of its bytes."""
    if row.state not in (BEGUN, DONE) or not row.steps:
        return Text("")
    share = 1.0 if row.state == DONE else _share(row)
    full = round(share * BAR)
    return Text.assemble(
        ("━" * full, "green" if row.state == DONE else "cyan"), ("━" * (BAR - full), "bright_black")
    )


def _share(row: NodeRow) -> float:
    """Count an upload as the step that it is a part of."""
    part = row.bytes_done / row.bytes_total if row.bytes_total and row.said == "uploading" else 0.0
    return min(1.0, (row.steps_done + part) / row.steps)


def _step(row: NodeRow, *, is_wide: bool) -> str:
    said = " ".join(visible(row.said).split())
    if row.state != BEGUN:
        return f"{_WORDS[row.state]}: {said}" if said else _WORDS[row.state]
    count = f"{row.steps_done}/{row.steps} " if row.steps and not is_wide else ""
    return f"{count}{said or 'connecting'}"


def _bytes(row: NodeRow) -> str:
    if row.state != BEGUN or not 0 < row.bytes_done < row.bytes_total:
        return ""
    return f"{row.bytes_done / 1e6:.0f}/{row.bytes_total / 1e6:.0f} MB"


def _summary(picture: Picture, window_left: float | None, width: int) -> list[Text]:
    """Count the nodes, and tell the times; on a line of their own where there is no room beside it.

    A node that is alone has its time in its own line.
    """
    is_alone = len(picture.rows) == 1
    if is_alone and window_left is None:
        return []
    counts = Text(f"{len(picture.rows)} node{'' if len(picture.rows) == 1 else 's'}: ", style="bold")
    for number, (state, count) in enumerate(picture.counts().items()):
        counts.append(", " if number else "", style="not bold")
        counts.append(f"{count} {_WORDS[state]}", style=_STYLES[state])
    times = Text(clock_text(picture.seconds))
    if window_left is not None:
        said = f"the window closes in {clock_text(window_left)}" if window_left > 0 else "the window has closed"
        times.append(f" · {said}", style="bold yellow" if window_left < SOON_SECONDS else "")
    together = Text.assemble(counts, " · ", times)
    if is_alone:
        return [times]
    return [together] if len(together) < width else [counts, times]


def _counted(rows: Sequence[NodeRow]) -> str:
    found = {state: sum(row.state == state for row in rows) for state in STATES}
    if list(found.values()).count(0) == len(STATES) - 1:
        return next(_WORDS[state] for state, count in found.items() if count)
    return ", ".join(f"{count} {_WORDS[state]}" for state, count in found.items() if count)
