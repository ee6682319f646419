"""What all tests share: the lab, brought up once for those that need it, and the time that each stage took."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from nodeprov.hosts.local import run_program

# A loaded machine is slow, not wrong.
settings.register_profile("nodeprov", deadline=None)
settings.load_profile("nodeprov")

_seconds: dict[str, float] = defaultdict(float)


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """The embedded lab, up; it is taken down at the end if it was these tests that brought it up."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("the lab needs systemd-nspawn (apt-get install systemd-container)")
    nodeprov = [sys.executable, "-m", "nodeprov"]
    was_up = run_program([*nodeprov, "lab", "status"]).returncode == 0
    began = time.monotonic()
    up = run_program([*nodeprov, "lab", "up"], timeout_seconds=3600)
    assert up.returncode == 0, up.said
    _seconds["lab up"] += time.monotonic() - began
    yield
    if not was_up:
        began = time.monotonic()
        run_program([*nodeprov, "lab", "down"], timeout_seconds=120)
        _seconds["lab down"] += time.monotonic() - began


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid.split("::")[0]
    if name.startswith("tests/lab/"):
        _seconds[name] += report.duration
    else:
        _seconds["tests without the lab"] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the time of each stage, those before the tests included."""
    terminalreporter.section("seconds per stage")
    before = os.environ.get("NODEPROV_TEST_STAGES")
    rows = [line.rsplit(" ", 1) for line in Path(before).read_text().splitlines()] if before else []
    for name, seconds in [(name, float(text)) for name, text in rows] + list(_seconds.items()):
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
