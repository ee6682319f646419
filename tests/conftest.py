"""What all tests share: the lab, brought up once for those that need it, and the time that each stage took."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from nodeprov.hosts.local import run_program

# A loaded machine is slow, not wrong.
settings.register_profile("nodeprov", deadline=None)
settings.load_profile("nodeprov")

# What the processes of one run of the tests share; the first of them makes it, and hands it down.
RUN = Path(os.environ.get("NODEPROV_TEST_RUN") or tempfile.mkdtemp(prefix="nodeprov-tests-"))
os.environ["NODEPROV_TEST_RUN"] = str(RUN)
IS_FIRST = "PYTEST_XDIST_WORKER" not in os.environ
NODEPROV = [sys.executable, "-m", "nodeprov"]

_seconds: dict[str, float] = defaultdict(float)


def say_at_the_end(title: str, lines: list[str]) -> None:
    """Have something printed in the summary of the tests, which CI shows."""
    (RUN / f"{title}.said").write_text("\n".join(lines))


@pytest.fixture(scope="session")
def lab() -> None:
    """The embedded lab, up; it is taken down at the end if it was these tests that brought it up."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("the lab needs systemd-nspawn (apt-get install systemd-container)")
    with FileLock(RUN / "lab.lock"):
        if not (RUN / "up").exists():
            was_up = run_program([*NODEPROV, "lab", "status"]).returncode == 0
            began = time.monotonic()
            up = run_program([*NODEPROV, "lab", "up"], timeout_seconds=3600)
            assert up.returncode == 0, up.said
            (RUN / "up").write_text(f"lab up {time.monotonic() - began:.1f}")
            if not was_up:
                (RUN / "ours").touch()


def pytest_sessionfinish() -> None:
    if IS_FIRST and (RUN / "ours").exists():
        began = time.monotonic()
        run_program([*NODEPROV, "lab", "down"], timeout_seconds=120)
        _seconds["lab down"] += time.monotonic() - began


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid.split("::")[0]
    if name.startswith("tests/lab/"):
        _seconds[name] += report.duration
    else:
        _seconds["tests without the lab"] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests had to say, and the time of each stage, those before the tests included."""
    for said in sorted(RUN.glob("*.said")):
        terminalreporter.section(said.stem)
        for line in said.read_text().splitlines():
            terminalreporter.write_line(line)
    terminalreporter.section("seconds per stage; tests run on both workers at the same time")
    before = os.environ.get("NODEPROV_TEST_STAGES")
    rows = Path(before).read_text().splitlines() if before else []
    rows += [(RUN / "up").read_text()] if (RUN / "up").exists() else []
    named = [(name, float(text)) for name, text in (row.rsplit(" ", 1) for row in rows)]
    for name, seconds in [*named, *_seconds.items()]:
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
    shutil.rmtree(RUN, ignore_errors=True)
