from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, Place
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.hosts.provider import Connections, quietly
from nodeprov.inventory import ClusterSettings, Label, RuntimeClassSettings, RuntimeSettings, Settings, parse
from nodeprov.kubernetes import runtime_class
from nodeprov.kubernetes.cluster import ClusterFacts, ClusterQuery, check_cluster, kubectl, read
from nodeprov.kubernetes.node_label import NodeLabel
from nodeprov.kubernetes.runtime_class import MANAGED_BY, declared_fields, wanted_runtime_class
from nodeprov.kubernetes.scheduling import cluster_goals, cluster_states, removal_goals
from nodeprov.plan.goal import decide
from nodeprov.states import LabelState, ObjectState, State
from tests.support.samples import GOLDEN, good_facts, settings

WANTED = settings()
KEY = "nodeprov.node-restriction.kubernetes.io/gvisor"
LABEL_KEY, CLASS_KEY = f"label:worker1:{KEY}", "runtimeclass:gvisor"
MACHINE_ID = good_facts().machine_id


def node(labels: Mapping[str, str] | None = None, machine_id: str = MACHINE_ID) -> dict[str, Any]:
    return {
        "metadata": {"name": "worker1", "labels": dict(labels or {})},
        "status": {"nodeInfo": {"machineID": machine_id}},
    }


def class_json(handler: str = "runsc", labels: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor", "uid": "u", "labels": dict(labels or {})},
        "handler": handler,
        **more,
    }


def ours() -> dict[str, Any]:
    """The RuntimeClass as the API server would show it after we made it."""
    value = wanted_runtime_class(WANTED).value
    return class_json(**{**value, "labels": MANAGED_BY})


def facts(
    found: Mapping[str, Any] | None = None,
    existing: Mapping[str, Any] | None = None,
    labelled: tuple[str, ...] = (),
) -> ClusterFacts:
    return ClusterFacts("production", "https://10.0.0.10:6443", found or node(), existing, labelled)


def answer(text: str, returncode: int = 0, stderr: bytes = b"") -> Output:
    return Output(returncode, text.encode(), stderr)


def test_a_real_cluster_is_understood() -> None:
    text = (GOLDEN / "cluster" / "worker1.txt").read_text()
    found = ClusterQuery(WANTED, "worker1").parse(answer(text))
    assert (found.context, found.server) == ("lab", "https://10.123.0.10:6443")
    assert found.handlers == ("", "runc", "runsc")
    assert (found.runtime_class, found.labelled) == (None, ())
    assert found.node is not None
    assert found.node["metadata"]["name"] == "worker1"


def lines(*documents: Any) -> str:
    return "\n".join("" if each is None else json.dumps(each) for each in documents) + "\n"


CONFIG = {"current-context": "production", "clusters": [{"cluster": {"server": "https://10.0.0.10:6443"}}]}
LABELLED = {"items": [{"metadata": {"name": "worker1"}}, {"metadata": {"name": "worker2"}}]}


def test_what_does_not_exist_is_none() -> None:
    found = ClusterQuery(WANTED, "worker1").parse(answer(lines(CONFIG, None, None, LABELLED)))
    assert (found.node, found.runtime_class) == (None, None)
    assert found.labelled == ("worker1", "worker2")


@pytest.mark.parametrize("config", [{}, {"clusters": None, "current-context": ""}, {"clusters": []}])
def test_a_kubectl_that_needs_no_configuration_has_no_context(config: Any) -> None:
    found = ClusterQuery(WANTED, "worker1").parse(answer(lines(config, node(), None, {"items": []})))
    assert (found.context, found.server) == ("", "")


def test_a_kubectl_that_fails_is_quoted_with_what_to_try() -> None:
    wanted = settings(cluster=ClusterSettings(kubeconfig="/etc/a b.conf", context="production"))
    with pytest.raises(NodeprovError, match="cannot read the cluster: connection refused") as caught:
        ClusterQuery(wanted, "worker1").parse(answer("", 1, b"connection refused\n"))
    assert "kubectl --kubeconfig '/etc/a b.conf' --context production get nodes" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "handlers"),
    [
        ({}, None),
        ({"runtimeHandlers": []}, ()),
        ({"runtimeHandlers": [{"name": ""}, {"name": "runsc"}]}, ("", "runsc")),
        ({"runtimeHandlers": [{"features": {}}, {"name": "runsc"}]}, ("", "runsc")),
    ],
)
def test_the_handlers_that_a_kubelet_reports_are_read(
    status: dict[str, Any], handlers: tuple[str, ...] | None
) -> None:
    assert facts({"status": status}).handlers == handlers


def stub(folder: Any, body: str) -> Settings:
    """A kubectl that a shell script stands for."""
    program = folder / "kube-ctl"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return settings(cluster=ClusterSettings(kubectl=str(program)))


def test_four_answers_come_in_one_command_and_each_on_its_line(tmp_path: Any) -> None:
    body = """\
case "$*" in
"config view --minify -o json") printf '{\\n  "current-context": "c",\\n  "clusters": []\\n}\\n' ;;
"get node worker1 -o json --ignore-not-found") printf '{\\n "metadata": {"name": "worker1"}\\n}\\n' ;;
"get runtimeclass gvisor -o json --ignore-not-found") ;;
"get nodes -l nodeprov.node-restriction.kubernetes.io/gvisor=true -o json") printf '{"items": [\\n]}\\n' ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac"""
    found = read(LocalHost(), stub(tmp_path, body), "worker1")
    assert found == ClusterFacts("c", "", {"metadata": {"name": "worker1"}}, None, ())


def test_a_cluster_that_does_not_answer_is_waited_for_as_long_as_its_setting_says(tmp_path: Any) -> None:
    wanted, host = stub(tmp_path, "exec sleep 30"), LocalHost(timeout_seconds=1)
    late = re.escape("it did not end within 1 s and was ended (to wait longer: [cluster] timeout_seconds)")
    with pytest.raises(NodeprovError, match=f"cannot get node worker1: .*{late}"):
        kubectl(wanted.cluster).get_json(host, "node", "worker1")
    with pytest.raises(NodeprovError, match=f"cannot be read: {late}"):
        host.ask([ClusterQuery(wanted, "worker1")])


def test_kubectl_on_this_machine_is_as_patient_as_the_inventory_says() -> None:
    text = '[release]\nversion = "20260905.0"\n[nodes.w]\naddress = "10.0.0.1"\n[cluster]\ntimeout_seconds = 7\n'
    whole = parse(text, "nodes.toml")
    with Connections(whole, quietly) as connections:
        host = connections.of(whole.nodes[0])[Place.CLUSTER]
        assert getattr(host, "command_timeout_seconds", None) == 7


def test_a_command_that_fails_in_between_fails_all_of_them(tmp_path: Any) -> None:
    body = 'case "$*" in config*) echo "{}" ;; *) echo "forbidden" >&2; exit 1 ;; esac'
    with pytest.raises(NodeprovError, match="cannot read the cluster: forbidden"):
        LocalHost().ask([ClusterQuery(stub(tmp_path, body), "worker1")])


def test_kubectl_is_called_as_the_settings_say() -> None:
    assert kubectl(ClusterSettings()).line("get", "nodes") == "kubectl get nodes"
    every = ClusterSettings(kubectl="k3s kubectl", kubeconfig="/etc/k.conf", context="a b", host="master")
    assert kubectl(every).line("get") == "k3s kubectl --kubeconfig /etc/k.conf --context 'a b' get"


def test_a_tilde_is_the_home_of_who_runs_kubectl(tmp_path: Path) -> None:
    line = kubectl(ClusterSettings(kubectl="echo", kubeconfig="~/my kube/config")).line("get")
    output = run_program(["sh", "-c", line], environment={"HOME": str(tmp_path)})
    assert output.text == f"--kubeconfig {tmp_path}/my kube/config get\n"


def elsewhere(folder: Path, programs: Sequence[str], *files: str, **environment: str) -> Output:
    """Call kubectl as on a control-plane node that has these programs in PATH, and these files."""
    for name in programs:
        program = folder / name
        program.write_text('#!/bin/sh\necho "${0##*/} $* with ${KUBECONFIG-none}"; cat\n')
        program.chmod(0o755)
    for name in ("sh", "cat"):
        (folder / name).symlink_to(f"/bin/{name}")
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    kube = replace(
        kubectl(ClusterSettings(host="master")),
        kubeconfigs=tuple(str(folder / name) for name in ("admin", "k3s.yaml")),
    )
    environment = {"PATH": str(folder), "HOME": str(folder), "KUBECONFIG": "", **environment}
    return run_program(["/bin/sh", "-c", kube.line("get", "it's")], stdin=b"in", environment=environment)


@pytest.mark.parametrize(
    ("programs", "called"),
    [
        (("kubectl", "k3s"), "kubectl get it's"),
        (("k3s", "k0s"), "k3s kubectl get it's"),
        (("k0s", "microk8s"), "k0s kubectl get it's"),
        (("microk8s",), "microk8s kubectl get it's"),
    ],
)
def test_on_a_control_plane_node_the_distributions_kubectl_is_found(
    tmp_path: Path, programs: tuple[str, ...], called: str
) -> None:
    assert elsewhere(tmp_path, programs).text == f"{called} with \nin"


@pytest.mark.parametrize(
    ("files", "environment", "expected"),
    [
        ((), {}, ""),
        (("admin", "k3s.yaml"), {}, "/admin"),
        (("k3s.yaml", ".kube/config"), {}, "/k3s.yaml"),
        ((".kube/config",), {}, "/.kube/config"),
        (("admin", "mine"), {"KUBECONFIG": "mine"}, "/mine"),
        (("admin",), {"KUBECONFIG": "gone"}, "/admin"),
    ],
)
def test_on_a_control_plane_node_the_first_kubeconfig_that_is_there_is_taken(
    tmp_path: Path, files: tuple[str, ...], environment: dict[str, str], expected: str
) -> None:
    environment = {name: str(tmp_path / value) for name, value in environment.items()}
    wanted = f"{tmp_path}{expected}" if expected else ""
    output = elsewhere(tmp_path, ("kubectl",), *files, **environment)
    assert output.text == f"kubectl get it's with {wanted}\nin"


def test_a_list_of_kubeconfigs_in_the_environment_stays() -> None:
    script = kubectl(ClusterSettings(host="master", kubectl="printenv KUBECONFIG #")).line("get")
    assert run_program(["sh", "-c", script], environment={"KUBECONFIG": "/a:/b"}).text == "/a:/b\n"


def test_where_there_is_no_kubectl_that_is_said_with_the_ways_out(tmp_path: Path) -> None:
    output = elsewhere(tmp_path, ())
    with pytest.raises(NodeprovError, match="kubectl is not found, nor k3s") as caught:
        ClusterQuery(WANTED, "worker1").parse(output)
    assert "[cluster] host" in caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        'error: context "nope" does not exist',
        "error: current-context was not found for specified context: nope",
        "error: cannot locate context nope",
    ],
)
def test_a_wrong_context_says_how_to_see_the_right_ones(said: str) -> None:
    wanted = settings(cluster=ClusterSettings(context="nope"))
    with pytest.raises(NodeprovError) as caught:
        ClusterQuery(wanted, "worker1").parse(answer("", 1, said.encode()))
    assert caught.value.hint.startswith("see which there are: kubectl --context nope config get-contexts")


def test_hints_name_kubectl_as_a_person_types_it() -> None:
    assert (
        kubectl(ClusterSettings(host="master", context="c")).typed("get", "nodes")
        == "kubectl --context c get nodes"
    )


def test_only_the_fields_that_we_declare_are_compared() -> None:
    existing = class_json(
        labels={**MANAGED_BY, "team": "a"}, overhead={"podFixed": {"cpu": "50m"}}, scheduling={"nodeSelector": {}}
    )
    existing["metadata"]["annotations"] = {"x": "y"}
    assert declared_fields(existing).value == {
        "handler": "runsc",
        "overhead": {"podFixed": {"cpu": "50m"}},
        "scheduling": {"nodeSelector": {}},
        "labels": MANAGED_BY,
    }


def test_a_field_that_is_not_set_is_not_declared() -> None:
    bare = {"metadata": {"name": "gvisor"}, "handler": "runsc", "overhead": None}
    assert declared_fields(bare).value == {"handler": "runsc", "labels": {}}


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (
            WANTED,
            {
                "handler": "runsc",
                "overhead": {"podFixed": {"memory": "64Mi", "cpu": "50m"}},
                "scheduling": {"nodeSelector": {KEY: "true"}},
                "labels": MANAGED_BY,
            },
        ),
        (
            settings(
                runtime=RuntimeSettings(handler="runsc-kvm"),
                label=Label("example.com/kvm", "yes"),
                runtime_class=RuntimeClassSettings(
                    overhead={},
                    tolerations=({"key": "a", "operator": "Exists"},),
                    node_selector={"disk": "ssd"},
                ),
            ),
            {
                "handler": "runsc-kvm",
                "scheduling": {
                    "nodeSelector": {"example.com/kvm": "yes", "disk": "ssd"},
                    "tolerations": [{"key": "a", "operator": "Exists"}],
                },
                "labels": MANAGED_BY,
            },
        ),
    ],
    ids=["defaults", "everything-said"],
)
def test_the_runtime_class_is_what_the_settings_say(wanted: Settings, value: dict[str, Any]) -> None:
    assert wanted_runtime_class(wanted).value == value


def test_a_runtime_class_as_we_made_it_is_a_reached_goal() -> None:
    cluster = facts(node({KEY: "true"}), ours(), ("worker1",))
    assert decide(cluster_goals(WANTED, "worker1"), cluster_states(cluster, WANTED, "worker1")) == ()


def test_a_quantity_is_the_same_however_it_is_spelled() -> None:
    """The API server answers 50m for 0.05, and 1Gi for 1024Mi."""
    wanted = settings(runtime_class=RuntimeClassSettings(overhead={"cpu": "0.05", "memory": "1024Mi"}))
    shown = {**wanted_runtime_class(wanted).value, "overhead": {"podFixed": {"cpu": "50m", "memory": "1Gi"}}}
    cluster = facts(node({KEY: "true"}), class_json(**shown), ("worker1",))
    assert decide(cluster_goals(wanted, "worker1"), cluster_states(cluster, wanted, "worker1")) == ()


def test_what_is_empty_in_a_toleration_is_left_out_as_the_api_server_does() -> None:
    toleration = {"key": "a", "operator": "Exists", "value": "", "effect": ""}
    wanted = settings(runtime_class=RuntimeClassSettings(tolerations=(toleration,)))
    scheduling = wanted_runtime_class(wanted).value["scheduling"]
    assert scheduling["tolerations"] == [{"key": "a", "operator": "Exists"}]


def test_the_label_comes_before_the_runtime_class_that_sends_pods_to_it() -> None:
    goals = cluster_goals(WANTED, "worker1")
    assert [goal.resource.key for goal in goals] == [LABEL_KEY, CLASS_KEY]
    assert {goal.resource.place for goal in goals} == {Place.CLUSTER}
    assert [goal.resource.collected for goal in goals] == [False, False]
    assert [goal.resource.shared for goal in goals] == [False, True]
    changes = decide(goals, cluster_states(facts(), WANTED, "worker1"))
    assert [(change.before, change.after) for change in changes] == [
        (None, LabelState("true")),
        (None, wanted_runtime_class(WANTED)),
    ]


def test_a_runtime_class_that_was_there_gets_our_fields_and_not_our_mark() -> None:
    cluster = facts(existing=class_json(overhead={"podFixed": {"memory": "1Mi"}}))
    (_, change) = decide(cluster_goals(WANTED, "worker1"), cluster_states(cluster, WANTED, "worker1"))
    assert isinstance(change.after, ObjectState)
    assert change.after.value == {**wanted_runtime_class(WANTED).value, "labels": {}}


def test_another_value_of_the_label_is_replaced() -> None:
    cluster = facts(node({KEY: "false"}), ours())
    (change,) = decide(cluster_goals(WANTED, "worker1"), cluster_states(cluster, WANTED, "worker1"))
    assert (change.before, change.after) == (LabelState("false"), LabelState("true"))


def test_a_good_cluster_has_no_problem() -> None:
    assert check_cluster(facts(), good_facts(), WANTED) == ()
    assert check_cluster(facts(existing=ours()), good_facts(), WANTED) == ()
    assert check_cluster(facts(node(machine_id="")), good_facts(), WANTED) == ()
    assert check_cluster(facts(), good_facts(machine_id=""), WANTED) == ()


def test_a_node_that_the_cluster_does_not_have_is_a_problem() -> None:
    cluster = ClusterFacts("production", "https://10.0.0.10:6443", None, None, ())
    (problem,) = check_cluster(cluster, good_facts(), WANTED)
    assert problem.message == "the cluster https://10.0.0.10:6443 has no node worker1"
    assert problem.hint == "kubectl get nodes"


def test_another_machine_behind_the_nodes_name_is_a_problem() -> None:
    (problem,) = check_cluster(facts(node(machine_id="ffff")), good_facts(), WANTED)
    assert "is another machine (machine-id ffff)" in problem.message
    assert MACHINE_ID in problem.message


def test_a_runtime_class_of_another_handler_is_a_problem() -> None:
    (problem,) = check_cluster(facts(existing=class_json("kata")), good_facts(), WANTED)
    assert "RuntimeClass gvisor exists with the handler 'kata'" in problem.message
    assert "kubectl delete runtimeclass gvisor" in problem.hint


def test_problems_of_a_cluster_are_told_at_once() -> None:
    assert len(check_cluster(facts(node(machine_id="f"), class_json("kata")), good_facts(), WANTED)) == 2


MADE_BY_US: dict[str, State | None] = {LABEL_KEY: None, CLASS_KEY: None}
THEIRS = ObjectState.of({"handler": "runsc", "labels": {}})


def removed(
    cluster: ClusterFacts, before: Mapping[str, State | None], leaving: tuple[str, ...] = ()
) -> dict[str, State | None]:
    """What an uninstall of worker1 changes, by key."""
    goals = removal_goals(WANTED, "worker1", cluster, before, leaving)
    return {each.resource.key: each.after for each in decide(goals, cluster_states(cluster, WANTED, "worker1"))}


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


def test_a_label_is_written_and_taken_away_by_kubectl(tmp_path: Any) -> None:
    kube = kubectl(stub(tmp_path, f'echo "$*" >> {tmp_path}/calls').cluster)
    label = NodeLabel(kube, "worker1", KEY)
    label.write(LocalHost(), LabelState("true"))
    label.write(LocalHost(), None)
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"label node worker1 {KEY}=true --overwrite",
        f"label node worker1 {KEY}- --overwrite",
    ]


def written(folder: Any, live: Mapping[str, Any] | None, state: ObjectState) -> tuple[str, dict[str, Any]]:
    """Write a RuntimeClass over one that is there, or none; return kubectl's verb and what it was given."""
    (folder / "live").write_text(json.dumps(live) if live else "")
    body = f'case "$1" in get) cat {folder}/live ;; *) echo "$1" > {folder}/verb; cat > {folder}/stdin ;; esac'
    runtime_class.of(stub(folder, body), "worker1").write(LocalHost(), state)
    value: dict[str, Any] = json.loads((folder / "stdin").read_text())
    return (folder / "verb").read_text().strip(), value


def test_a_runtime_class_that_is_not_there_is_created_with_our_mark(tmp_path: Any) -> None:
    verb, value = written(tmp_path, None, wanted_runtime_class(WANTED))
    assert verb == "create"
    assert value == {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor", "labels": MANAGED_BY},
        "handler": "runsc",
        "overhead": {"podFixed": {"memory": "64Mi", "cpu": "50m"}},
        "scheduling": {"nodeSelector": {KEY: "true"}},
    }


def test_a_runtime_class_that_is_there_gets_our_fields_and_keeps_the_others(tmp_path: Any) -> None:
    live = class_json(labels={"team": "a"}, overhead={"podFixed": {"cpu": "1"}}, scheduling={"tolerations": []})
    live["metadata"] |= {"resourceVersion": "7", "annotations": {"x": "y"}}
    wanted = ObjectState.of({**wanted_runtime_class(WANTED).value, "labels": {}})
    verb, value = written(tmp_path, live, wanted)
    assert verb == "replace"
    assert value["metadata"] == live["metadata"]
    assert declared_fields(value) == wanted


def test_a_field_that_was_not_there_before_is_taken_out_again(tmp_path: Any) -> None:
    _, value = written(tmp_path, ours(), THEIRS)
    assert declared_fields(value) == THEIRS
    assert "overhead" not in value


def test_our_runtime_class_is_deleted(tmp_path: Any) -> None:
    wanted = stub(tmp_path, f'echo "$*" >> {tmp_path}/calls')
    runtime_class.of(wanted, "worker1").write(LocalHost(), None)
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"get nodes -l {KEY}=true -o name",
        "delete runtimeclass gvisor --ignore-not-found",
    ]


@pytest.mark.parametrize(
    ("labelled", "is_deleted"),
    [("", True), ("node/worker1\n", True), ("node/worker2\n", False), ("node/worker1\nnode/worker2\n", False)],
)
def test_a_runtime_class_that_another_node_came_to_need_is_not_deleted(
    tmp_path: Any, labelled: str, is_deleted: bool
) -> None:
    body = f"""echo "$1" >> {tmp_path}/calls; [ "$1" != get ] || printf '{labelled}'"""
    runtime_class.of(stub(tmp_path, body), "worker1").write(LocalHost(), None)
    assert (tmp_path / "calls").read_text().split() == ["get", *(["delete"] if is_deleted else [])]


def test_a_write_that_kubectl_refuses_says_what_was_being_done(tmp_path: Any) -> None:
    wanted = stub(tmp_path, "echo 'forbidden: no rights' >&2; exit 1")
    with pytest.raises(NodeprovError, match="cannot label worker1: exit status 1: forbidden: no rights"):
        NodeLabel(kubectl(wanted.cluster), "worker1", KEY).write(LocalHost(), LabelState("true"))
    with pytest.raises(NodeprovError, match="cannot delete RuntimeClass gvisor"):
        runtime_class.of(wanted, "worker1").write(LocalHost(), None)
    wanted = stub(tmp_path, "[ $1 = get ] || { echo 'the object has been modified' >&2; exit 1; }")
    with pytest.raises(NodeprovError, match="cannot create RuntimeClass gvisor: exit status 1: the object has"):
        runtime_class.of(wanted, "worker1").write(LocalHost(), wanted_runtime_class(WANTED))


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
