"""Passwords and passphrases: asked for once, and not tried where they were refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.at_once import at_once
from nodeprov.hosts.passwords import Passwords


class Person:
    """Answers, and remembers what it was asked."""

    def __init__(self, answer: str) -> None:
        self._answer = answer
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self._answer


class Sudo:
    """Accepts one password, and counts the tries."""

    def __init__(self, right: str) -> None:
        self._right = right
        self._lock = threading.Lock()
        self.tries = 0

    def __call__(self, password: str) -> bool:
        with self._lock:
            self.tries += 1
        return password == self._right


def test_a_password_is_asked_for_once_and_proven_on_every_node() -> None:
    person, sudo = Person("right"), Sudo("right")
    passwords = Passwords(person)
    answers = at_once(lambda node: passwords.sudo("admin", node, sudo), [f"node{n}" for n in range(9)])
    assert answers == ["right"] * 9
    assert (person.asked, sudo.tries) == (["password of admin for sudo on all nodes: "], 9)


def test_a_wrong_password_is_tried_once_for_all_nodes() -> None:
    person, sudo = Person("wrong"), Sudo("right")
    passwords = Passwords(person)
    answers = at_once(lambda node: passwords.sudo("admin", node, sudo), [f"node{n}" for n in range(9)])
    said = [str(answer) for answer in answers]
    assert (len(person.asked), sudo.tries) == (1, 1)
    assert sum("sudo refused the password of admin" in each for each in said) == 1
    assert sum("sudo password not tried" in each for each in said) == 8
    assert not any("wrong" in each for each in said)


def test_an_empty_password_is_not_tried() -> None:
    sudo = Sudo("right")
    with pytest.raises(NodeprovError, match="worker1: the password of admin is empty"):
        Passwords(Person("")).sudo("admin", "worker1", sudo)
    assert sudo.tries == 0


def test_a_password_that_was_given_before_is_not_asked_for() -> None:
    person = Person("other")
    assert Passwords(person, sudo="right").sudo("admin", "worker1", Sudo("right")) == "right"
    assert person.asked == []


def test_where_nobody_can_be_asked_the_way_out_is_said() -> None:
    with pytest.raises(NodeprovError, match="worker1: sudo wants the password of admin") as caught:
        Passwords().sudo("admin", "worker1", Sudo("right"))
    assert "--ask-sudo-password" in caught.value.hint
    assert "NOPASSWD" in caught.value.hint


def test_a_passphrase_is_asked_for_once_for_each_key() -> None:
    person = Person("open")
    passwords = Passwords(person)
    assert [passwords.passphrase(path) for path in ("a", "b", "a")] == ["open"] * 3
    assert person.asked == ["passphrase of a: ", "passphrase of b: "]
    assert Passwords().passphrase("a") is None


def test_a_passphrase_may_be_needed_while_sudos_password_is_tried() -> None:
    """The connection was lost at the prompt: what tries the password connects again, with a locked key."""
    passwords = Passwords(lambda _prompt: "open")
    tried = threading.Thread(
        target=lambda: passwords.sudo("ann", "worker1", lambda _said: bool(passwords.passphrase("/k"))),
        daemon=True,
    )
    tried.start()
    tried.join(5)
    assert not tried.is_alive()


def test_a_command_prints_the_password_once_for_all_nodes(tmp_path: Path) -> None:
    command = f"echo x >> {tmp_path}/calls; echo right; echo 'a second line'"
    person, sudo = Person("wrong"), Sudo("right")
    passwords = Passwords(person)
    nodes = [f"node{n}" for n in range(9)]
    assert at_once(lambda node: passwords.sudo("admin", node, sudo, command), nodes) == ["right"] * 9
    assert ((tmp_path / "calls").read_text(), person.asked) == ("x\n", [])


def test_a_command_that_fails_is_told_without_what_it_printed() -> None:
    with pytest.raises(NodeprovError) as caught:
        Passwords().sudo("admin", "node1", Sudo("right"), "echo hunter2; echo 'no such entry' >&2; exit 3")
    assert caught.value.message == "[ssh] sudo_password_command ended with 3: no such entry"
    assert (caught.value.where, "hunter2" in str(caught.value)) == ("node1", False)


def test_a_password_that_is_given_goes_before_the_command() -> None:
    assert Passwords(sudo="right").sudo("admin", "node1", Sudo("right"), "exit 1") == "right"


def test_a_password_that_one_command_printed_is_not_that_of_another() -> None:
    passwords = Passwords()
    with pytest.raises(NodeprovError, match="sudo refused"):
        passwords.sudo("admin", "node1", Sudo("right"), "echo wrong")
    assert passwords.sudo("ops", "node2", Sudo("right"), "echo right") == "right"
