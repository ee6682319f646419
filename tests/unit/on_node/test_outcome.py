"""How a run has ended, as the result that its pod leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.engine import Install, Planned, Uninstall
from nodeprov.errors import NodeprovError, Problem, Problems
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.node.layout import Layout
from nodeprov.node.receipts import Author
from nodeprov.node.state import NodeState
from nodeprov.on_node.outcome import Ended, failed
from nodeprov.plan.plan import INSTALL, UNINSTALL, Action, Outcome, Plan
from nodeprov.plan.steps import Adopt, Restart
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support import samples

ASKED = Assignment("r1", "install", "worker1", "u-1", "m-1")
AUTHOR = Author("nodeprov", "run-r1", "1")
RESTART = Restart("containerd.service", ("to serve",))


def ended(folder: Path, action: Action = INSTALL, **how: object) -> Ended:
    """A run of an action on a node on which a release was in force before."""
    settings = samples.settings()
    made = samples.release(folder)
    node = samples.node(settings)
    facts = samples.installed(settings, made)
    state = NodeState.of(node, Layout.of(settings, GVISOR.program), facts, None)
    want = Uninstall(GVISOR) if action is UNINSTALL else Install(GVISOR, replace(made, version="20261001.0"))
    plan = Plan("worker1", action, (Adopt(()),))
    return Ended(Planned(state, want, plan), replace(Outcome(plan, done=(RESTART,)), **how), AUTHOR)  # type: ignore[arg-type]


def test_what_was_installed_is_in_force(tmp_path: Path) -> None:
    result = ended(tmp_path, hit=("default/web: app",)).result(ASKED, 7.0)
    assert (result.exit, result.outcome, result.release) == (0, "done", "20261001.0")
    assert (result.restarted, result.hit, result.seconds) == (True, ("default/web: app",), 7.0)


def test_a_failed_run_has_what_was_in_force_before(tmp_path: Path) -> None:
    error = NodeprovError("it broke", "mend it", where="worker1")
    result = ended(tmp_path, error=error).result(ASKED, 0)
    assert (result.exit, result.outcome, result.release, result.handlers) == (
        1,
        "failed",
        samples.VERSION,
        ("runsc",),
    )


def test_a_failed_uninstall_leaves_in_force_what_was(tmp_path: Path) -> None:
    assert ended(tmp_path, UNINSTALL).result(ASKED, 0).release == ""
    broken = ended(tmp_path, UNINSTALL, error=NodeprovError("it broke")).result(ASKED, 0)
    assert (broken.release, broken.handlers) == (samples.VERSION, ("runsc",))


@pytest.mark.parametrize("error", [None, NodeprovError("it broke", "mend it")])
def test_what_is_left_between_two_states_is_named(tmp_path: Path, error: NodeprovError | None) -> None:
    result = ended(tmp_path, error=error, left=("file /etc/x: no space",)).result(ASKED, 0)
    assert (result.exit, result.outcome, result.release, result.handlers) == (4, "between", "", ())
    assert result.error is not None
    assert result.error.what.endswith("left between two states; file /etc/x: no space")
    assert result.error.hint


def test_all_the_reasons_not_to_begin_are_in_the_result() -> None:
    problems = Problems([Problem("no space", "make some"), Problem("no runtime", "start it")], where="worker1")
    result = failed(ASKED, problems, 1.0)
    assert result.error is not None
    assert (result.error.what, result.error.hint) == ("no space; no runtime", "make some; start it")
    assert (result.error.where, result.exit, result.outcome) == ("worker1", 1, "failed")


def test_a_password_in_an_address_is_not_shown() -> None:
    result = failed(ASKED, NodeprovError("cannot read https://ann:secret@example.com/x"), 0)
    assert result.error is not None
    assert "secret" not in result.error.what
