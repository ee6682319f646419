from __future__ import annotations

import inspect
import sys

import pytest

from nodeprov.diagnosis.verify.runner import CHECKS, Check, Verified, verify
from nodeprov.diagnosis.verify.subject import Given, Subject, because, needs, skip
from nodeprov.engine.context import Cancellation
from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov.node.imported_files import Imports
from nodeprov.reports.findings import CheckResult
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.runtimes import state_of
from tests.support.samples import good_facts, settings

SUBJECT = Subject(state_of(settings(), good_facts()), GVISOR, {}, Imports((), {}))


def check_label(subject: Subject) -> None:
    """The node has the label.

    Without it no pod comes.
    """
    raise AssertionError(because(f"{subject.state.node.name} has none\n  at all", "nodeprov install worker1"))


def check_clock() -> None:
    """The clock is right."""
    raise NodeprovError("it says nothing", "date", where="worker1")


def check_disk() -> None:
    """The disk is large."""
    raise ValueError("12 of 7")


@needs("label")
def check_pod() -> None:
    """A pod runs."""
    raise AssertionError("it is not looked at")


@needs("clock_of_others", "pod")
def check_pod_logs() -> None:
    """A pod prints."""
    raise AssertionError("it is not looked at")


def check_slice() -> None:
    """There is a slice."""
    skip("this node has cgroup v1")


@needs("slice")
def check_kernel() -> None:
    """The kernel is new."""


def found(*functions: object, cancel: Cancellation | None = None) -> Verified:
    return verify(SUBJECT, cancel or Cancellation(), [Check(each) for each in functions])  # type: ignore[arg-type]


def test_a_check_that_fails_says_what_is_wrong_and_the_way_out() -> None:
    result = found(check_label).results[0]
    assert (result.node, result.check, result.title) == ("worker1", "label", "The node has the label")
    assert (result.result, result.said) == ("failed", "worker1 has none\nat all\nhint: nodeprov install worker1")


def test_an_error_on_the_way_is_why_a_check_fails_and_the_others_are_made() -> None:
    results = found(check_clock, check_disk, check_kernel).results
    assert [(each.result, each.said) for each in results] == [
        ("failed", "worker1: it says nothing\nhint: date"),
        ("failed", "12 of 7"),
        ("passed", ""),
    ]


def test_what_needs_a_check_that_failed_is_not_looked_at_and_names_the_cause() -> None:
    results = found(check_label, check_pod, check_pod_logs).results
    said = "not looked at, because this does not hold: The node has the label"
    assert [(each.result, each.said) for each in results[1:]] == [("skipped", said)] * 2


def test_a_check_that_does_not_apply_says_why_and_those_that_need_it_are_made() -> None:
    verified = found(check_slice, check_kernel)
    assert [(each.result, each.said) for each in verified.results] == [
        ("skipped", "this node has cgroup v1"),
        ("passed", ""),
    ]
    assert verified.passed


def test_a_cancellation_ends_it_before_the_next_check_and_what_was_found_is_kept() -> None:
    cancel = Cancellation()

    def check_that_lasts() -> None:
        cancel.cancel()

    verified = found(check_kernel, check_that_lasts, check_disk, cancel=cancel)
    assert [each.check for each in verified.results] == ["kernel", "that_lasts", "interrupted"]
    assert (verified.results[-1].result, verified.results[-1].said) == (
        "error",
        "interrupted: 2 checks were made, and the others were not",
    )
    assert verified.interrupted
    assert not verified.passed


def test_a_cancellation_ends_a_check_that_waits_and_is_no_result_of_that_check() -> None:
    cancel = Cancellation()

    def check_that_waits() -> None:
        cancel.cancel()
        cancel.wait(60)

    verified = found(check_that_waits, cancel=cancel)
    assert ([each.check for each in verified.results], verified.interrupted) == (["interrupted"], True)


@pytest.mark.parametrize("check", CHECKS, ids=lambda each: each.name)
def test_a_check_needs_only_earlier_ones_and_asks_only_for_what_is_given(check: Check) -> None:
    names = [each.name for each in CHECKS]
    assert set(check.needs) <= set(names[: names.index(check.name)])
    assert all(name == "subject" or hasattr(Given, name) for name in inspect.signature(check.function).parameters)
    title = check.title(GVISOR)
    assert title[0].isupper() or title.startswith(("runsc", "containerd"))


def test_verify_does_not_import_pytest() -> None:
    """It takes longer to import than all of nodeprov's own modules."""
    program = "import sys; import nodeprov.diagnosis.verify.runner; print('pytest' in sys.modules)"
    assert run_program([sys.executable, "-c", program]).text == "False\n"


def test_each_check_is_told_as_it_ends() -> None:
    heard: list[CheckResult] = []
    ended = verify(SUBJECT, Cancellation(), [Check(check_kernel), Check(check_label)], heard.append)
    assert heard == list(ended.results)
