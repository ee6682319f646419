"""Running the checks of one node, one after the other."""

import inspect
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nodeprov.diagnosis.verify.checks import check_cluster, check_node, check_pod
from nodeprov.diagnosis.verify.subject import Given, Skipped, Subject
from nodeprov.engine.context import Cancellation
from nodeprov.errors import Cancelled, NodeprovError
from nodeprov.hosts.at_once import at_once
from nodeprov.reports.findings import NODE, CheckResult
from nodeprov.runtimes.family import Family

_MODULES = (check_node, check_cluster, check_pod)
_PREFIX = "check_"
OnResult = Callable[[CheckResult], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """How the checks of one node ended; `interrupted` when not all of them were made."""

    results: tuple[CheckResult, ...]
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether all checks were made and none failed."""
        return not self.interrupted and all(each.result in ("passed", "skipped") for each in self.results)


@dataclass(frozen=True, slots=True)
class Check:
    """One function that checks something; the first line of its docstring is its title."""

    function: Callable[..., None]

    @property
    def name(self) -> str:
        """Its name in reports, and for others that need it."""
        return self.function.__name__.removeprefix(_PREFIX)

    def title(self, family: Family) -> str:
        """Return what holds when it passes."""
        first = (inspect.getdoc(self.function) or self.name).splitlines()[0].rstrip(".")
        inspection = family.inspection
        return first.format(program=family.program, config=inspection.config, kernel=inspection.kernel)

    @property
    def needs(self) -> tuple[str, ...]:
        """The checks that must not have failed before it means anything."""
        return getattr(self.function, "needs", ())

    def run(self, given: Given) -> None:
        """Call it with what its parameters name; raise Skipped where it does not apply."""
        self.function(*(getattr(given, name) for name in inspect.signature(self.function).parameters))


CHECKS = tuple(
    Check(value) for module in _MODULES for name, value in vars(module).items() if name.startswith(_PREFIX)
)
"""In the order in which they are run, that of the text: a check may need an earlier one."""


def not_looked_at(node: str, error: NodeprovError) -> Verified:
    """Report a node that cannot be looked at: it has a row, as a check that fails has one."""
    return Verified((CheckResult(node, NODE, "The node can be looked at", "error", str(error), 0.0),))


def verify_all(
    nodes: Sequence[Sequence[Subject]], cancel: Cancellation, on_result: OnResult = lambda _result: None
) -> list[Verified]:
    """Verify nodes at the same time, and the handlers of each in turn.

    `on_result` hears of each check as it ends, by the threads of all nodes.
    """
    verified = []
    for answer in at_once(lambda subjects: _verify_each(subjects, cancel, on_result), nodes):
        if isinstance(answer, Exception):
            raise answer
        verified.append(answer)
    return verified


def _verify_each(subjects: Sequence[Subject], cancel: Cancellation, on_result: OnResult) -> Verified:
    """Verify the handlers of a node; where there are several, each result names its own."""
    if len(subjects) == 1:
        return verify(subjects[0], cancel, on_result=on_result)
    results: list[CheckResult] = []
    for subject in subjects:
        own = partial(replace, handler=subject.layout.handler)
        found = verify(subject, cancel, on_result=partial(_tell, on_result, own))
        results += map(own, found.results)
        if found.interrupted:
            return Verified(tuple(results), interrupted=True)
    return Verified(tuple(results))


def _tell(on_result: OnResult, named: Callable[[CheckResult], CheckResult], result: CheckResult) -> None:
    on_result(named(result))


def verify(
    subject: Subject,
    cancel: Cancellation,
    checks: Iterable[Check] = CHECKS,
    on_result: OnResult = lambda _result: None,
) -> Verified:
    """Run checks on a node, one after the other; its pods are removed at the end, also when it is cancelled."""
    node, family, results = subject.state.node.name, subject.family, []
    causes: dict[str, str] = {}
    try:
        with Given(subject, cancel.wait) as given:
            for check in checks:
                cancel.check()
                began = time.monotonic()
                result, reason = _result(check, given, causes)
                seconds = time.monotonic() - began
                name = family.inspection.check_names.get(check.name, check.name)
                results.append(CheckResult(node, name, check.title(family), result, reason, seconds))
                on_result(results[-1])
    except Cancelled:
        said = f"interrupted: {len(results)} checks were made, and the others were not"
        ended = CheckResult(node, "interrupted", "All checks are made", "error", said, 0.0)
        return Verified((*results, ended), interrupted=True)
    return Verified(tuple(results))


def _result(check: Check, given: Given, causes: dict[str, str]) -> tuple[str, str]:
    """Run a check, or leave it out where another one that it needs has failed.

    `causes` has the title of the check that failed, by the name of each that means nothing because of it.
    """
    if cause := next((causes[name] for name in check.needs if name in causes), None):
        causes[check.name] = cause
        return "skipped", f"not looked at, because this does not hold: {cause}"
    try:
        check.run(given)
    except Cancelled:
        raise
    except Skipped as skipped:
        return "skipped", _stripped(skipped)
    except Exception as error:  # whatever keeps a check from passing is reported, and the others are made
        causes[check.name] = check.title(given.subject.family)
        return "failed", _stripped(error)
    return "passed", ""


def _stripped(error: Exception) -> str:
    return "\n".join(line.strip() for line in str(error).strip().splitlines())
