"""States: two that are equal mean the same."""

from __future__ import annotations

from nodeprov.states import ObjectState, TreeEntry, TreeState

ENTRIES = (TreeEntry("a", 0o755, "ab" * 32), TreeEntry("b", 0o644, "cd" * 32))


def test_a_trees_digest_is_of_its_paths_modes_and_contents_and_of_what_is_foreign_in_it() -> None:
    tree = TreeState(ENTRIES)
    assert tree.digest == TreeState(ENTRIES).digest
    others = (
        TreeState(ENTRIES[:1]),
        TreeState((ENTRIES[0], TreeEntry("c", 0o644, "cd" * 32))),
        TreeState((ENTRIES[0], TreeEntry("b", 0o755, "cd" * 32))),
        TreeState((ENTRIES[0], TreeEntry("b", 0o644, "ef" * 32))),
        TreeState(ENTRIES, ("link",)),
    )
    assert len({tree.digest, *(other.digest for other in others)}) == 1 + len(others)
    assert TreeState(ENTRIES, ("x", "y")).digest == TreeState(ENTRIES, ("y", "x")).digest


def test_an_object_is_the_same_in_whatever_order_its_fields_are_written() -> None:
    assert ObjectState.of({"a": 1, "b": {"c": 2, "d": 3}}) == ObjectState.of({"b": {"d": 3, "c": 2}, "a": 1})
    assert ObjectState.of({"a": 1}).value == {"a": 1}
