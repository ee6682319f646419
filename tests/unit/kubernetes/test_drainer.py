"""Acting on a cluster that is played: cordoning, waiting for pods, and evicting them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings, RolloutSettings
from nodeprov.kubernetes.drainer import Drainer
from tests.support.kubectl_answers import CLASSES, pod
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


def test_a_budget_that_forbids_it_for_too_long_is_named_with_its_pod(tmp_path: Path) -> None:
    web, slow = pod("web", runtime_class=""), pod("slow", runtime_class="")
    kubectl = f"""case "$*" in
        *runtimeclass*) echo '{json.dumps(CLASSES)}' ;;
        *web/eviction*) echo 'Error from server (TooManyRequests): Cannot evict pod' >&2; exit 1 ;;
        *pods*eviction*) ;;
        *pods*) echo '{json.dumps({"items": [web, slow]})}' ;;
        *) echo '{{}}' ;;
    esac"""
    drained = drainer(tmp_path, kubectl)
    drained.settings = replace(drained.settings, rollout=RolloutSettings(drain_timeout_seconds=0))
    with pytest.raises(NodeprovError) as stayed:
        drained.drain(("prod/web", "prod/slow"), whole=True)
    assert stayed.value.message == (
        "these pods do not leave: prod/web (its PodDisruptionBudget forbids it), prod/slow (ending)"
    )
    drained.uncordon()
    assert calls(tmp_path)[-1] == "uncordon worker1"


def played(folder: Path, *states: Sequence[dict[str, Any]]) -> str:
    """A kubectl that has other pods each time that it is asked, then the last ones; evicted ones go."""
    for number, pods in enumerate(states):
        (folder / f"pods.{number}").write_text(json.dumps({"items": list(pods)}) + "\n")
    return f"""cd {folder}
    case "$*" in
        *runtimeclass*) echo '{json.dumps(CLASSES)}' ;;
        *eviction*) : > evicted ;;
        *pods*)
            n=$(cat asked 2>/dev/null || echo 0); echo $((n + 1)) > asked
            [ "$n" -lt {len(states)} ] || n={len(states) - 1}
            if [ -e evicted ]; then echo '{{"items": []}}'; else cat pods.$n; fi ;;
        *) echo '{{}}' ;;
    esac"""


class TestWaiting:
    """Pods that are waited for until they end."""

    JOB: ClassVar[dict[str, Any]] = {"labels": {"app": "batch"}}

    def waited(self, folder: Path, *states: Sequence[dict[str, Any]], **settled: Any) -> tuple[Drainer, list[str]]:
        drained, told = drainer(folder, played(folder, *states)), list[str]()
        drained.settings = replace(drained.settings, rollout=RolloutSettings(wait_for="app=batch", **settled))
        drained.wait(told.append)
        return drained, told

    def test_it_ends_when_the_last_of_them_has_and_says_for_whom_it_waits(self, tmp_path: Path) -> None:
        first, second = (pod(name, owner="Job", metadata=self.JOB) for name in ("a", "b"))
        over = {**first, "status": {"phase": "Succeeded"}}
        others = [pod("web"), pod("agent", owner="DaemonSet", metadata=self.JOB)]
        drained, told = self.waited(tmp_path, [first, second, *others], [first, second], [over, second], [over])
        assert told == ["2 pods: prod/a, prod/b", "1 pod: prod/b"]
        drained.uncordon()
        assert [each for each in calls(tmp_path) if "cordon" in each] == ["cordon worker1", "uncordon worker1"]

    def test_without_such_pods_nothing_is_waited_for(self, tmp_path: Path) -> None:
        assert self.waited(tmp_path, [pod("web")])[1] == []

    def test_they_are_named_where_they_take_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(NodeprovError, match="have not ended within 0 s: prod/a") as late:
            self.waited(tmp_path, [pod("a", metadata=self.JOB)], wait_timeout_seconds=0)
        assert "wait_timeout_seconds" in late.value.hint
        assert not (tmp_path / "evicted").exists()

    def test_they_are_evicted_then_if_that_is_wanted(self, tmp_path: Path) -> None:
        self.waited(tmp_path, [pod("a", metadata=self.JOB)], wait_timeout_seconds=0, wait_then="evict")
        assert (tmp_path / "evicted").exists()

    def test_what_would_be_lost_by_that_is_refused(self, tmp_path: Path) -> None:
        bare = pod("a", owner="", metadata=self.JOB)
        with pytest.raises(NodeprovError, match="no controller makes these pods again: prod/a"):
            self.waited(tmp_path, [bare], wait_timeout_seconds=0, wait_then="evict")
        assert not (tmp_path / "evicted").exists()


def test_a_pod_that_came_between_the_plan_and_the_drain_of_a_whole_node_is_evicted(tmp_path: Path) -> None:
    drainer(tmp_path, played(tmp_path, [pod("late")])).drain((), whole=True)
    assert (tmp_path / "evicted").exists()


def test_a_pod_that_came_since_the_plan_is_evicted_only_as_the_plan_would(tmp_path: Path) -> None:
    answer = json.dumps({"items": [pod("late", owner="")]})
    kubectl = f"""case "$*" in
        *runtimeclass*) echo '{json.dumps(CLASSES)}' ;;
        *pods*) echo '{answer}' ;;
        *) echo '{{}}' ;;
    esac"""
    drained = drainer(tmp_path, kubectl)
    with pytest.raises(NodeprovError, match="no controller makes these pods again: prod/late"):
        drained.drain(("prod/web",))
    assert not any("pods/late/eviction" in call for call in calls(tmp_path))
