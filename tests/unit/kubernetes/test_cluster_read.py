"""What is read of a cluster, once for all nodes of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.hosts.local import LocalHost
from nodeprov.kubernetes.cluster import check_cluster
from nodeprov.kubernetes.cluster_read import FIELDS, ClusterQuery, ClusterReads, Context, ContextQuery, read
from nodeprov.kubernetes.runtime_class import declared_fields, wanted_runtime_class
from tests.support.clusters import KEY, WANTED, answer, class_json, labelled_node, node, ours, stub
from tests.support.samples import GOLDEN, good_facts
from tests.support.samples import node as node_of

NODE = node_of(WANTED)
QUERY = ClusterQuery(WANTED.cluster, (WANTED.runtime_class.name,))


def test_a_real_cluster_is_understood() -> None:
    config, _, items = (GOLDEN / "cluster" / "worker1.txt").read_text().partition("\n")
    context = ContextQuery(WANTED.cluster).parse(answer(config))
    found = QUERY.parse(answer(items)).state(WANTED, "worker1", context)
    assert (found.context, found.server) == ("lab", "https://10.123.0.10:6443")
    assert found.handlers == ("", "runc", "runsc")
    assert (found.runtime_class, found.labelled) == (None, ())
    assert found.node is not None
    assert found.node["metadata"]["name"] == "worker1"
    assert found.condition("Ready") is not None
    assert (
        check_cluster(found, NODE, good_facts(machine_id=found.node["status"]["nodeInfo"]["machineID"]).machine)
        == ()
    )


def line(item: Mapping[str, Any]) -> str:
    """What kubectl prints of a node or a RuntimeClass."""
    fields = []
    for path in FIELDS:
        value: Any = item
        for name in path[1:].split("."):
            value = value.get(name, "") if isinstance(value, Mapping) else ""
        fields.append(value if isinstance(value, str) else json.dumps(value))
    return "\t".join(fields)


def lines(*items: Mapping[str, Any]) -> str:
    return "".join(f"{line(each)}\n" for each in items)


def test_what_does_not_exist_is_none() -> None:
    labelled = [labelled_node(name) for name in ("worker1", "worker2")]
    read = QUERY.parse(answer(lines(*labelled, class_json(name="another"))))
    found = read.state(WANTED, "worker3", Context())
    assert (found.node, found.runtime_class) == (None, None)
    assert found.labelled == ("worker1", "worker2")


def test_each_node_gets_its_own_part_of_what_was_read_once() -> None:
    second = {
        **node(),
        "kind": "Node",
        "metadata": {"name": "worker2", "labels": {"a": "b"}},
        "spec": {"unschedulable": True},
    }
    read = QUERY.parse(answer(lines(labelled_node("worker1"), second, ours())))
    one, two = (read.state(WANTED, name, Context()) for name in ("worker1", "worker2"))
    assert (one.labels, one.is_cordoned) == ({KEY: "true"}, False)
    assert (two.labels, two.is_cordoned) == ({"a": "b"}, True)
    assert one.labelled == two.labelled == ("worker1",)
    assert one.runtime_class is not None
    assert declared_fields(one.runtime_class) == wanted_runtime_class(WANTED)


def test_a_node_with_the_label_that_another_handler_has_set_there_needs_none_of_ours() -> None:
    reported = {"worker1": ["", "runc", "runsc"], "worker2": ["runc", "runsc-kvm"], "worker3": None, "worker4": []}
    labelled = [labelled_node(*each) for each in reported.items()]
    found = QUERY.parse(answer(lines(*labelled))).state(WANTED, "worker1", Context())
    assert found.labelled == ("worker1", "worker3", "worker4")


def test_what_a_kubelet_says_of_its_node_does_not_pass_for_another_node() -> None:
    forged = {
        **labelled_node("worker1"),
        "status": {"nodeInfo": {"machineID": f"x\n{line(labelled_node('worker2'))}"}},
    }
    assert set(QUERY.parse(answer(lines(forged))).nodes) == {"worker1"}


@pytest.mark.parametrize("config", [{}, {"clusters": None, "current-context": ""}, {"clusters": []}, None])
def test_a_kubectl_that_needs_no_configuration_has_no_context(config: Any) -> None:
    assert ContextQuery(WANTED.cluster).parse(answer(json.dumps(config))) == Context()


def test_what_an_install_would_find_is_told_apart_by_all_that_counts_and_nothing_else() -> None:
    def digest(*items: Mapping[str, Any]) -> str:
        return QUERY.parse(answer(lines(*items))).digest(WANTED, "worker1")

    def reporting(beat: str, status: str) -> Mapping[str, Any]:
        condition = {"type": "Ready", "status": status, "lastHeartbeatTime": beat}
        return {**labelled_node("worker1"), "status": {"conditions": [condition]}}

    before = digest(reporting("10:00", "True"), ours())
    assert digest(reporting("10:05", "True"), ours(), labelled_node("worker2"), class_json(name="other")) == before
    changed = {
        "the condition": (reporting("10:00", "False"), ours()),
        "the label": ({**reporting("10:00", "True"), "metadata": {"name": "worker1"}}, ours()),
        "a cordon": ({**reporting("10:00", "True"), "spec": {"unschedulable": True}}, ours()),
        "no node": (labelled_node("worker2"), ours()),
        "no class": (reporting("10:00", "True"),),
        "the class's handler": (reporting("10:00", "True"), {**ours(), "handler": "kata"}),
        "another cluster": (
            {**reporting("10:00", "True"), "metadata": {**labelled_node("worker1")["metadata"], "uid": "x"}},
            ours(),
        ),
    }
    assert [name for name, items in changed.items() if digest(*items) == before] == []


PLAYED = """\
echo "$1 $2" >> "${0%/*}/calls"
case "$1 $2" in
"config view") printf '{\\n  "current-context": "c",\\n  "clusters": []\\n}\\n' ;;
"get nodes,runtimeclasses.node.k8s.io") cat "${0%/*}/all"; [ -e "${0%/*}/all" ] ;;
"get nodes") cat "${0%/*}/nodes" ;;
"get runtimeclass") [ "$3" != gvisor ] || cat "${0%/*}/class" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac"""
"""A kubectl that prints files, and writes down how it is called."""


def test_all_nodes_and_classes_come_from_one_process_of_kubectl(tmp_path: Path) -> None:
    (tmp_path / "all").write_text(f"{line(labelled_node('worker1'))}\n{line(ours())}\n")
    found = read(LocalHost(), stub(tmp_path, PLAYED), "worker1")
    assert (found.context, found.labels, found.labelled) == ("c", {KEY: "true"}, ("worker1",))
    assert found.runtime_class is not None
    assert (tmp_path / "calls").read_text() == "config view\nget nodes,runtimeclasses.node.k8s.io\n"


def test_a_cluster_that_need_not_be_named_costs_one_process_less_until_it_must(tmp_path: Path) -> None:
    (tmp_path / "all").write_text(f"{line(labelled_node('worker1'))}\n")
    worker = node_of(stub(tmp_path, PLAYED))
    reads = ClusterReads([worker], lambda _node: {Place.CLUSTER: LocalHost()})
    reads.begin(named=False)
    reads.digest(worker)
    assert (tmp_path / "calls").read_text() == "get nodes,runtimeclasses.node.k8s.io\n"
    state = reads.of(worker)
    assert state is not None
    assert state.context == "c"
    assert (tmp_path / "calls").read_text() == "get nodes,runtimeclasses.node.k8s.io\nconfig view\n"


def test_what_is_wrong_with_the_configuration_is_said_though_the_cluster_need_not_be_named(tmp_path: Path) -> None:
    """Without a configuration `kubectl get` asks localhost:8080, and only `config view` says what is wrong."""
    calls = 'echo "$1" >> "${0%/*}/calls"'
    body = f'{calls}; case $1 in config) echo "no context" ;; *) echo refused ;; esac >&2; exit 1'
    worker = node_of(stub(tmp_path, body))
    reads = ClusterReads([worker], lambda _node: {Place.CLUSTER: LocalHost()})
    reads.begin(named=False)
    for ask in (reads.digest, reads.of):
        with pytest.raises(NodeprovError, match="no context"):
            ask(worker)
    assert (tmp_path / "calls").read_text() == "get\nconfig\n"


def test_a_role_that_an_earlier_nodeprov_has_printed_is_enough(tmp_path: Path) -> None:
    forbidden = (
        'Error from server (Forbidden): runtimeclasses.node.k8s.io is forbidden: User "n" cannot list resource '
        '"runtimeclasses" in API group "node.k8s.io" at the cluster scope'
    )
    body = PLAYED.replace('cat "${0%/*}/all"; [ -e "${0%/*}/all" ]', f"echo '{forbidden}' >&2; exit 1")
    (tmp_path / "nodes").write_text(f"{line(labelled_node('worker1'))}\n")
    (tmp_path / "class").write_text(f"{line(ours())}\n")
    found = read(LocalHost(), stub(tmp_path, body), "worker1")
    assert (found.labelled, found.runtime_class is not None) == (("worker1",), True)


def test_the_clusters_of_many_nodes_are_each_asked_once(tmp_path: Path) -> None:
    names = [f"worker{number}" for number in range(1, 25)]
    (tmp_path / "all").write_text("".join(f"{line(labelled_node(name))}\n" for name in names))
    nodes = [replace(node_of(stub(tmp_path, PLAYED)), name=name) for name in names]
    reads = ClusterReads(nodes, lambda _node: {Place.CLUSTER: LocalHost()})
    reads.begin()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(reads.of, nodes))
    assert [each.node["metadata"]["name"] for each in found if each and each.node] == names
    assert (tmp_path / "calls").read_text().count("get ") == 1


def test_what_stands_against_the_one_read_stands_against_each_node(tmp_path: Path) -> None:
    wanted = stub(tmp_path, "echo forbidden >&2; exit 1")
    nodes = [replace(node_of(wanted), name=name) for name in ("worker1", "worker2")]
    reads = ClusterReads(nodes, lambda _node: {Place.CLUSTER: LocalHost()})
    for each in nodes:
        with pytest.raises(NodeprovError, match="cannot read the cluster: forbidden"):
            reads.of(each)
