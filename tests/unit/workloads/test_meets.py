"""What of the catalogue a manifest meets: for each behaviour a pod that does, and one like it that does not."""

from __future__ import annotations

import textwrap

import pytest

from nodeprov.workloads.catalogue import By, Effect, catalogue
from nodeprov.workloads.meets import known, met
from nodeprov.workloads.pods import Workload, workloads

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec:\n"
ONE = "  containers: [{name: a}]\n"
MEMORY = "resources: {limits: {memory: 64Mi}}"


def found(spec: str) -> dict[str, list[str]]:
    """Return the fields of a pod by what they meet; its first line is the fifth of the manifest."""
    (pod,) = workloads(POD + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  "), "pod.yaml")
    assert isinstance(pod, Workload)
    paths: dict[str, list[str]] = {}
    for each in met(pod):
        paths.setdefault(each.behaviour.id, []).append(each.path)
    return paths


def with_container(fields: str, *more: str) -> str:
    return f"containers: [{{name: a, {fields}}}]\n" + "\n".join(more)


def two_with(fields: str, *more: str) -> str:
    return f"containers: [{{name: a, {fields}}}, {{name: b, {fields}}}]\n" + "\n".join(more)


MOUNTED = "volumeMounts: [{name: v, mountPath: /v%s}]"
MEETING = {
    "host-users": ("containers: [{name: a}]\nhostUsers: false", "spec.hostUsers"),
    "mount-bidirectional": (
        with_container(MOUNTED % ", mountPropagation: Bidirectional"),
        "spec.containers[0].volumeMounts[0].mountPropagation",
    ),
    "recursive-read-only": (
        with_container(MOUNTED % ", readOnly: true, recursiveReadOnly: Enabled"),
        "spec.containers[0].volumeMounts[0].recursiveReadOnly",
    ),
    "service-mesh-init": (
        "initContainers: [{name: redirect, command: [sh, -c, iptables -t nat -L]}]\ncontainers: [{name: a}]",
        "spec.initContainers[0]",
    ),
    "raw-sockets": (
        with_container("securityContext: {capabilities: {add: [NET_ADMIN, NET_RAW]}}"),
        "spec.containers[0].securityContext.capabilities.add[1]",
    ),
    "host-path-socket": (
        with_container(MOUNTED % "", "volumes: [{name: v, hostPath: {path: /run/a.sock}}]"),
        "spec.volumes[0].hostPath",
    ),
    "host-network": ("containers: [{name: a}]\nhostNetwork: true", "spec.hostNetwork"),
    "host-pid": ("containers: [{name: a}]\nhostPID: yes", "spec.hostPID"),
    "host-ipc": ("containers: [{name: a}]\nhostIPC: true", "spec.hostIPC"),
    "shared-volume": (two_with(MOUNTED % "", "volumes: [{name: v, emptyDir: {}}]"), "spec.volumes[0].emptyDir"),
    "sysctls": (
        "containers: [{name: a}]\nsecurityContext: {sysctls: [{name: net.ipv4.tcp_keepalive_time, value: '77'}]}",
        "spec.securityContext.sysctls[0]",
    ),
    "resize": (
        with_container("resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]"),
        "spec.containers[0].resizePolicy[0]",
    ),
    "limits-inside": (with_container(MEMORY), "spec.containers[0].resources.limits.memory"),
    "memory-of-all": (two_with(MEMORY), "spec.containers[0].resources.limits.memory"),
    "seccomp": (
        "containers: [{name: a}]\nsecurityContext: {seccompProfile: {type: RuntimeDefault}}",
        "spec.securityContext.seccompProfile",
    ),
    "setuid": (
        with_container("securityContext: {allowPrivilegeEscalation: true}"),
        "spec.containers[0].securityContext.allowPrivilegeEscalation",
    ),
    "host-path": (
        with_container(MOUNTED % "", "volumes: [{name: v, hostPath: {path: /var/log}}]"),
        "spec.volumes[0].hostPath",
    ),
    "watched-config": (
        with_container(MOUNTED % "", "volumes: [{name: v, configMap: {name: c}}]"),
        "spec.volumes[0].configMap",
    ),
    "temporary-files": (
        with_container("resources: {limits: {ephemeral-storage: 1Gi}}"),
        "spec.containers[0].resources.limits.ephemeral-storage",
    ),
    "read-only-root": (
        with_container("securityContext: {readOnlyRootFilesystem: true}"),
        "spec.containers[0].securityContext.readOnlyRootFilesystem",
    ),
    "terminal": (with_container("tty: true"), "spec.containers[0].tty"),
    "many-containers": (
        "containers: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}]\n"
        "initContainers: [{name: g, restartPolicy: Always}]",
        "spec.containers",
    ),
}
NOT_MEETING = {
    "host-users": "containers: [{name: a}]\nhostUsers: true",
    "mount-bidirectional": with_container(MOUNTED % ", mountPropagation: HostToContainer"),
    "recursive-read-only": with_container(MOUNTED % ", readOnly: true, recursiveReadOnly: IfPossible"),
    "service-mesh-init": "initContainers: [{name: wait, command: [sh, -c, sleep 1]}]\ncontainers: [{name: a}]",
    "raw-sockets": with_container("securityContext: {capabilities: {drop: [NET_RAW], add: [NET_ADMIN]}}"),
    "host-path-socket": with_container(MOUNTED % "", "volumes: [{name: v, hostPath: {path: /var/log}}]"),
    "host-network": "containers: [{name: a}]\nhostNetwork: false",
    "host-pid": "containers: [{name: a}]\nhostPID: false",
    "host-ipc": "containers: [{name: a}]\nhostIPC:",
    "shared-volume": (
        f"initContainers: [{{name: i, {MOUNTED % ''}}}]\n"
        f"containers: [{{name: a, {MOUNTED % ''}}}, {{name: b}}]\nvolumes: [{{name: v, emptyDir: {{}}}}]"
    ),
    "sysctls": "containers: [{name: a}]\nsecurityContext: {sysctls: []}",
    "resize": "initContainers: [{name: i, resizePolicy: [{resourceName: cpu}]}]\ncontainers: [{name: a}]",
    "limits-inside": with_container("resources: {requests: {memory: 64Mi}}"),
    "memory-of-all": f"initContainers: [{{name: i, {MEMORY}}}]\ncontainers: [{{name: a, {MEMORY}}}]",
    "seccomp": with_container(
        "securityContext: {seccompProfile: {type: Unconfined}}",
        "securityContext: {seccompProfile: {type: RuntimeDefault}}",
    ),
    "setuid": with_container("securityContext: {allowPrivilegeEscalation: false}"),
    "host-path": "containers: [{name: a}]\nvolumes: [{name: v, hostPath: {path: /var/log}}]",
    "watched-config": with_container(MOUNTED % ", subPath: a", "volumes: [{name: v, configMap: {name: c}}]"),
    "temporary-files": with_container(
        "resources: {limits: {ephemeral-storage: 1Gi}}, volumeMounts: [{name: t, mountPath: /tmp/}]"
    ),
    "read-only-root": with_container(
        "securityContext: {readOnlyRootFilesystem: true}, volumeMounts: [{name: t, mountPath: /tmp}]"
    ),
    "terminal": with_container("stdin: true, tty: false"),
    "many-containers": (
        "containers: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}]\n"
        "initContainers: [{name: g}]"
    ),
}


def test_all_of_the_catalogue_is_looked_for_and_tried_here() -> None:
    of_manifests = {name for name, each in catalogue().items() if each.by is By.MANIFEST}
    assert known() == of_manifests == {*MEETING} == {*NOT_MEETING}
    assert len(catalogue()) >= 60


@pytest.mark.parametrize("name", MEETING)
def test_a_pod_that_asks_for_it_meets_it(name: str) -> None:
    spec, path = MEETING[name]
    assert found(spec).get(name, ["nothing"])[0] == path


@pytest.mark.parametrize("name", NOT_MEETING)
def test_one_like_it_does_not(name: str) -> None:
    assert name not in found(NOT_MEETING[name])


@pytest.mark.parametrize(
    ("capabilities", "field"),
    [
        ("add: [ALL]", "add[0]"),
        ("add: [all]", "add[0]"),
        ("add: [sys_time, net_raw]", "add[1]"),
        ("add: [CAP_NET_RAW]", "add[0]"),
        ("drop: [ALL], add: [NET_RAW]", "add[0]"),
        ("drop: [all], add: [ALL]", ""),
        ("drop: [net_raw], add: [ALL]", ""),
        ("drop: [NET_RAW], add: [NET_RAW]", ""),
        ("drop: , add: ", ""),
    ],
)
def test_capabilities_are_added_as_containerd_adds_them(capabilities: str, field: str) -> None:
    paths = found(with_container(f"securityContext: {{capabilities: {{{capabilities}}}}}")).get(
        "raw-sockets", [""]
    )
    assert [each.rpartition("capabilities.")[2] for each in paths] == [field]


@pytest.mark.parametrize(
    "words",
    [
        "args: [istio-iptables, -p, '15001']",
        "command: [/usr/local/bin/pilot-agent], args: [istio-iptables, -p, '15001']",
        "command: [sh, -c, ip6tables-restore < /etc/rules]",
        "command: [nsenter, -n, --, iptables-legacy, -F]",
    ],
)
def test_who_calls_iptables_sets_it_up(words: str) -> None:
    assert "service-mesh-init" in found(f"initContainers: [{{name: i, {words}}}]\n{ONE}".replace("\n  ", "\n"))


@pytest.mark.parametrize(
    "words",
    [
        "args: [dockerd, --iptables=false, --ip6tables=false]",
        "command: [sh, -c, echo /etc/iptables.rules is not used here]",
        "args: [istio-iptables, -p, '15001', --run-validation, --skip-rule-apply]",  # Istio with its CNI plugin
    ],
)
def test_who_only_names_iptables_does_not(words: str) -> None:
    assert "service-mesh-init" not in found(f"initContainers: [{{name: i, {words}}}]\n{ONE}".replace("\n  ", "\n"))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (two_with(MOUNTED % "", "volumes: [{name: v}]"), "spec.volumes[0]"),
        (two_with(MOUNTED % "", "volumes: [{name: v, hostPath: null}]"), "spec.volumes[0]"),
        (two_with(MOUNTED % "", "volumes: [{name: v, hostPath: , emptyDir: {}}]"), "spec.volumes[0].emptyDir"),
        (two_with(MOUNTED % "", "volumes: [{name: v, emptyDir: }]"), "spec.volumes[0].emptyDir"),
    ],
)
def test_a_volume_of_nothing_is_an_empty_dir(spec: str, field: str) -> None:
    assert found(spec) == {"shared-volume": [field]}


@pytest.mark.parametrize(
    ("volume", "mount", "meets"),
    [
        ("persistentVolumeClaim: {claimName: x}, configMap: null, emptyDir: null", "", []),
        ("configMap: {name: c}", ", subPath: ''", ["watched-config"]),
        ("configMap: {name: c}", ", subPath: null, subPathExpr: ''", ["watched-config"]),
        ("configMap: {name: c}", ", subPathExpr: $(A)", []),
        ("hostPath: {path: /var/log, type: null}", ", mountPropagation: , recursiveReadOnly: ''", ["host-path"]),
    ],
)
def test_null_and_empty_are_as_good_as_absent(volume: str, mount: str, meets: list[str]) -> None:
    assert [*found(with_container(MOUNTED % mount, f"volumes: [{{name: v, {volume}}}]"))] == meets


def test_empty_fields_lead_to_nothing() -> None:
    fields = (
        "command: , args: [], tty: null, resizePolicy: , volumeMounts: , resources: {limits: {memory: , cpu: }}, "
        "securityContext: {capabilities: {add: , drop: []}, seccompProfile: , readOnlyRootFilesystem: null}"
    )
    more = "securityContext: {sysctls: , seccompProfile: null}\nhostUsers: \nhostNetwork: null\nvolumes: []"
    assert found(with_container(fields, f"initContainers: [{{name: i, restartPolicy: , {fields}}}]\n{more}")) == {}


def test_a_plain_pod_meets_nothing() -> None:
    assert found(ONE) == {}


def test_the_worst_comes_first_and_then_the_lines() -> None:
    (pod,) = workloads(
        POD + "  hostNetwork: true\n  hostUsers: false\n  hostPID: true\n  containers: [{name: a}]\n", "pod.yaml"
    )
    assert isinstance(pod, Workload)
    said = [(each.behaviour.id, each.line) for each in met(pod)]
    assert said == [("host-users", 6), ("host-network", 5), ("host-pid", 7)]


def test_each_behaviour_says_what_happens_and_what_to_do() -> None:
    for each in catalogue().values():
        assert isinstance(each.effect, Effect)
        assert all((each.title, each.field, each.runc, each.sandbox, each.cure))
        assert not any(text.endswith(".") for text in (each.title, each.field, each.runc, each.sandbox, each.cure))
