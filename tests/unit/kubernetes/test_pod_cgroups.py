"""Whose limit it was that had a process killed, by the kernel's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.hosts.local import LocalHost
from nodeprov.kubernetes.pod_cgroups import PodKillsQuery, is_pods_own

UID = "0b7d6a3c-2f43-4e0e-9a52-8f1b1b0c7d11"
SLICE = f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice"
SCOPE = f"{SLICE}/cri-containerd-4f1c.scope"
OTHERS = "/kubepods.slice/kubepods-pod11111111_2222_3333_4444_555555555555.slice"
KILLED = (
    "[ 12.3] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,"
    "oom_memcg={limit},task_memcg={task},task=exe,pid=7,uid=0"
)


@pytest.mark.parametrize(
    ("limit", "task", "told"),
    [
        (SLICE, SCOPE, True),
        (SCOPE, SCOPE, False),
        ("/kubepods.slice", SCOPE, False),
        (f"/kubepods/pod{UID}", f"/kubepods/pod{UID}/4f1c", True),
        (OTHERS, f"{OTHERS}/cri-containerd-77.scope", False),
    ],
)
def test_it_is_a_pods_own_limit_only_when_the_kernel_names_the_pods_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, task: str, *, told: bool
) -> None:
    (tmp_path / "log").write_text(f"[ 1.0] eth0: up\n{KILLED.format(limit=limit, task=task)}\n")
    (tmp_path / "dmesg").write_text(f"#!/bin/sh\ncat {tmp_path}/log\n")
    (tmp_path / "dmesg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (killers,) = LocalHost().ask([PodKillsQuery(UID)])
    assert any(is_pods_own(path, UID) for path in killers) is told
