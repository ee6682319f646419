"""Which nodes a command is for."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.inventory import parse
from nodeprov.inventory.selection import Labels, Selection
from nodeprov.inventory.selector import parse_selector

WHOLE = parse(
    """\
[release]
version = "20260905.0"
[groups.gpu]
nodes = ["c*"]
labels = { kind = "gpu", zone = "a" }
[nodes.a1.labels]
zone = "a"
[nodes.b1]
labels = { zone = "b" }
[nodes.c1]
labels.zone = "c"
[nodes.c2]
""",
    "i.toml",
)


def not_asked() -> Labels:
    raise AssertionError("the cluster is asked for nothing that the inventory knows")


def chosen(
    *names: str,
    selector: str | None = None,
    is_all: bool = False,
    cluster: Labels | None = None,
    limit: tuple[str, ...] = (),
) -> list[str]:
    selection = Selection(names, is_all, parse_selector(selector) if selector else None, limit=limit)
    return [node.name for node in selection.of(WHOLE, (lambda: cluster) if cluster is not None else not_asked)]


def test_a_nodes_labels_lie_over_those_of_its_groups() -> None:
    assert [dict(node.labels) for node in WHOLE.nodes] == [
        {"zone": "a"},
        {"zone": "b"},
        {"kind": "gpu", "zone": "c"},
        {"kind": "gpu", "zone": "a"},
    ]


def test_all_is_every_node() -> None:
    assert chosen(is_all=True) == ["a1", "b1", "c1", "c2"]


def test_a_limit_leaves_of_the_nodes_that_are_meant_those_that_it_names_too() -> None:
    assert chosen(is_all=True, limit=("c*", "!c2")) == ["c1"]
    assert chosen("a1", "b1", limit=("!b1",)) == ["a1"]
    assert chosen(selector="zone=a", limit=("@gpu",)) == ["c2"]
    with pytest.raises(UsageError, match=r"--limit: 'c\*' fits none of the nodes that are named") as caught:
        chosen("a1", "b1", limit=("c*",))
    assert caught.value.hint == "these are a1, b1"


@pytest.mark.parametrize(
    ("names", "selector", "expected"),
    [
        ((), "zone=a", ["a1", "c2"]),
        ((), "zone in (a,b),kind!=gpu", ["a1", "b1"]),
        (("c*",), "zone=a", ["c2"]),
        (("@gpu", "a1"), "zone=a", ["a1", "c2"]),
    ],
)
def test_a_selector_keeps_those_of_the_named_nodes_whose_labels_fit(
    names: tuple[str, ...], selector: str, expected: list[str]
) -> None:
    assert chosen(*names, selector=selector) == expected


def test_with_all_a_selector_keeps_those_that_fit() -> None:
    assert chosen(selector="kind", is_all=True) == ["c1", "c2"]


CLUSTER = {"a1": {"arch": "arm64", "zone": "x"}, "b1": {"arch": "amd64", "zone": "x"}, "other": {"arch": "arm64"}}


def test_a_key_that_no_node_of_the_inventory_has_is_looked_for_in_the_cluster() -> None:
    assert chosen(selector="arch=arm64", cluster=CLUSTER) == ["a1"]
    assert chosen(selector="!arch", cluster=CLUSTER) == ["c1", "c2"]


def test_what_the_inventory_says_of_a_key_counts_before_the_cluster() -> None:
    assert chosen(selector="arch,zone=b", cluster=CLUSTER) == ["b1"]


@pytest.mark.parametrize(
    ("names", "selector", "said"),
    [
        ((), "zone=z", "'zone=z' fits no node of i.toml\nhint: there are: zone=a, zone=b, zone=c"),
        (
            ("b1",),
            "zone=a",
            "'zone=a' fits none of the nodes that are named\nhint: there are: zone=a, zone=b, zone=c",
        ),
        ((), "arch=s390x", "'arch=s390x' fits no node of i.toml\nhint: there are: arch=amd64, arch=arm64"),
        (
            (),
            "rack=1",
            "'rack=1' fits no node of i.toml\nhint: there are: arch=amd64, arch=arm64, kind=gpu",
        ),
    ],
)
def test_a_selector_that_fits_nothing_is_refused_with_the_labels_that_there_are(
    names: tuple[str, ...], selector: str, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(*names, selector=selector, cluster=CLUSTER)
    assert str(refused.value).startswith(f"-l/--selector: {said}")


def test_without_a_cluster_an_unknown_key_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no node of i.toml has a label rack, and the cluster is not asked here"):
        Selection(selector=parse_selector("!rack")).of(WHOLE, lambda: None)


def test_without_any_label_it_is_said_how_to_give_one() -> None:
    bare = parse('[release]\nversion = "latest"\n[nodes.a]\n', "i.toml")
    with pytest.raises(UsageError, match=r"give nodes labels: \[nodes.NAME\] labels = \{ zone = \"a\" \}"):
        Selection(selector=parse_selector("zone=a")).of(bare, dict)


def test_all_and_names_together_are_refused() -> None:
    with pytest.raises(UsageError, match="--all is every node, and a1 is named besides"):
        chosen("a1", is_all=True)


def test_nothing_at_all_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"name some of a1, b1, c1, c2, @gpu, or give --all"):
        chosen()


def test_many_labels_are_not_all_listed() -> None:
    text = '[release]\nversion = "latest"\n' + "".join(f"[nodes.n{i}]\nlabels.rack = 'r{i}'\n" for i in range(20))
    with pytest.raises(UsageError, match="rack=r19 and 8 more"):
        Selection(selector=parse_selector("rack=none")).of(parse(text, "i.toml"), dict)
