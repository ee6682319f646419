"""nodeprov as a test runs it: the command, the inventory, what it said, and one that is stopped in its middle."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251  a process that is ended in its middle
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from nodeprov.hosts.local import run_program
from tests.conftest import RUN
from tests.lab.machines import ADMIN, CHECKOUT, LEAST


def least_inventory() -> Path:
    """Write the lab's inventory with the kubeconfig that may do the least; all processes write the same."""
    text = (CHECKOUT / "inventory" / "lab.toml").read_text()
    assert ADMIN in text
    path, beside = RUN / "lab.toml", RUN / f".lab.toml.{os.getpid()}"
    beside.write_text(text.replace(ADMIN, LEAST))
    return beside.replace(path)


INVENTORY = least_inventory()


@dataclass(frozen=True)
class Ended:
    """How a nodeprov process ended."""

    returncode: int
    stdout: str
    stderr: str


def nodeprov(*arguments: str, inventory: Path = INVENTORY, folder: Path | None = None) -> Ended:
    """Run nodeprov, or another one that lies in a folder, as a user would, and never see a traceback."""
    argv = [sys.executable, "-m", "nodeprov", *arguments, "--inventory", str(inventory)]
    environment = {"PYTHONPATH": str(folder)} if folder else {}
    output = run_program(argv, environment=environment, folder=folder, timeout_seconds=600)
    ended = Ended(output.returncode, output.stdout.decode(), output.stderr.decode())
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def installed(*arguments: str, inventory: Path = INVENTORY, folder: Path | None = None) -> Ended:
    """Run `nodeprov install --yes`, which must succeed."""
    ended = nodeprov("install", *arguments, "--yes", inventory=inventory, folder=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def refused(ended: Ended, *said: str, exit_code: int = 1) -> None:
    """See that a run did not want to or could not, said this, and what to type next."""
    assert ended.returncode == exit_code, ended.stdout + ended.stderr
    for each in said:
        assert each in ended.stderr, ended.stderr
    assert "hint: " in ended.stderr


def variant(folder: Path, **replacements: str) -> Path:
    """Write the lab's inventory with some `key = value` lines replaced or added: `release__version='"…"'`."""
    text = INVENTORY.read_text()
    for name, value in replacements.items():
        table, key = name.split("__")
        lines = text.splitlines()
        header = f"[{table}]"
        if header not in lines:
            lines += ["", header]
        start = lines.index(header) + 1
        end = next((i for i in range(start, len(lines)) if lines[i].startswith("[")), len(lines))
        kept = [line for line in lines[start:end] if line.split("=")[0].strip() != key]
        text = "\n".join([*lines[:start], f"{key} = {value}", *kept, *lines[end:]]) + "\n"
    path = folder / f"inventory-{time.monotonic_ns()}.toml"
    path.write_text(text)
    return path


class Started:
    """A nodeprov process that is watched while it runs."""

    def __init__(self, *arguments: str, inventory: Path, folder: Path | None = None) -> None:
        argv = [sys.executable, "-u", "-m", "nodeprov", *arguments, "--inventory", str(inventory)]
        environment = {**os.environ, **({"PYTHONPATH": str(folder)} if folder else {})}
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
        )
        self.seen = ""

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, text: str) -> None:
        """Read what it says until it says this."""
        assert self.process.stderr is not None
        while text not in self.seen:
            line = self.process.stderr.readline()
            assert line, f"it ended before it said {text!r}: {self.seen}"
            self.seen += line

    def end(self, timeout_seconds: float = 120) -> Ended:
        """Wait for its end."""
        stdout, stderr = self.process.communicate(timeout=timeout_seconds)
        return Ended(self.process.returncode, stdout, self.seen + stderr)


def started(*arguments: str, inventory: Path = INVENTORY, folder: Path | None = None) -> Started:
    """Start nodeprov, or another one that lies in a folder, to do something to it in its middle."""
    return Started(*arguments, inventory=inventory, folder=folder)
