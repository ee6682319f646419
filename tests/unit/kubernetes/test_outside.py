"""What kubelet says of a pod counts from when its containers run."""

from __future__ import annotations

from typing import Any

from nodeprov.kubernetes.outside import series_of_containers

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
