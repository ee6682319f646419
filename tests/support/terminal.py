"""A terminal of some size in which a program runs, and what is to be seen on it."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess  # noqa: TID251  a program with a terminal of its own
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyte

ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
OF_OTHERS = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES")
"""What would say how wide, how high and how colourful this process's terminal is."""


@dataclass(frozen=True, slots=True)
class Run:
    """Some characters of a line that look the same; `color` is as pyte names it: red, brightblack, default."""

    text: str
    color: str = "default"
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """What is to be seen on a terminal: its lines from the top on, without the empty ones at the end."""

    columns: int
    lines: tuple[tuple[Run, ...], ...]
    cursor_is_shown: bool = True

    @property
    def texts(self) -> list[str]:
        """The lines as text."""
        return ["".join(run.text for run in line).rstrip() for line in self.lines]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a program ended, and what was seen of it: at each moment that was waited for, and at the end."""

    exit_code: int
    screens: Mapping[str, Screen]


def run_in_terminal(
    argv: Sequence[str],
    columns: int,
    lines: int,
    *,
    moments: Mapping[str, Callable[[Screen], bool]] | None = None,
    environment: Mapping[str, str] | None = None,
    prompt: str = "",
    typed: str = "",
) -> Shown:
    """Run a program in a terminal until its end; `prompt` is what is above its output.

    The screen of a moment is the first one for which its condition holds. `typed` are keys, sent at the beginning.
    """
    pane = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(pane)
    stream.feed(f"{prompt}\r\n".encode() if prompt else b"")
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screens: dict[str, Screen] = {}
    with subprocess.Popen(
        argv,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={
            **{name: value for name, value in os.environ.items() if name not in OF_OTHERS},
            **ENVIRONMENT,
            **(environment or {}),
        },
        start_new_session=True,
    ) as process:
        os.close(slave)
        os.write(master, typed.encode())
        while data := _read(master):
            stream.feed(data)
            now = screen_of(pane)
            for name, is_reached in (moments or {}).items():
                if name not in screens and is_reached(now):
                    screens[name] = now
    os.close(master)
    return Shown(process.returncode, {**screens, "end": screen_of(pane)})


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # Linux says so when the last program that had the terminal has ended
        return b""


def screen_of(pane: pyte.Screen) -> Screen:
    """Take what a pane shows now."""
    lines = [_runs([pane.buffer[row][column] for column in range(pane.columns)]) for row in range(pane.lines)]
    while lines and not lines[-1]:
        lines.pop()
    return Screen(pane.columns, tuple(lines), cursor_is_shown=not pane.cursor.hidden)


def _runs(characters: Sequence[pyte.screens.Char]) -> tuple[Run, ...]:
    while characters and characters[-1].data == " ":
        characters = characters[:-1]
    looks = groupby(characters, key=lambda each: (each.fg, each.bold))
    return tuple(Run("".join(each.data for each in some), *look) for look, some in looks)
