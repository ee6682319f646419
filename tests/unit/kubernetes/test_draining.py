"""Cordoning, and what becomes of it when an answer is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.draining import Drainer, SandboxedPodsQuery
from tests.support.samples import settings


def drainer(folder: Path, kubectl: str, *, cordoned: bool = False) -> Drainer:
    program = folder / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\n{kubectl}\n')
    program.chmod(0o755)
    wanted = settings(cluster=ClusterSettings(kubectl=str(program)))
    return Drainer(LocalHost(), wanted, "worker1", lambda _seconds: None, cordoned=cordoned)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_cordon_whose_answer_was_lost_is_taken_back(tmp_path: Path) -> None:
    drained = drainer(tmp_path, 'case "$*" in get*) echo "{}" ;; cordon*) exit 1 ;; esac')
    with pytest.raises(NodeprovError, match="cannot cordon worker1"):
        drained.drain(("default/web",))
    drained.uncordon()
    assert calls(tmp_path)[-1] == "uncordon worker1"


def test_what_somebody_else_has_cordoned_stays_so(tmp_path: Path) -> None:
    drained = drainer(tmp_path, """case "$*" in get*) echo '{"spec": {"unschedulable": true}}' ;; esac""")
    drained.drain(())
    drained.uncordon()
    assert not any("cordon" in call for call in calls(tmp_path))


def test_what_a_run_before_has_cordoned_is_uncordoned(tmp_path: Path) -> None:
    drainer(tmp_path, ":", cordoned=True).uncordon()
    assert calls(tmp_path) == ["uncordon worker1"]


def test_a_daemon_sets_pod_is_told_before_any_other_is_evicted() -> None:
    """It tolerates the cordon and comes back, so that all others would be evicted for nothing."""
    classes = {"items": [{"metadata": {"name": "gvisor"}, "handler": "runsc"}]}
    pods = {"items": [pod("web-1"), pod("agent-x", ownerReferences=[{"kind": "DaemonSet"}])]}
    output = Output(0, f"{json.dumps(classes)}\n{json.dumps(pods)}\n".encode(), b"")
    with pytest.raises(NodeprovError, match="they come back: prod/agent-x"):
        SandboxedPodsQuery(settings(), "worker1").parse(output)


def pod(name: str, **metadata: object) -> dict[str, object]:
    return {"metadata": {"namespace": "prod", "name": name, **metadata}, "spec": {"runtimeClassName": "gvisor"}}
