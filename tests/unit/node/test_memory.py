"""What this machine remembers of nodes, as a file of this user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.inventory import Node, parse
from nodeprov.node.memory import Memory, Remembered, recall
from nodeprov.node.watched import Seen, Watched
from tests.support.samples import FakeReader

TEXT = '[release]\nversion = "20260905.0"\n[cluster]\nenabled = false\n[nodes.a]\n[nodes.b]\n'
A, B = parse(TEXT, "i.toml").nodes
WATCHED = Watched.of(["/x/y"], values=["/proc/v"], processes=[7], written=["/x"], started=["/x/y"])
FOUND = Remembered(("a note",), WATCHED, "5ee4", "c1u5")


def test_what_is_kept_is_found_again_for_the_same_node_and_settings_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "m")
    memory.keep(A, FOUND)
    assert memory.of(A) == FOUND
    assert memory.of(B) is None
    (other,) = parse(TEXT.replace("[nodes.b]\n", "").replace("0905.0", "0906.0"), "i.toml").nodes
    assert memory.of(other) is None
    memory.forget(A)
    assert memory.of(A) is None


def test_another_nodeprov_has_other_conclusions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    monkeypatch.setattr("nodeprov.__version__", "0.0.1")
    assert memory.of(A) is None


DAMAGE: Mapping[str, Any] = {
    "empty": "",
    "cut off": '{"key": "',
    "no object": "[]",
    "nested without end": "[" * 100_000,
    "no JSON": "\x00\xff",
    "without notes": {"notes": None},
    "notes of numbers": {"notes": [1]},
    "no digest": {"seen": 1},
    "nothing watched": {"watched": {}},
    "files that are a word": {"watched": {**WATCHED.to_json(), "files": "/etc"}},
    "processes that are words": {"watched": {**WATCHED.to_json(), "processes": ["1; reboot"]}},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_damaged_is_not_remembered_at_all(tmp_path: Path, damage: Any) -> None:
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    (file,) = tmp_path.iterdir()
    text = damage if isinstance(damage, str) else json.dumps({**json.loads(file.read_text()), **damage})
    file.write_text(text, encoding="latin-1")
    assert memory.of(A) is None
    memory.keep(A, FOUND)
    assert memory.of(A) == FOUND


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "m")
    memory.keep(A, FOUND)
    memory.forget(A)
    assert memory.of(A) is None


def test_there_is_a_limit_to_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeprov.node.memory.MOST_NODES", 1)
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    memory.keep(B, FOUND)
    assert (memory.of(A), memory.of(B)) == (None, FOUND)


class Saying(FakeReader):
    """A node that shows what it is told to; or does not answer."""

    def __init__(self, digest: str | NodeprovError) -> None:
        super().__init__()
        self._digest = digest

    def _answer(self, query: Any) -> Any:
        if isinstance(self._digest, NodeprovError):
            raise self._digest
        return Seen(self._digest, 0.0, frozenset())


def recalled(cluster: str = "c1u5", **said: str | NodeprovError) -> list[str]:
    nodes = [node for node in (A, B) if node.name in said]
    readers = {name: Saying(each) for name, each in said.items()}
    found = recall(
        {node.name: FOUND for node in nodes},
        nodes,
        lambda node: {Place.NODE: readers[node.name]},
        lambda _node: cluster,
    )
    assert all(plan.notes == FOUND.notes and not plan.steps for plan in found.values())
    return list(found)


def test_what_is_as_it_was_is_recalled_for_each_node_on_its_own() -> None:
    assert recalled(a="5ee4", b="5ee4") == ["a", "b"]
    assert recalled(a="5ee4", b="0the4") == ["a"]
    assert recalled(a="5ee4", b=NodeprovError("no answer")) == ["a"]
    assert recalled("another", a="5ee4", b="5ee4") == []


def test_a_fault_is_not_hidden() -> None:
    def fails(_node: Node) -> str:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        recall({"a": FOUND}, [A], lambda _node: {Place.NODE: Saying("5ee4")}, fails)
