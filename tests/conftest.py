"""What all tests share: the lab, brought up once for those that need it, and the time that each stage took."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from nodeprov.hosts.local import run_program
from tests.support import sampling
from tests.support.command_line import NODEPROV

# A loaded machine is slow, not wrong.
settings.register_profile("nodeprov", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("nodeprov"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "nodeprov"))

# What the processes of one run of the tests share; the first of them makes it, and hands it down.
if "NODEPROV_TEST_RUN" not in os.environ:
    os.environ["NODEPROV_TEST_RUN"] = tempfile.mkdtemp(prefix="nodeprov-tests-")
    atexit.register(shutil.rmtree, os.environ["NODEPROV_TEST_RUN"], ignore_errors=True)
RUN = Path(os.environ["NODEPROV_TEST_RUN"])
OWN = RUN / os.environ.get("PYTEST_XDIST_WORKER", "only")
"""What one of these processes keeps about its own lab."""
OWN.mkdir(exist_ok=True)
# The journal of who runs the tests stays as it is; nodes of two labs have the same names.
os.environ["XDG_STATE_HOME"] = str(OWN / "state")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")

_seconds: dict[str, float] = defaultdict(float)
_ssh_matrix: dict[str, tuple[str, float]] = {}
"""What came of each of its rows, and the seconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    sampling.add_options(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sampling.leave_out(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Give each of several processes a place in which it can have a lab of its own."""
    if os.geteuid() == 0 and config.option.markexpr != "not lab":
        _raise_inotify_limit(100 * len(specs))
        for spec in specs:
            spec.python = shlex.join([sys.executable, "-m", "nodeprov_lab.isolated", sys.executable])


def _raise_inotify_limit(wanted: int) -> None:
    """Have room for several labs, whose programs are all this user's, as long as the tests run."""
    limit = INOTIFY.read_text()
    if int(limit) < wanted:
        INOTIFY.write_text(str(wanted))
        atexit.register(INOTIFY.write_text, limit)


def say_at_the_end(title: str, lines: list[str]) -> None:
    """Have something printed in the summary of the tests, which CI shows."""
    (RUN / f"{title}.said").write_text("\n".join(lines))


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of the tests are on this machine, which no proxy reaches."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """This process's lab, up; it is taken down at the end if it was these tests that brought it up."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("the lab needs systemd-nspawn (apt-get install systemd-container)")
    was_up = run_program([*NODEPROV, "lab", "status"]).returncode == 0
    began = time.monotonic()
    up = run_program([*NODEPROV, "lab", "up"], timeout_seconds=3600)
    assert up.returncode == 0, up.said
    (OWN / "up").write_text(f"lab up {time.monotonic() - began:.1f}")
    yield
    if not was_up:
        down = run_program([*NODEPROV, "lab", "down"], timeout_seconds=120)
        assert down.returncode == 0, down.said


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid.split("::")[0]
    if name.startswith(("tests/lab/", "tests/vagrant/")):
        _seconds[name] += report.duration
    else:
        _seconds["tests without the lab"] += report.duration
    if name.endswith("lab/test_ssh.py"):
        _keep_row(report)


def _keep_row(report: pytest.TestReport) -> None:
    test = report.nodeid.split("::")[-1]
    row = test.partition("[")[2].removesuffix("]") or test.removeprefix("test_").replace("_", " ")
    outcome, seconds = _ssh_matrix.get(row, ("passed", 0.0))
    outcome = report.outcome if report.outcome != "passed" else outcome
    _ssh_matrix[row] = (outcome, seconds + (report.duration if report.when == "call" else 0))


def _table_of_ssh() -> list[str]:
    width = max(map(len, _ssh_matrix))
    passed = sum(outcome == "passed" for outcome, _ in _ssh_matrix.values())
    lines = [f"{row:{width}}  {said:7}  {seconds:5.1f} s" for row, (said, seconds) in sorted(_ssh_matrix.items())]
    return [*lines, f"{passed} of {len(_ssh_matrix)} rows passed"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests had to say, and the time of each stage, those before the tests included."""
    if _ssh_matrix:
        say_at_the_end("SSH matrix", _table_of_ssh())
    for said in sorted(RUN.glob("*.said")):
        terminalreporter.section(said.stem)
        for line in said.read_text().splitlines():
            terminalreporter.write_line(line)
    terminalreporter.section("seconds per stage; several processes run tests, each on a lab of its own")
    before = os.environ.get("NODEPROV_TEST_STAGES")
    rows = Path(before).read_text().splitlines() if before else []
    rows += [path.read_text() for path in sorted(RUN.glob("*/up"))]
    named = [(name, float(text)) for name, text in (row.rsplit(" ", 1) for row in rows)]
    for name, seconds in [*named, *_seconds.items()]:
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
