"""What an uninstall keeps can be removed, and nothing else with it."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.engine.purge import purge
from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import Node
from tests.support.samples import node, settings

NAMES = ("lock", "lock.heard", "daemon.json", "receipts/000001-install.json", "switch/run", "switch.next/run")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of the receipts as an uninstall leaves it."""
    state = tmp_path / "state"
    for name in NAMES:
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text("x")
    return state


def of(state: Path) -> Node:
    wanted = settings()
    paths = replace(wanted.paths, state=str(state), prefix=str(state.parent / "opt"))
    return node(replace(wanted, paths=paths))


def test_all_that_nodeprov_keeps_is_removed_and_again_it_is_no_error(kept: Path) -> None:
    for _ in range(2):
        assert purge(of(kept), LocalHost("worker1")) == ""
        assert not kept.exists()


def test_a_folder_with_other_files_stays_with_these_alone(kept: Path) -> None:
    (kept / "precious").write_text("x")
    assert purge(of(kept), LocalHost("worker1")) == f"{kept} has other files: it stays"
    assert [each.name for each in kept.iterdir()] == ["precious"]


@pytest.mark.parametrize("place", ["handlers", "releases"])
def test_nothing_is_removed_while_something_is_installed(kept: Path, place: str) -> None:
    (kept.parent / "opt" / place).mkdir(parents=True)
    with pytest.raises(NodeprovError, match=f"is kept: .*/opt/{place} is still there") as caught:
        purge(of(kept), LocalHost("worker1"))
    assert caught.value.where == "worker1"
    assert all((kept / name).exists() for name in NAMES)


def test_nothing_is_removed_while_a_run_holds_the_node(kept: Path) -> None:
    with (kept / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NodeprovError, match="another run holds this node"):
            purge(of(kept), LocalHost("worker1"))
    assert all((kept / name).exists() for name in NAMES)
