"""The rules of docs/monitoring against kubelet's real endpoints: what a sandboxed pod has, and one beside it."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.machines import CLASS, IMAGE, NAMESPACE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed
from tests.support.metrics import Series, chosen, rules, selectors, series
from tests.support.sampling import by_turns

MEBIBYTE = 1 << 20
LIMIT, OVERHEAD = 96, 64
FILLED = 20
CADVISOR, RESOURCE, KUBELET = "metrics/cadvisor", "metrics/resource", "metrics"


@by_turns
def test_the_rules_read_what_kubelet_gives_for_a_sandboxed_pod(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    fills = f"dd if=/dev/zero of=/dev/shm/f bs=1M count={FILLED}; while true; do true; done"
    for name, sandboxed in (("metered", True), ("plain", False)):
        _begin(kubectl, name, fills, sandboxed=sandboxed)
    _begin(kubectl, "eater", f"dd if=/dev/zero of=/dev/shm/f bs=1M count={LIMIT + 2 * OVERHEAD}", sandboxed=True)
    used = _cgroup_bytes(worker, kubectl, "metered")

    memory = _of_rule(
        kubectl, "namespace_pod:sandboxed_memory_working_set:bytes", CADVISOR, "metered", at_least=used * 0.8
    )
    assert used * 0.8 < memory < used * 1.2
    assert memory > (FILLED + 10) * MEBIBYTE  # the program's, and the sandbox's besides
    limit = _of_rule(kubectl, "namespace_pod:sandboxed_memory_limit:bytes", CADVISOR, "metered")
    assert limit == (LIMIT + OVERHEAD) * MEBIBYTE
    assert _of_rule(kubectl, "namespace_pod:sandboxed_cpu_usage:rate5m", CADVISOR, "metered", at_least=1) > 1
    assert _of_rule(kubectl, "SandboxesStartSlowly", KUBELET, "") >= 2

    _says_what_the_page_says(kubectl)
    _is_killed_with_128(kubectl)


def _says_what_the_page_says(kubectl: Kubectl) -> None:
    """See the rest of the page's table: what dashboards that are made for runc would read."""
    names = ("container_memory_working_set_bytes", "container_cpu_usage_seconds_total")
    with eventually(60) as more:  # cAdvisor looks at each cgroup in turn
        while True:
            cadvisor = _endpoint(kubectl, CADVISOR)
            memory, cpu = (_of_containers(cadvisor, name) for name in names)
            if memory.get("plain", 0) > FILLED * MEBIBYTE and cpu.get("plain"):
                break
            assert more(), (memory, cpu)
    assert memory["metered"] == 0
    assert "metered" not in cpu
    resource = {(each.name, each.labels.get("pod")): each.value for each in _endpoint(kubectl, RESOURCE)}
    program = resource["container_memory_working_set_bytes", "metered"]
    assert 0 < program + 10 * MEBIBYTE < resource["pod_memory_working_set_bytes", "metered"]
    assert resource["pod_cpu_usage_seconds_total", "metered"] > 0
    summary = json.loads(_raw(kubectl, "stats/summary"))
    pods = {pod["podRef"]["name"]: pod for pod in summary["pods"] if pod["podRef"]["namespace"] == NAMESPACE}
    (container,) = pods["metered"]["containers"]
    assert container["memory"]["availableBytes"] > 1 << 63
    assert container["memory"]["rssBytes"] == 0
    assert pods["metered"]["memory"]["workingSetBytes"] > (FILLED + 10) * MEBIBYTE


def _of_containers(given: list[Series], name: str) -> dict[str, float]:
    """Return the values of containers by their pods, as dashboards ask for them."""
    (selector,) = selectors(f'{name}{{container!="", namespace="{NAMESPACE}"}}')
    return {each.labels["pod"]: each.value for each in chosen(selector, given)}


def _is_killed_with_128(kubectl: Kubectl) -> None:
    """See what kube-state-metrics makes `last_terminated` of, for SandboxKilledForMemory."""
    with eventually(60) as more:
        while not (last := kubectl.container("eater")["lastState"].get("terminated", {})):
            assert more(), kubectl("get", "pod", "eater", "-o", "yaml")
    assert (last["exitCode"], last["reason"]) == (128, "OOMKilled")
    assert kubectl.container("eater")["restartCount"] >= 1


def _of_rule(kubectl: Kubectl, rule: str, endpoint: str, pod: str, *, at_least: float = 0) -> float:
    """Return the largest of the values that a rule's first selector of kubelet's series finds for a pod."""
    (selector, *_) = (
        each for each in selectors(rules()[rule]["expr"]) if not each.name.startswith("namespace_pod")
    )
    with eventually(90) as more:
        while True:
            found = [each for each in chosen(selector, _endpoint(kubectl, endpoint)) if _is_of(each, pod)]
            if found and max(each.value for each in found) >= at_least:
                break
            assert more(), (rule, found)
    assert not pod or len(found) == 1, found
    return max(each.value for each in found)


def _is_of(one: Series, pod: str) -> bool:
    return not pod or (one.labels.get("namespace"), one.labels.get("pod")) == (NAMESPACE, pod)


def _endpoint(kubectl: Kubectl, path: str) -> list[Series]:
    return series(_raw(kubectl, path))


def _raw(kubectl: Kubectl, path: str) -> str:
    return kubectl("get", "--raw", f"/api/v1/nodes/{WORKER}/proxy/{path}")


def _cgroup_bytes(worker: Machine, kubectl: Kubectl, name: str) -> int:
    uid = kubectl.json("get", "pod", name)["metadata"]["uid"]
    folder = worker.run(f"find /sys/fs/cgroup/memory -type d -name 'pod{uid}'").strip()
    with eventually(30) as more:
        while (used := int(worker.run(f"cat {folder}/memory.usage_in_bytes"))) < FILLED * MEBIBYTE:
            assert more(), used
    return used


def _begin(kubectl: Kubectl, name: str, command: str, *, sandboxed: bool) -> None:
    limits = {"memory": f"{LIMIT}Mi", "cpu": "200m"}
    container: dict[str, Any] = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", command],
        "resources": {"limits": limits, "requests": {"memory": "16Mi", "cpu": "10m"}},
    }
    spec = {"nodeName": WORKER, "terminationGracePeriodSeconds": 0, "containers": [container]}
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"made-by": "tests"}},
        "spec": {**spec, **({"runtimeClassName": CLASS} if sandboxed else {})},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(value))
    kubectl("wait", "--for=jsonpath={.status.phase}=Running", f"pod/{name}", "--timeout=90s")
