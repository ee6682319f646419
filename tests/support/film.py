"""What a run hands to what is seen of it: recorded while nodeprov runs, and shown again without any node.

python -m tests.support.film record FILE ARGUMENT...   runs `nodeprov ARGUMENT...`
python -m tests.support.film show FILE [MOMENT]        shows it again, up to where the live view has a text
"""

from __future__ import annotations

import atexit
import functools
import importlib
import platform
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support.documents import CHECKOUT
from tests.support.values_json import from_json, to_json

FUNCTIONS = (
    "nodeprov.cli.output:say",
    "nodeprov.cli.output:print_error",
    "nodeprov.cli.output:show_plans",
    "nodeprov.cli.output:show_outcomes",
    "nodeprov.cli.status:show",
    "nodeprov.cli.probe:show",
    "nodeprov.cli.cluster_doing:show_status",
    "nodeprov.cli.checks:check_view",
)
"""Where values become what is seen; in this order, since others import them from the first ones."""
METHODS = {
    "nodeprov.cli.board:Board": ("on_event", "on_upload", "on_rollout", "on_outcome"),
    "nodeprov.cli.checks:CheckView": ("on_result", "show_rest"),
}
KERNEL = "6.12.41-1-amd64"
"""Is shown in place of the kernel of whoever makes a film."""
Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""What was called, and with what."""


class Recorder:
    """Notes every call of the functions and methods above that none of them has made."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._inside = threading.local()

    def attach(self) -> None:
        """Put itself before all of them."""
        for name in FUNCTIONS:
            module, _, function = name.partition(":")
            self._wrap(name, importlib.import_module(module), function)
        for name, methods in METHODS.items():
            module, _, kind = name.partition(":")
            for method in methods:
                self._wrap(f"{name}.{method}", getattr(importlib.import_module(module), kind), method)
        self._note_boards()

    def _note_boards(self) -> None:
        board = importlib.import_module("nodeprov.cli.board").Board
        init = board.__init__

        def noted(own: Any, plans: Any, clock: Any) -> None:
            known = [(each.node.name, each.steady_seconds, each.plan) for each in plans]
            self.calls.append(("Board", (known,), {}))
            init(own, plans, clock)

        board.__init__ = noted

    def _wrap(self, name: str, owner: Any, attribute: str) -> None:
        called: Callable[..., Any] = getattr(owner, attribute)
        of_object = isinstance(owner, type)

        @functools.wraps(called)
        def noted(*arguments: Any, **named: Any) -> Any:
            if getattr(self._inside, "is_set", False):
                return called(*arguments, **named)
            self.calls.append((name, arguments[of_object:], named))
            self._inside.is_set = True
            try:
                return called(*arguments, **named)
            finally:
                self._inside.is_set = False

        setattr(owner, attribute, noted)


def record(path: Path, arguments: list[str]) -> None:
    """Run nodeprov with these arguments, and write down what was handed to what is seen."""
    sys.argv = ["nodeprov", *arguments]
    recorder = Recorder()
    recorder.attach()
    atexit.register(lambda: path.write_text(_usual(to_json(recorder.calls), path.parent)))
    main = importlib.import_module("nodeprov.cli.main").main
    main()


def _usual(text: str, beside: Path) -> str:
    """Write a user's folder and kernel in place of those of whoever makes the film."""
    for folder in (CHECKOUT, beside):
        text = text.replace(str(folder), "/srv/cluster")
    return text.replace(platform.release(), KERNEL)


def show(path: Path, moment: str = "") -> None:
    """Show a film, up to the `moment` at which a line of the live view has a text."""
    kept: dict[str, Any] = {}
    for name, arguments, named in from_json(path.read_text()):
        _again(name, arguments, named, kept)
        board = kept.get("Board")
        if moment and board and any(re.search(moment, row.said) for row in board.picture().rows):
            _draw(board)
            return


def _again(name: str, arguments: Any, named: dict[str, Any], kept: dict[str, Any]) -> None:
    if name == "Board":
        plans = [
            SimpleNamespace(node=SimpleNamespace(name=node), steady_seconds=seconds, plan=plan)
            for node, seconds, plan in arguments[0]
        ]
        kept["Board"] = importlib.import_module("nodeprov.cli.board").Board(plans, time.monotonic)
        return
    module, _, path = name.partition(":")
    kind, _, method = path.partition(".")
    if method:
        getattr(kept[kind], method)(*arguments, **named)
        return
    value = getattr(importlib.import_module(module), path)(*arguments, **named)
    kept[type(value).__name__] = value


def _draw(board: Any) -> None:
    output = importlib.import_module("nodeprov.cli.output")
    console = output.live_console()
    console.print(importlib.import_module("nodeprov.cli.live").view(board.picture(), console))


if __name__ == "__main__":
    what, file, *others = sys.argv[1:]
    if what == "record":
        record(Path(file), others)
    else:
        show(Path(file), *others)
