"""What a tree's scripts print is the tree that is there, also by the command that has written it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.trees import parse_tree, tree_text
from nodeprov.plan.files import TreeAt
from nodeprov.states import TreeEntry, TreeState
from tests.support.memory_host import tree_of

STATES = [
    TreeState((TreeEntry("runsc", 0o755, "a" * 64),)),
    TreeState((TreeEntry("gvisor-bin/a  b", 0o644, "b" * 64), TreeEntry("runsc", 0o755, "a" * 64))),
]


@pytest.mark.parametrize("state", STATES)
def test_what_is_printed_of_a_tree_is_read_as_that_tree(state: TreeState) -> None:
    assert parse_tree(Output(0, tree_text(state), b"")) == state


def test_nothing_printed_is_no_tree() -> None:
    assert parse_tree(Output(0, b"", b"")) is None


def test_what_is_no_regular_file_and_a_file_without_digest_are_seen() -> None:
    printed = b"755|directory|.\n777|symbolic link|./link\n644|regular empty file|./extra\n\n"
    assert parse_tree(Output(0, printed, b"")) == TreeState((TreeEntry("extra", 0o644, ""),), ("link",))


@pytest.mark.skipif(os.geteuid() != 0, reason="a tree is given to root")
def test_a_write_answers_with_the_tree_that_is_there_then(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "in").mkdir(parents=True)
    (source / "runsc").write_bytes(b"a program")
    (source / "in" / "a shim").write_bytes(b"another")
    host, wanted = LocalHost(), tree_of(source, mode=0o750)
    found = host.write_tree(f"{tmp_path}/r1", wanted, source)
    assert found == wanted == host.ask([TreeAt(f"{tmp_path}/r1")])[0]
