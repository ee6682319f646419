"""How long nodeprov takes to start, beside `python -c 'import typer, rich'`.

Each command is run in turn with the others, and what counts is the ratio of the medians: it says the same on a
fast machine and a slow one.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess  # noqa: TID251  what is measured is a process
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = CHECKOUT / ".venv" / "bin"
ROUNDS = 15
LIMIT = 1.5
INVENTORY = str(CHECKOUT / "inventory" / "lab.toml")
COMPLETED = {"COMP_WORDS": "nodeprov plan w", "COMP_CWORD": "2", "_NODEPROV_COMPLETE": "complete_bash"}
BASE = [str(BIN / "python"), "-c", "import typer, rich"]
NODEPROV = str(BIN / "nodeprov")
COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "nodeprov --version": ([NODEPROV, "--version"], {}),
    "nodeprov --help": ([NODEPROV, "--help"], {}),
    "nodeprov inventory": ([NODEPROV, "inventory"], {}),
    "nodeprov inventory --json": ([NODEPROV, "inventory", "--json"], {}),
    "completion of a node": ([NODEPROV], COMPLETED),
    "completion of a command": ([NODEPROV], {**COMPLETED, "COMP_WORDS": "nodeprov ", "COMP_CWORD": "1"}),
}
NOT_IN_PLAN = ("nodeprov_lab", "nodeprov.diagnosis", "pytest", "testinfra")
IMPORTED = "import sys, nodeprov.cli.plan, nodeprov.cli.session; print('\\n'.join(sys.modules))"


def seconds(command: list[str], variables: dict[str, str], folder: str) -> float:
    """Run a command and say how long it took."""
    environment = {**os.environ, "NODEPROV_INVENTORY": INVENTORY, **variables}
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - began


def main(rounds: int) -> None:
    """Measure, and exit with 1 if a command takes too long, or `plan` imports too much."""
    for package in ("nodeprov", "nodeprov_lab"):  # as pip does when it installs them
        compileall.compile_dir(CHECKOUT / package, quiet=1)
    measured: dict[str, list[float]] = {name: [] for name in ("python -c 'import typer, rich'", *COMMANDS)}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, times in measured.items():
                command, variables = COMMANDS.get(name, (BASE, {}))
                times.append(seconds(command, variables, folder))
    medians = {name: statistics.median(times) for name, times in measured.items()}
    base = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{median / base:5.2f}  {name}" + ("" if median <= LIMIT * base else f"  (more than {LIMIT})"))
    imported = subprocess.run([BASE[0], "-c", IMPORTED], capture_output=True, text=True, check=True).stdout.split()
    found = [name for name in NOT_IN_PLAN if name in imported]
    print(
        f"nodeprov plan imports {len(imported)} modules, of {', '.join(NOT_IN_PLAN)} {', '.join(found) or 'none'}"
    )
    sys.exit(bool(found) or any(median > LIMIT * base for median in medians.values()))
