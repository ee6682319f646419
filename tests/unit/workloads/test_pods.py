"""Pods in manifests of every kind that makes them; and what is none."""

from __future__ import annotations

import json

import pytest

from nodeprov.errors import UsageError
from nodeprov.workloads.pods import Others, Workload, workloads

SPEC = "{containers: [{name: a}], hostPID: true}"
OF_A_KIND = {
    "Pod": f"spec: {SPEC}",
    "PodTemplate": f"template: {{spec: {SPEC}}}",
    "Deployment": f"spec: {{template: {{spec: {SPEC}}}}}",
    "StatefulSet": f"spec: {{template: {{spec: {SPEC}}}}}",
    "DaemonSet": f"spec: {{template: {{spec: {SPEC}}}}}",
    "ReplicationController": f"spec: {{template: {{spec: {SPEC}}}}}",
    "Job": f"spec: {{template: {{spec: {SPEC}}}}}",
    "CronJob": f"spec: {{jobTemplate: {{spec: {{template: {{spec: {SPEC}}}}}}}}}",
    "Rollout": f"spec: {{template: {{spec: {SPEC}}}}}",  # Argo's: any kind whose template has containers
}


def read(text: str) -> list[Workload | Others]:
    return [*workloads(text, "a.yaml")]


@pytest.mark.parametrize("kind", OF_A_KIND)
def test_the_pod_of_every_kind_is_found(kind: str) -> None:
    (found,) = read(f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: web}}\n{OF_A_KIND[kind]}\n")
    assert isinstance(found, Workload)
    assert (found.title, found.line) == (f"{kind} web", 1)
    host = found.spec.get("hostPID")
    assert host is not None
    assert host.is_true
    assert (host.line, host.path.endswith("spec.hostPID")) == (4, True)


def test_streams_lists_and_json_are_read() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "w-"}, "spec": {"containers": [{}]}}
    several = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, pod]})
    text = f"# nothing\n---\n---\n{several}\n---\napiVersion: v1\nkind: Service\nspec: {{}}\n"
    found = read(text)
    assert [each.kind for each in found] == ["Pod", "Pod", "Service"]
    assert isinstance(found[2], Others)
    assert found[2].line == 6


PARTS = f"""\
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {{name: train}}
spec:
  pytorchReplicaSpecs:
    Master: {{template: {{spec: {SPEC}}}}}
    Worker: {{template: {{spec: {SPEC}}}}}
"""
OF_OTHER_SHAPES = {
    "a map of parts": (PARTS, ["pytorchReplicaSpecs.Master", "pytorchReplicaSpecs.Worker"]),
    "a list of parts": (
        f"apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nspec: {{tasks: [{{template: {{spec: {SPEC}}}}}]}}",
        ["tasks[0]"],
    ),
    "jobs of parts": (
        f"apiVersion: jobset.x-k8s.io/v1alpha2\nkind: JobSet\nspec:\n"
        f"  replicatedJobs: [{{template: {{spec: {{template: {{spec: {SPEC}}}}}}}}}]",
        ["replicatedJobs[0].template.spec"],
    ),
    "another name": (
        f"apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nspec: {{podTemplate: {{spec: {SPEC}}}}}",
        [""],
    ),
    "the same one twice": (
        f"apiVersion: a/v1\nkind: Twins\nspec:\n  a: &a {{template: {{spec: {SPEC}}}}}\n  b: *a\n",
        ["a"],
    ),
}


@pytest.mark.parametrize("shape", OF_OTHER_SHAPES)
def test_the_pods_of_what_has_its_templates_elsewhere_are_found(shape: str) -> None:
    text, parts = OF_OTHER_SHAPES[shape]
    found = [each for each in read(text) if isinstance(each, Workload)]
    places = [each.spec.path.removesuffix(".spec").rpartition(".")[0].removeprefix("spec") for each in found]
    assert [each.removeprefix(".") for each in places] == parts
    assert all(each.spec.get("hostPID") for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "kind: Policy\nspec: {validate: {pattern: {spec: {containers: [{name: a}]}}}}",  # pods must fit it
        "kind: Prometheus\nspec: {containers: [{name: a}]}",  # patches of containers that the operator has
        "kind: VM\nspec: {template: {spec: {domain: {}}}}",
    ],
)
def test_what_only_looks_like_a_template_is_none(text: str) -> None:
    (found,) = read(f"apiVersion: a/v1\n{text}\n")
    assert isinstance(found, Others)


def test_members_of_a_list_of_one_kind_are_of_that_kind() -> None:
    """So an API server answers, and `kubectl cluster-info dump` writes; kubectl reads it so too."""
    pods = f"apiVersion: v1\nkind: PodList\nitems:\n- metadata: {{name: a}}\n  spec: {SPEC}\n"
    (found,) = read(pods)
    assert isinstance(found, Workload)
    assert (found.title, found.line, found.spec.path) == ("Pod a", 4, "items[0].spec")
    (found,) = read(pods.replace("apiVersion: v1\n", "apiVersion: apps/v1\n").replace("Pod", "Deployment"))
    assert isinstance(found, Others)  # a deployment has its containers elsewhere
    with pytest.raises(UsageError, match="it has no kind"):
        read(pods.replace("PodList", "List"))


def test_anchors_and_merged_keys_count() -> None:
    (found,) = read(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
        "spec:\n  containers:\n  - &a {name: a, tty: true, stdin: true}\n  - {<<: *a, name: b, tty: false}\n"
    )
    assert isinstance(found, Workload)
    a, b = found.containers
    assert [each.said("stdin") for each in (a, b)] == ["true", "true"]
    assert [each.said("name") for each in (a, b)] == ["a", "b"]
    tty = b.get("tty")
    assert tty is not None
    assert tty.is_false


def test_an_empty_dir_with_nothing_below_it_is_one() -> None:
    (found,) = read(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{}]\n  volumes:\n  - name: v\n    emptyDir:\n"
    )
    assert isinstance(found, Workload)
    assert [*found.volumes("emptyDir")] == ["v"]


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("a: [1]]", "a.yaml:1", "it is no YAML"),
        ("kind: Pod\n---\na: b: c", "a.yaml:1", "it has no apiVersion"),
        ("apiVersion: v1\nkind: Pod\nspec: {a: b: c}", "a.yaml:3", "it is no YAML"),
        ("apiVersion: v1\nspec: {}", "a.yaml:1", "it has no kind"),
        ("- a\n- b", "a.yaml:1", "it has no kind"),
        ("just words", "a.yaml:1", "it has no kind"),
        ("apiVersion: v1\nkind: List\nitems:\n- {kind: Pod}", "a.yaml:4", "it has no apiVersion"),
        ("a: *nobody", "a.yaml:1", "it is no YAML"),
        ("a: \x00", "a.yaml:1", "it is no YAML"),
    ],
)
def test_what_is_none_is_refused_with_its_line(text: str, where: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert caught.value.where == where
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("spec", "line", "said"),
    [
        ("", 1, "the pod has no containers"),
        ("  containers: []", 1, "the pod has no containers"),
        ("  containers:\n    name: a", 6, "spec.containers must be a list"),
        ("  containers: web", 5, "spec.containers must be a list"),
        ("  containers:\n  - web", 6, "spec.containers[0] must be a map"),
        ("  containers: [{name: a}]\n  hostNetwork: 'true'", 6, "spec.hostNetwork must be true or false"),
        ("  containers: [{name: a}]\n  volumes: {a: b}", 6, "spec.volumes must be a list"),
        ("  containers: [{name: a, securityContext: [1]}]", 5, "spec.containers[0].securityContext must be a map"),
        ("  containers: [{name: a, args: -v}]", 5, "spec.containers[0].args must be a list"),
        ("  containers: [{name: a, tty: {{ .Values.tty }}}]", 5, "spec.containers[0].tty must be true or false"),
        ("  containers: [{}]\n  securityContext: {sysctls: [a]}", 6, "sysctls[0] must be a map"),
    ],
)
def test_a_field_of_another_type_is_refused_as_the_api_server_does(spec: str, line: int, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n{spec}\n")
    assert caught.value.where == f"a.yaml:{line}"
    assert said in caught.value.message
    assert caught.value.hint


def test_null_is_as_good_as_absent() -> None:
    (found,) = read(
        "apiVersion: v1\nkind: Pod\nmetadata: null\nspec:\n  containers: [{tty: , args: null}]\n"
        "  volumes:\n  hostPID: ~\n  securityContext:\n  initContainers: null\n"
    )
    assert isinstance(found, Workload)


def test_kinds_of_others_may_have_anything_where_a_pod_would_be() -> None:
    for spec in (
        "words",
        "[1]",
        "{template: words}",
        "{template: {spec: [1]}}",
        "{template: {spec: {containers: }}}",
    ):
        (found,) = read(f"apiVersion: acme.example/v1\nkind: Thing\nspec: {spec}\n")
        assert isinstance(found, Others)
