"""nodeprov as a process, as somebody types it."""

from __future__ import annotations

import sys
from pathlib import Path

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program

NODEPROV = [sys.executable, "-m", "nodeprov"]


def nodeprov(*arguments: str, folder: Path = Path("/"), **environment: str) -> Output:
    plain = {"COLUMNS": "100", "NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm", "NODEPROV_INVENTORY": ""}
    output = run_program(
        [*NODEPROV, *arguments], environment={**plain, **paths(), **environment}, folder=folder, timeout_seconds=60
    )
    assert b"Traceback" not in output.stderr, output.stderr.decode()
    return output


def paths() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[2])}


def said(output: Output) -> str:
    return output.stderr.decode()
