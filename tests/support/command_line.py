"""nodeprov as a process, as somebody types it."""

from __future__ import annotations

import sys
from pathlib import Path

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program

NODEPROV = [sys.executable, "-m", "nodeprov"]
INVENTORY = """\
[release]
version = "20260905.0"
[cluster]
enabled = false
[ssh]
connect_timeout_seconds = 1
[nodes.worker1]
address = "127.0.0.1"
port = 9
[nodes.worker2]
address = "127.0.0.2"
port = 9
"""
"""One whose nodes cannot be reached."""


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


def at_home(folder: Path, *arguments: str, timeout_seconds: float = 60, **environment: str) -> Output:
    """Run it as somebody whose home is this folder."""
    apart = {"HOME": str(folder), "NODEPROV_CACHE": str(folder / "cache"), "NO_PROXY": "127.0.0.1", **environment}
    output = run_program(
        [*NODEPROV, *arguments], environment=apart, folder=folder, timeout_seconds=timeout_seconds
    )
    assert b"Traceback" not in output.stderr, output.stderr
    return output
