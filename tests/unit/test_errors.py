"""What an operator is told when something cannot be done."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

import pytest

from nodeprov.errors import (
    MALFORMED,
    NodeprovError,
    Problem,
    Problems,
    json_object,
    of_type,
    said_by_system,
    taking_json_apart,
    toml_table,
    undone_at_end,
)


def test_an_error_says_where_what_and_what_to_type() -> None:
    assert str(NodeprovError("it is full", "df -h", where="worker1")) == "worker1: it is full\nhint: df -h"
    assert str(NodeprovError("it is full")) == "it is full"


def test_the_nearest_place_that_was_said_is_told() -> None:
    assert str(NodeprovError("it is full").at("worker1").at("somewhere")) == "worker1: it is full"


def test_all_problems_are_told_each_with_its_own_hint() -> None:
    problems = Problems([Problem("no room", "df -h"), Problem("too old", "", "it forks")], where="worker1")
    assert str(problems) == "worker1: no room\nhint: df -h\nworker1: too old"
    assert [(part.message, part.hint) for part in problems.parts()] == [("no room", "df -h"), ("too old", "")]


@pytest.mark.parametrize("value", [True, "1", 1.0, None])
def test_a_number_is_a_number_and_nothing_that_passes_for_one(value: object) -> None:
    assert of_type(int, 1) == 1
    with pytest.raises(TypeError, match="int expected"):
        of_type(int, value)


@pytest.mark.parametrize("text", ["", "[]", "1", '{"a": }', "[" * 100_000])
def test_what_is_no_json_object_is_refused_by_one_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not (a )?JSON"):
        json_object(text)


def test_json_of_another_form_is_an_answer_that_is_not_understood() -> None:
    answer: Any = json.loads('{"items": 1}')
    with (
        pytest.raises(NodeprovError, match="not understood: TypeError: 'int' object is not iterable"),
        taking_json_apart(),
    ):
        list(answer["items"])


@pytest.mark.parametrize("fault", [TypeError, AttributeError, ZeroDivisionError, AssertionError])
def test_a_fault_of_our_own_is_not_what_a_malformed_text_raises(fault: type[Exception]) -> None:
    assert not issubclass(fault, MALFORMED)


def fails() -> None:
    raise NodeprovError("it is held", "rm -rf it")


def test_an_error_of_the_end_is_told_and_hides_no_other() -> None:
    with pytest.raises(NodeprovError) as caught, undone_at_end(fails):
        raise NodeprovError("it is full", "df -h", where="worker1")
    assert str(caught.value) == "worker1: it is full; and then: it is held\nhint: rm -rf it; then: df -h"
    with pytest.raises(NodeprovError, match="it is held"), undone_at_end(fails):
        pass
    left: list[NodeprovError] = []
    with undone_at_end(fails, left.append):
        pass
    assert [each.message for each in left] == ["it is held"]
    with pytest.raises(NodeprovError, match="it is full; and then: it is held"), undone_at_end(fails, left.append):
        raise NodeprovError("it is full")
    assert len(left) == 1
    with pytest.raises(ZeroDivisionError) as fault, undone_at_end(fails):
        1 / 0  # noqa: B018
    assert fault.value.__notes__ == ["it is held\nhint: rm -rf it"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (EOFError(), ""),
        (ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert (_ssl.c:1006)"), "sslv3 alert"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "it does not speak TLS",
        ),
    ],
)
def test_an_error_of_the_system_is_told_without_its_number(error: Exception, words: str) -> None:
    assert said_by_system(error) == words


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", f"0x{'f' * 5000}", "9" * 5000])
def test_a_whole_number_of_more_than_64_bits_is_none(number: str) -> None:
    """TOML has none, and one of thousands of digits cannot even be shown."""
    for text in (f"a = {number}", f"a = [1, {{b = {number}}}]"):
        with pytest.raises(MALFORMED):
            toml_table(text)
    assert toml_table("a = 9223372036854775807\nb = true") == {"a": 9223372036854775807, "b": True}
