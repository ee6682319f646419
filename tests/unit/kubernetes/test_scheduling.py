"""The label and the RuntimeClass: in which order, and what an uninstall leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes import runtime_class
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.runtime_class import wanted_runtime_class
from nodeprov.kubernetes.scheduling import NodeLabel, NodeTaint, cluster_goals, cluster_states, removal_goals
from nodeprov.node.receipts import History, Written
from nodeprov.node.state import ClusterState
from nodeprov.plan.goal import decide
from nodeprov.states import LabelState, PresentState, State
from tests.support.clusters import KEY, THEIRS, WANTED, answer, class_json, facts, node, ours, stub
from tests.support.samples import receipt_of

LABEL_KEY, CLASS_KEY = f"label:worker1:{KEY}", "runtimeclass:gvisor"


def test_the_label_comes_before_the_runtime_class_that_sends_pods_to_it() -> None:
    goals = cluster_goals(WANTED, "worker1")
    assert [goal.resource.key for goal in goals] == [LABEL_KEY, CLASS_KEY]
    assert {goal.resource.place for goal in goals} == {Place.CLUSTER}
    assert [goal.resource.collected for goal in goals] == [False, False]
    assert [goal.resource.shared for goal in goals] == [False, True]
    changes = decide(goals, cluster_states(facts(), goals))
    assert [(change.before, change.after) for change in changes] == [
        (None, LabelState("true")),
        (None, wanted_runtime_class(WANTED)),
    ]


MADE_BY_US: dict[str, State | None] = {LABEL_KEY: None, CLASS_KEY: None}


def removed(
    cluster: ClusterState, before: Mapping[str, State | None], leaving: tuple[str, ...] = ()
) -> dict[str, State | None]:
    """What an uninstall of worker1 changes, by key."""
    made = receipt_of(1, "install", *(Written(key, state, PresentState()) for key, state in before.items()))
    goals = removal_goals(WANTED, "worker1", cluster, History("runsc", made.machine_id, (made,)), leaving)
    return {each.resource.key: each.after for each in decide(goals, cluster_states(cluster, goals))}


def test_the_last_node_takes_the_label_and_our_runtime_class_away() -> None:
    cluster = facts(node({KEY: "true"}), ours(), ("worker1",))
    assert list(removed(cluster, MADE_BY_US).items()) == [(LABEL_KEY, None), (CLASS_KEY, None)]


def test_a_runtime_class_that_another_node_needs_stays() -> None:
    cluster = facts(node({KEY: "true"}), ours(), ("worker1", "worker2"))
    assert removed(cluster, MADE_BY_US) == {LABEL_KEY: None}


def test_nodes_that_this_invocation_uninstalls_first_need_it_no_more() -> None:
    cluster = facts(node({KEY: "true"}), ours(), ("worker1", "worker2"))
    assert list(removed(cluster, MADE_BY_US, ("worker2",))) == [LABEL_KEY, CLASS_KEY]
    assert list(removed(cluster, MADE_BY_US, ("worker3",))) == [LABEL_KEY]


def test_a_runtime_class_that_was_there_before_gets_its_fields_back() -> None:
    now = class_json(**{**wanted_runtime_class(WANTED).value, "labels": {}})
    cluster = facts(node({KEY: "true"}), now, ("worker1",))
    assert removed(cluster, {LABEL_KEY: None, CLASS_KEY: THEIRS}) == {LABEL_KEY: None, CLASS_KEY: THEIRS}


def test_a_runtime_class_that_is_not_ours_and_that_no_receipt_names_stays() -> None:
    cluster = facts(node({KEY: "true"}), class_json(), ("worker1",))
    assert removed(cluster, {LABEL_KEY: None}) == {LABEL_KEY: None}


def test_a_runtime_class_that_another_tool_manages_stays() -> None:
    value = wanted_runtime_class(WANTED).value
    theirs = class_json(**{**value, "labels": {"app.kubernetes.io/managed-by": "Helm"}})
    assert removed(facts(node({KEY: "true"}), theirs, ("worker1",)), {}) == {LABEL_KEY: None}


@pytest.mark.parametrize(
    "elsewhere",
    [{"handler": "kvm"}, {"scheduling": {"nodeSelector": {"earlier/label": "true"}}}, {"scheduling": None}],
    ids=["another handler", "another label", "no label"],
)
def test_a_runtime_class_that_leads_other_nodes_pods_elsewhere_stays(elsewhere: dict[str, Any]) -> None:
    """As after an edit of [label] or [runtime] handler: nobody has the new label, and all need the class."""
    cluster = facts(node({KEY: "true"}), {**ours(), **elsewhere}, ("worker1",))
    assert removed(cluster, MADE_BY_US) == {LABEL_KEY: None}


def test_a_label_that_had_another_value_before_gets_it_back() -> None:
    cluster = facts(node({KEY: "true"}), None, ("worker1",))
    assert removed(cluster, {LABEL_KEY: LabelState("maybe")}) == {LABEL_KEY: LabelState("maybe")}


def test_what_is_gone_already_is_not_removed_again() -> None:
    assert removed(facts(), MADE_BY_US) == {}


def test_a_label_and_a_runtime_class_are_read_by_kubectl(tmp_path: Any) -> None:
    (tmp_path / "node").write_text(json.dumps(node({KEY: "true"})))
    (tmp_path / "runtimeclass").write_text(json.dumps(ours()))
    wanted = stub(tmp_path, f'[ "$1 $4 $5 $6" = "get -o json --ignore-not-found" ] && cat {tmp_path}/"$2"')
    label = NodeLabel(kubectl(wanted.cluster), "worker1", KEY)
    assert LocalHost().ask([label.query, runtime_class.of(wanted, "worker1").query]) == [
        LabelState("true"),
        wanted_runtime_class(WANTED),
    ]


def test_states_are_read_out_of_what_kubectl_prints() -> None:
    kube = kubectl(ClusterSettings())
    label, resource = NodeLabel(kube, "worker1", KEY), runtime_class.of(WANTED, "worker1")
    assert label.query.parse(answer(json.dumps(node({KEY: "true"})))) == LabelState("true")
    assert label.query.parse(answer(json.dumps(node()))) is None
    assert resource.query.parse(answer("")) is None
    assert resource.query.parse(answer(json.dumps(ours()))) == wanted_runtime_class(WANTED)
    with pytest.raises(NodeprovError, match="the cluster has no node worker1"):
        label.query.parse(answer(""))


def test_another_value_of_the_label_is_replaced() -> None:
    cluster = facts(node({KEY: "false"}), ours())
    goals = cluster_goals(WANTED, "worker1")
    (change,) = decide(goals, cluster_states(cluster, goals))
    assert (change.before, change.after) == (LabelState("false"), LabelState("true"))


def test_a_label_that_is_not_there_is_taken_away_whatever_kubectl_says_of_it(tmp_path: Any) -> None:
    """kubectl 1.36 prints a line of text before the JSON then; in an undo it made of a refusal an exit code 4."""
    answered = json.dumps(node({"theirs": "{"}))
    body = f"""echo 'label "{KEY}" not found.'; echo '{answered}'"""
    label = NodeLabel(kubectl(stub(tmp_path, body).cluster), "worker1", KEY)
    assert label.written(LocalHost(), None, None) is None


def test_a_label_is_written_and_taken_away_by_kubectl(tmp_path: Any) -> None:
    with_label, without = json.dumps(node({KEY: "true"})), json.dumps(node())
    body = f"""echo "$*" >> {tmp_path}/calls
        case "$4" in *=true) echo '{with_label}' ;; *) echo '{without}' ;; esac"""
    label = NodeLabel(kubectl(stub(tmp_path, body).cluster), "worker1", KEY)
    assert label.written(LocalHost(), None, LabelState("true")) == LabelState("true")
    assert label.written(LocalHost(), LabelState("true"), None) is None
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"label node worker1 {KEY}=true --overwrite -o json",
        f"label node worker1 {KEY}- --overwrite -o json",
    ]


TAINT = "readiness.k8s.io/gvisor"
TAINTED = replace(WANTED, cluster=ClusterSettings(startup_taint=TAINT))


def tainted(*effects: str) -> dict[str, Any]:
    return {
        **node({KEY: "true"}),
        "spec": {"taints": [{"key": TAINT, "value": "no", "effect": e} for e in effects]},
    }


class TestStartupTaint:
    def test_it_goes_where_it_is_and_only_where_the_settings_name_it(self) -> None:
        goals, cluster = cluster_goals(TAINTED, "worker1"), facts(tainted("NoSchedule"), ours())
        (change,) = decide(goals, cluster_states(cluster, goals))
        assert change.resource.key == f"taint:worker1:{TAINT}"
        assert (change.before, change.after) == (LabelState("no:NoSchedule"), None)
        without = facts(node({KEY: "true"}), ours())
        assert decide(goals, cluster_states(without, goals)) == ()
        others = cluster_goals(WANTED, "worker1")
        assert decide(others, cluster_states(cluster, others)) == ()

    def test_it_is_taken_away_and_put_back_by_kubectl(self, tmp_path: Any) -> None:
        kube = kubectl(stub(tmp_path, f'echo "$*" >> {tmp_path}/calls').cluster)
        taint = NodeTaint(kube, "worker1", TAINT)
        found = taint.query.parse(answer(json.dumps(tainted("NoSchedule", "NoExecute"))))
        assert found == LabelState("no:NoExecute,no:NoSchedule")
        taint.write(LocalHost(), None)
        taint.write(LocalHost(), found)
        assert (tmp_path / "calls").read_text().splitlines() == [
            f"taint node worker1 {TAINT}-",
            f"taint node worker1 {TAINT}=no:NoExecute {TAINT}=no:NoSchedule --overwrite",
        ]
        assert taint.query.parse(answer(json.dumps(node()))) is None
