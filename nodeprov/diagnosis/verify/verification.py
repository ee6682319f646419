"""`nodeprov verify`: the checks of one node, run by pytest with testinfra over nodeprov's own connections."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host as TestinfraHost

from nodeprov.diagnosis.verify.subject import Subject
from nodeprov.reports.findings import Finding

CHECKS = Path(__file__).parent / "checks"
ORDER = ("files", "containerd", "cluster", "pod")
"""The modules of the checks; one may need what an earlier one has found."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the checks of one node found; `interrupted` when not all of them were made."""

    findings: tuple[Finding, ...]
    interrupted: bool = False


def verify(subject: Subject) -> Verified:
    """Run every check on a node; a pytest run of its own, silent, with no other plugins' say.

    Its pods are removed at the end, also when a KeyboardInterrupt ends it.
    """
    plugin = _Collector(subject)
    arguments = [
        "--import-mode=importlib",
        "-p", "no:terminal",
        "-p", "no:cacheprovider",
        "--capture=no",  # else it takes what --verbose and a signal have us say
        "--disable-plugin-autoload",
        "-c", str(CHECKS / "pytest.ini"),
        f"--rootdir={CHECKS}",
        *(str(CHECKS / f"check_{name}.py") for name in ORDER),
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()) as said, _without_the_users_pytest_options():
        status = pytest.main(arguments, plugins=[plugin])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"the checks could not be run: {status!r}: {said.getvalue()}")
    return Verified(tuple(plugin.findings), interrupted=status == pytest.ExitCode.INTERRUPTED)


@contextlib.contextmanager
def _without_the_users_pytest_options() -> Iterator[None]:
    """Hide what is meant for the user's own pytest runs; our run would obey it too."""
    hidden = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Collector:
    """Hands the subject to the checks, and keeps what comes of them."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._not_held: dict[str, str] = {}
        self.findings: list[Finding] = []

    @pytest.fixture(scope="session")
    def subject(self) -> Subject:
        """Give a check the node it is about."""
        return self._subject

    @pytest.fixture(scope="session")
    def host(self) -> TestinfraHost:
        """Give a check testinfra's host."""
        return self._subject.testinfra

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out a check that needs another one which does not hold."""
        for marker in item.iter_markers("needs"):
            for needed in marker.args:
                if needed in self._not_held:
                    self._not_held[_check(item)] = self._not_held[needed]
                    pytest.skip(f"not looked at, because this does not hold: {self._not_held[needed]}")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Keep the result of a check, or of what it needed and did not get."""
        report = (yield).get_result()
        if report.when == "teardown" or (report.when == "setup" and report.passed):
            return
        if call.excinfo is not None and issubclass(call.excinfo.type, KeyboardInterrupt):
            return
        finding = Finding(
            node=self._subject.node.name,
            check=_check(item),
            title=_title(item),
            result="passed" if report.passed else "skipped" if report.skipped else "failed",
            said="" if call.excinfo is None else _said(call.excinfo.value),
            seconds=report.duration,
        )
        self.findings.append(finding)
        if finding.result == "failed":
            self._not_held[finding.check] = finding.title


def _check(item: pytest.Item) -> str:
    return item.name.removeprefix("check_")


def _title(item: pytest.Item) -> str:
    described = getattr(getattr(item, "function", None), "__doc__", None) or item.name
    return str(described).strip().splitlines()[0].rstrip(".")


def _said(error: BaseException) -> str:
    """Say what an error says, without what pytest makes of an assertion: the expression, and an indentation."""
    lines = str(error).split("\nassert ")[0].strip().splitlines()
    return "\n".join(line.strip() for line in lines)
