"""What holds for every message, whoever writes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nodeprov
from nodeprov.diagnosis.verify.subject import because
from nodeprov.errors import CommandFailed, NodeprovError, Problem, Problems, UsageError
from tests.support import message_manual
from tests.support.messages import in_source
from tests.support.messages import messages as all_messages

ROOT = Path(nodeprov.__file__).parents[1]
SOURCES = sorted(path for name in ("nodeprov", "nodeprov_lab") for path in (ROOT / name).rglob("*.py"))
SPEAKING = (
    *("Error", "Problem", "Refused", "Fault", "_Wrong", "RolledBack", "RollbackFailed", "CommandFailed"),
    *("Absent", "Denied", "Passing", "TakenOver", "because", "say", "fault", "skip"),
)
WORDS = st.text("ab:; \n", max_size=12)


def messages(source: ast.AST) -> Iterator[tuple[int, str]]:
    """Find the sentences that a module hands to an error, a problem or a person; what is filled in is `{}`."""
    for call in (node for node in ast.walk(source) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        for argument in call.args if name.endswith(SPEAKING) else ():
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.lineno, argument.value
            elif isinstance(argument, ast.JoinedStr):
                parts = (each.value if isinstance(each, ast.Constant) else "{}" for each in argument.values)
                yield argument.lineno, "".join(map(str, parts))


def test_no_message_is_written_with_a_colon_at_its_end() -> None:
    found = [(path.name, *each) for path in SOURCES for each in messages(ast.parse(path.read_text()))]
    assert len(found) > 300  # or the names above are wrong
    assert [each for each in found if each[2].rstrip().endswith((":", ";"))] == []


@given(WORDS, WORDS)
def test_a_message_does_not_end_in_a_colon_whatever_a_program_has_said(message: str, hint: str) -> None:
    problem = Problem(message, hint, hint)
    errors = [
        NodeprovError(message, hint),
        UsageError(message, hint, where="worker1"),
        CommandFailed(message, hint, returncode=1, stderr=""),
        *Problems([problem], where="worker1").parts(),
    ]
    said = [text for error in errors for text in (error.message, error.hint)]
    said += [problem.message, problem.hint, problem.why, *because(message, hint).split("\nhint: ")]
    assert not any(text.endswith((":", ";", " ")) for text in said)


@pytest.mark.parametrize("said", ["it is full", "see http://[::1]:80/", "a: b"])
def test_what_follows_a_colon_stays(said: str) -> None:
    assert NodeprovError(f"cannot write: {said}").message == f"cannot write: {said}"


def test_the_page_of_all_messages_is_up_to_date() -> None:
    current = message_manual.PAGE.read_text() == message_manual.page()
    assert current, f"docs/messages.md is stale: .venv/bin/{message_manual.COMMAND} writes it anew"


def test_most_messages_that_say_what_to_type_are_on_the_page() -> None:
    assert len([each for each in all_messages() if each.hints]) > 400


SOURCE = """
AGAIN = "plan again"
def refuse(path, error):
    said = "it is full" if error else "it is gone"
    hint = f"look at {path}"
    raise NodeprovError(f"cannot write {path}: {said}", hint or AGAIN)
    raise UsageError(error.message, AGAIN)
def complain(place):
    yield Fault(place, f"is in {place!r}", f"{AGAIN}, {place.name}")
"""


def test_a_message_is_found_in_all_its_forms() -> None:
    found = [(each.kind, each.text, each.hints) for each in in_source(Path("x.py"), SOURCE)]
    assert found == [
        ("NodeprovError", "cannot write {PATH}: {…}", ("look at {PATH}", "plan again")),
        ("Fault", "is in {PLACE}", ("plan again, {NAME}",)),
    ]


BETWEEN = (
    "does not serve with its old configuration",
    "somebody else has changed it since",
    "it reads back differently",
    "the node is still cordoned",
    "stays:",
)
"""What is said of a node that is left between two states, besides what a rollback of its own says."""


def test_the_runbook_has_what_leaves_a_node_between_two_states() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    sources = "".join(path.read_text() for path in SOURCES)
    failed = [each.text.partition(":")[0] for each in all_messages() if each.kind == "RollbackFailed"]
    assert len(failed) == 2
    assert [each for each in BETWEEN if each not in sources] == []
    assert [each for each in (*BETWEEN, *failed) if each not in runbook] == []
