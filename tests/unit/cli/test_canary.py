"""`nodeprov canary` as one calls it: what is refused before any node is touched. What it does: tests/lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import INVENTORY, nodeprov, said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("start", "--release", "newest", "worker1"), "--release 'newest' is not a release such as"),
        (("start", "worker1"), "missing option '--release'"),
        (("start", "--release", "latest"), "no node is named"),
        (("abort", "worker9"), "is called worker9"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    output = nodeprov("canary", *arguments, folder=folder)
    assert output.returncode == 2
    assert message in said(output)


def test_a_node_that_has_none_is_named_with_the_line_that_would_give_it_one(folder: Path) -> None:
    output = nodeprov("canary", "abort", "worker1", "--set", "runtime.canary=false", folder=folder)
    assert output.returncode == 2
    assert "set [runtime] canary = true" in said(output)


def test_a_node_that_has_none_is_no_matter_of_those_that_have_one(folder: Path) -> None:
    (folder / "nodeprov.toml").write_text(f"{INVENTORY}[nodes.worker2.runtime]\ncanary = false\n")
    one = nodeprov("canary", "start", "--release", "20260921.0", "worker1", "--yes", folder=folder)
    assert "cannot be reached" in said(one)
    for nodes in (("worker1", "worker2"), ("worker2",)):
        both = nodeprov("canary", "start", "--release", "20260921.0", *nodes, "--yes", folder=folder)
        assert both.returncode == 2
        assert "worker2: there is no canary for this node" in said(both)


def test_a_node_that_cannot_be_reached_is_not_promoted(folder: Path) -> None:
    output = nodeprov("canary", "promote", "worker1", "--yes", folder=folder)
    assert output.returncode == 1
    assert "nothing was changed on any node" in said(output)


@pytest.mark.parametrize("command", [("canary", "abort"), ("uninstall",), ("plan", "--uninstall")])
def test_what_is_a_part_of_a_drain_is_said_of_the_command_that_was_typed(
    folder: Path, command: tuple[str, ...]
) -> None:
    output = nodeprov(*command, "worker1", "--force", folder=folder)
    assert output.returncode == 2
    assert f"nodeprov {' '.join(command)} NODE --drain --force" in said(output)
