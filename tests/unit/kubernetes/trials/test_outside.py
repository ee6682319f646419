"""What is asked about a pod from outside: what kubelet says counts from when its containers run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nodeprov.hosts.base import Host, Output
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.trials.outside import Round, series_of_containers
from tests.support.samples import good_daemon

RUNS: dict[str, Any] = {
    "metadata": {"name": "lasting-runc"},
    "status": {
        "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": "2026-11-29T02:00:01Z"}}}],
    },
}
BEGAN = 1795917601
"""The same in seconds since 1970."""


def series(value: float, seconds: float, *, pod: str = "lasting-runc", container: str = "main") -> str:
    labels = f'container="{container}",id="/kubepods/x",namespace="probe-1",pod="{pod}"'
    return f"container_memory_working_set_bytes{{{labels}}} {value} {int((BEGAN + seconds) * 1000)}"


def told(*lines: str, namespace: str = "probe-1", patience: int = 1) -> str | None:
    return series_of_containers("\n".join(lines), namespace, RUNS, patience)


def test_what_was_measured_before_there_was_a_process_does_not_count() -> None:
    assert told(series(0, 0.5)) is None
    assert told(series(0, 0.5), series(1.5e06, 9)) == "some"
    assert told(series(0, 9)) == "none"


def test_the_pods_own_series_and_those_of_others_do_not_count() -> None:
    assert told(series(1, 9, container="")) is None
    assert told(series(1, 9, pod="lasting-sandbox")) is None
    assert told(series(1, 9), namespace="probe-11") is None


def test_containers_that_are_never_measured_are_absent_once_the_pod_was_measured_often_enough() -> None:
    """As those of a sandbox are with systemd's cgroup driver: seen with gVisor 20260905.0 and cgroup v2."""
    late = series(4.4e07, 31.5, container="")
    assert told(late) == "absent"
    assert told(late, patience=2) is None
    assert told(late, series(0, 31.5)) == "none"
    assert told(series(4.4e07, 31.5, container="", pod="lasting-sandbox")) is None


MEBIBYTE = 1 << 20


def look(whole: int, parts: int, *, measured: str = "2026-11-29T02:00:09Z", said: str = "") -> Round:
    """A look of which kubelet's numbers are known, on a node on which a command line is read."""
    memory = {"workingSetBytes": whole * MEBIBYTE, "time": measured}
    found = {"memory": memory, "containers": [{"memory": {"workingSetBytes": parts * MEBIBYTE}}]}
    node = SimpleNamespace(run=lambda _script: Output(0, said.encode(), b""))
    made = Round(Kubectl(), cast("Host", node), cast("Host", node), "worker1", "probe-1", good_daemon())
    made.__dict__ |= {"summary": {"lasting-runc": found}, "processes": {"12ab": "77"}}
    return made


def test_many_containers_are_told_by_what_is_measured_when_all_have_begun() -> None:
    assert look(7, 7).answer("crowd", RUNS) == "little"
    assert look(46, 22).answer("crowd", RUNS) == "little"
    assert look(71, 22).answer("crowd", RUNS) == "much"
    assert look(71, 22, measured="2026-11-29T02:00:01Z").answer("crowd", RUNS) is None


def test_what_a_quota_counts_of_a_pod_is_in_its_spec() -> None:
    assert look(1, 1).answer("counted", {**RUNS, "spec": {}}) == "its containers"
    assert look(1, 1).answer("counted", {**RUNS, "spec": {"overhead": {"memory": "64Mi"}}}) == "an overhead too"


def test_a_debug_log_is_told_by_what_writes_it() -> None:
    status = {"containerStatuses": [{"state": {"running": {}}, "containerID": "containerd://12ab"}]}
    pod = {**RUNS, "status": status}
    assert look(1, 1, said="/proc/self/exe\n--debug-log=/var/log/x/\nboot\n").answer("debug-log", pod) == "written"
    assert look(1, 1, said="/proc/self/exe\n--debug-log=\nboot\n").answer("debug-log", pod) == "none"
    assert look(1, 1).answer("debug-log", pod) is None, "it has ended"
