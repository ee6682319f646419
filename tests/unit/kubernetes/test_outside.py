"""What kubelet says of a pod counts from when its containers run."""

from __future__ import annotations

from typing import Any

from nodeprov.kubernetes.outside import memory_by_cadvisor

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


def memory(*lines: str, namespace: str = "probe-1") -> list[float]:
    return memory_by_cadvisor("\n".join(lines), namespace, RUNS)


def test_what_was_measured_before_there_was_a_process_does_not_count() -> None:
    assert memory(series(0, 0.5)) == []
    assert memory(series(0, 0.5), series(1.5e06, 9)) == [1500000]
    assert memory(series(0, 9)) == [0]


def test_the_pods_own_series_and_those_of_others_do_not_count() -> None:
    assert memory(series(1, 9, container="")) == []
    assert memory(series(1, 9, pod="lasting-sandbox")) == []
    assert memory(series(1, 9), namespace="probe-11") == []
