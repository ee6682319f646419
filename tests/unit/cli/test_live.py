"""The live view, as a terminal of some size shows it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from nodeprov.cli.board import STATES, Board, NodeRow, Picture
from nodeprov.cli.live import live_view, view
from nodeprov.engine.events import WaveEvent
from tests.support.samples import golden


def drawn(picture: Picture, width: int, height: int, window_left: float | None = None) -> list[str]:
    written = io.StringIO()
    console = Console(file=written, width=width, height=height, color_system=None, force_terminal=True)
    console.print(view(picture, console, window_left))
    return written.getvalue().splitlines()


def fleet(count: int) -> Picture:
    """A run in its middle: four have ended, one of them badly, and four go on."""
    rows = []
    first = 1 if count > 4 else 4
    for number in range(first, first + count):
        name = f"worker-{number:02}"
        if number <= 4:
            state, said = ("failed", "containerd does not serve") if number == 2 else ("done", "")
            rows.append(NodeRow(name, state, said, 14, 14, 196_000_000, 196_000_000, 41.0 + number, number))
        elif number <= 8:
            said = "uploading" if number == 8 else "restarting containerd, watching it for 6 s"
            sent = 88_000_000 if number == 8 else 196_000_000
            rows.append(NodeRow(name, "begun", said, number, 14, sent, 196_000_000, 7.0))
        else:
            rows.append(NodeRow(name, steps=14))
    wave = WaveEvent(2, 7, tuple(f"worker-{number:02}" for number in range(5, 9)), "begun")
    return Picture(tuple(rows), (wave,), 125.0)


@pytest.mark.parametrize(("width", "height", "count"), [(80, 24, 2), (80, 24, 48), (200, 60, 48), (200, 12, 10)])
def test_it_looks_as_it_was_reviewed(width: int, height: int, count: int) -> None:
    lines = drawn(fleet(count), width, height, window_left=2843)
    golden(f"live/{width}x{height}-{count}.txt", "\n".join(line.rstrip() for line in lines) + "\n")


def test_what_goes_on_and_what_failed_is_shown_before_what_waits() -> None:
    shown = "\n".join(drawn(fleet(48), 80, 10))
    assert [f"worker-{number:02}" in shown for number in (2, 5, 6, 7, 8)] == [True] * 5
    assert "worker-09" not in shown
    assert "48 nodes: 4 in progress, 1 failed, 3 done, 40 waiting · 2:05" in shown


@pytest.mark.parametrize(
    ("left", "said"),
    [(2843, "the window closes in 47:23"), (7384, "closes in 2:03:04"), (-5, "the window has closed"), (None, "")],
)
def test_the_window_is_told(left: float | None, said: str) -> None:
    assert said in "\n".join(drawn(fleet(3), 120, 24, window_left=left))
    assert ("window" in "\n".join(drawn(fleet(3), 120, 24, window_left=left))) == (left is not None)


def test_canaries_that_are_done_are_seen_to_soak() -> None:
    rows = (NodeRow("worker-01", "done"), NodeRow("worker-02"))
    wave = WaveEvent(1, 2, ("worker-01",), "begun", "canary")
    assert drawn(Picture(rows, (wave,), 1.0), 80, 24)[0].strip() == "wave 1 of 2, canary: worker-01; soaking"


def test_a_node_that_is_alone_is_one_line() -> None:
    row = NodeRow("worker1", "begun", "restarting containerd.service", 7, 15, seconds=4.0)
    wave = WaveEvent(1, 1, ("worker1",), "begun")
    [line] = drawn(Picture((row,), (wave,), 4.0), 80, 24)
    assert line.split() == ["▶", "worker1", "7/15", "restarting", "containerd.service", "0:04"]
    [_, window] = drawn(Picture((row,), (wave,), 4.0), 80, 24, window_left=2843)
    assert window.strip() == "0:04 · the window closes in 47:23"


def test_a_wave_of_one_node_is_no_line() -> None:
    rows = (NodeRow("worker1", "begun"), NodeRow("worker2"))
    lines = drawn(Picture(rows, (WaveEvent(1, 2, ("worker1",), "begun"),), 4.0), 80, 24)
    assert not any("wave" in line for line in lines)


def test_bytes_are_shown_until_all_are_there() -> None:
    row = NodeRow("worker1", "begun", "uploading", 1, 15, 88_000_000, 196_000_000)
    assert "88/196 MB" in drawn(Picture((row,), (), 1.0), 80, 24)[0]
    assert "MB" not in drawn(Picture((replace(row, bytes_done=196_000_000),), (), 1.0), 80, 24)[0]


def test_what_a_node_says_does_not_control_the_terminal() -> None:
    row = NodeRow("worker1", "failed", "no\x1b[2J [bold]markup[/bold]\nsecond line")
    [line] = drawn(Picture((row,), (), 1.0), 120, 24)
    assert "failed: no\\x1b[2J [bold]markup[/bold] second line" in line


def test_a_view_that_cannot_be_drawn_ends_no_run() -> None:
    written = io.StringIO()
    console = Console(file=written, width=80, height=24, color_system=None, force_terminal=True)

    def fails() -> float:
        raise RuntimeError("a fault")

    with live_view(Board([], lambda: 0.0), console, fails):
        pass
    assert "the view cannot be drawn: a fault" in written.getvalue()


rows = st.builds(
    NodeRow,
    node=st.from_regex(r"[a-z0-9.-]{1,60}", fullmatch=True),
    state=st.sampled_from(STATES),
    said=st.text(max_size=200),
    steps_done=st.integers(0, 20),
    steps=st.integers(0, 15),
    bytes_done=st.integers(0, 10**9),
    bytes_total=st.integers(0, 10**9),
    seconds=st.none() | st.floats(0, 10**6),
    ended=st.integers(0, 50),
)
waves = st.builds(
    WaveEvent,
    st.integers(1, 9),
    st.just(9),
    st.lists(st.just("worker-01"), max_size=60).map(tuple),
    st.just("begun"),
)


@given(
    some=st.lists(rows, max_size=60, unique_by=lambda row: row.node),
    going=st.lists(waves, max_size=2),
    width=st.integers(20, 220),
    height=st.integers(8, 60),
    left=st.none() | st.floats(-10, 10**5),
)
def test_law_it_is_never_larger_than_the_terminal(
    some: Sequence[NodeRow], going: Sequence[WaveEvent], width: int, height: int, left: float | None
) -> None:
    lines = drawn(Picture(tuple(some), tuple(going), 1.0), width, height, left)
    assert len(lines) < height
    assert all(cell_len(line) <= width for line in lines)
