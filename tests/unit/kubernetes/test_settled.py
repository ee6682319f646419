"""Whether nodes and their clusters are as they were when there was nothing to do on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.inventory import Node, parse
from nodeprov.kubernetes.settled import recall, still_settled
from nodeprov.node.memory import Memory, Remembered
from nodeprov.node.watched import Seen, Watched
from tests.support.samples import FakeReader

TEXT = '[release]\nversion = "20260905.0"\n[cluster]\nenabled = false\n[nodes.a]\n[nodes.b]\n'
A, B = parse(TEXT, "i.toml").nodes
WATCHED = Watched.of(["/x/y"], values=[], processes=[], written=[], started=[])
FOUND = Remembered(("a note",), WATCHED, "5ee4", "c1u5")


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
    found, unreached = still_settled(
        {node.name: FOUND for node in nodes},
        nodes,
        lambda node: {Place.NODE: readers[node.name]},
        lambda _node: cluster,
    )
    assert list(unreached) == [name for name, each in said.items() if getattr(each, "is_unreached", False)]
    assert all(plan.notes == FOUND.notes and not plan.steps for plan in found.values())
    return list(found)


def test_what_is_as_it_was_is_recalled_for_each_node_on_its_own() -> None:
    assert recalled(a="5ee4", b="5ee4") == ["a", "b"]
    assert recalled(a="5ee4", b="0the4") == ["a"]
    assert recalled(a="5ee4", b=NodeprovError("no answer")) == ["a"]
    lost = NodeprovError("no answer")
    lost.is_unreached = True
    assert recalled(a=lost, b="5ee4") == ["b"]
    assert recalled("another", a="5ee4", b="5ee4") == []


def test_a_fault_is_not_hidden() -> None:
    def fails(_node: Node) -> str:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        still_settled({"a": FOUND}, [A], lambda _node: {Place.NODE: Saying("5ee4")}, fails)


def test_all_nodes_are_looked_at_unless_all_are_as_they_were(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    asked = {"a": Saying("5ee4"), "b": Saying("5ee4")}

    def plans(*, deep: bool = False) -> list[str]:
        found = recall([A, B], lambda node: {Place.NODE: asked[node.name]}, tmp_path, deep=deep)
        return [plan.node for plan in found.plans]

    alone = Remembered(("a note",), WATCHED, "5ee4", "")  # without a cluster
    memory.keep(A, alone)
    assert plans() == []
    assert not asked["a"].asked
    memory.keep(B, alone)
    assert plans() == ["a", "b"]
    assert plans(deep=True) == []
