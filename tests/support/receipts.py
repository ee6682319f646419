"""States and receipts: any at all, and some that tests begin with."""

from __future__ import annotations

from hypothesis import strategies as st

from nodeprov.node.receipts import BEGUN, DONE, UNDONE, Author, Receipt, Written
from nodeprov.plan.goal import Change
from nodeprov.states import (
    FileState,
    LabelState,
    LinkState,
    ObjectState,
    PresentState,
    State,
    TreeEntry,
    TreeState,
)
from tests.support.samples import resource

texts = st.text(max_size=20)
modes = st.integers(0, 0o7777)
owners = st.integers(0, 2**32 - 2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
entries = st.builds(TreeEntry, texts, modes, st.text("0123456789abcdef", min_size=64, max_size=64))
states: st.SearchStrategy[State | None] = st.one_of(
    st.none(),
    st.builds(FileState, st.binary(max_size=50), modes, owners, owners),
    st.builds(LinkState, texts),
    st.builds(TreeState, st.lists(entries, max_size=3).map(tuple), st.lists(texts, max_size=2).map(tuple)),
    st.builds(LabelState, texts),
    st.dictionaries(texts, json_values, max_size=3).map(ObjectState.of),
    st.builds(PresentState),
)
receipts = st.builds(
    Receipt,
    number=st.integers(1, 999999),
    action=st.sampled_from(["install", "uninstall"]),
    handler=texts,
    machine_id=texts,
    author=st.builds(Author, texts, texts, texts),
    began=texts,
    release=texts,
    changes=st.lists(st.builds(Written, texts, states, states), max_size=3).map(tuple),
    state=st.sampled_from([BEGUN, DONE, UNDONE]),
    ended=texts,
    sha512=st.dictionaries(texts, texts, max_size=2),
)
A, B, C, D = (FileState(letter, 0o644) for letter in (b"a", b"b", b"c", b"d"))
CONFIG, LINK = "file:/etc/containerd/config.toml", "link:/usr/local/bin/runsc"


def written(before: State | None, after: State | None, key: str = CONFIG) -> Written:
    return Written(key, before, after)


def change(before: State | None, after: State | None, key: str = CONFIG) -> Change:
    return Change(resource(key), before, after)
