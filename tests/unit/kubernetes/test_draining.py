"""Cordoning, and what becomes of it when an answer is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings, RolloutSettings
from nodeprov.kubernetes.draining import (
    NOTHING_LOST,
    Allowed,
    Drainer,
    NodePod,
    NodePodsQuery,
    drain_problems,
    losses,
    movable,
    sandboxed,
)
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


CLASSES = {"items": [{"metadata": {"name": "gvisor"}, "handler": "runsc"}]}


def pod(name: str, *, runtime_class: str = "gvisor", owner: str = "ReplicaSet", **changes: Any) -> dict[str, Any]:
    """A pod as kubectl prints it; `changes` are of its metadata, spec and status."""
    owners = [{"kind": owner, "controller": True}] if owner else []
    value: dict[str, Any] = {
        "metadata": {"namespace": "prod", "name": name, "ownerReferences": owners, "annotations": {}},
        "spec": {"runtimeClassName": runtime_class},
        "status": {"phase": "Running"},
    }
    for part, more in changes.items():
        value[part] |= more
    return value


def understood(*pods: dict[str, Any], classes: dict[str, Any] = CLASSES) -> tuple[NodePod, ...]:
    lines = f"{json.dumps(classes)}\n{json.dumps({'items': list(pods)})}\n"
    return NodePodsQuery(settings(), "worker1").parse(Output(0, lines.encode(), b""))


def names(pods: Sequence[NodePod]) -> list[str]:
    return [each.name.removeprefix("prod/") for each in pods]


def refused(*pods: dict[str, Any], allowed: Allowed = NOTHING_LOST) -> list[Problem]:
    return list(drain_problems(understood(*pods), allowed, "worker1"))


EMPTY_DIR = {"volumes": [{"name": "cache", "emptyDir": {}}, {"name": "token", "projected": {}}]}


def test_a_pod_is_found_by_its_runtime_class_and_by_what_it_really_runs() -> None:
    pods = understood(
        pod("web"),
        pod("old", runtime_class="deleted"),
        pod("plain", runtime_class=""),
        pod("other", runtime_class="x"),
    )
    assert names(sandboxed(pods, ())) == ["web"]
    assert names(sandboxed(pods, ["prod/old", "prod/plain", "prod/gone"])) == ["web", "old", "plain"]


def test_pods_are_found_though_no_runtime_class_is_left() -> None:
    pods = understood(pod("web"), pod("plain", runtime_class=""), classes={"items": []})
    assert names(sandboxed(pods, ["prod/web"])) == ["web"]


def test_a_daemon_sets_pod_is_told_before_any_other_is_evicted() -> None:
    """It tolerates the cordon and comes back, so that all others would be evicted for nothing."""
    (problem,) = refused(pod("web-1"), pod("agent-x", owner="DaemonSet"))
    assert problem.message.endswith("they come back: prod/agent-x")
    assert refused(pod("agent-x", owner="DaemonSet", status={"phase": "Failed"})) == []


def test_a_static_pod_is_told_before_any_other_is_evicted() -> None:
    mirrored = {"annotations": {"kubernetes.io/config.mirror": "ab12"}}
    (problem,) = refused(pod("etcd", owner="Node", metadata=mirrored), allowed=Allowed(True, True))
    assert "static pods" in problem.message


LOST = {
    "a bare pod": (pod("web", owner=""), "no controller makes these pods again: prod/web", "--force"),
    "an owner that is no controller": (
        pod("web", owner="", metadata={"ownerReferences": [{"kind": "Group"}]}),
        "no controller makes these pods again: prod/web",
        "--force",
    ),
    "an emptyDir": (
        pod("web", spec=EMPTY_DIR),
        "these pods lose what is in their emptyDir volumes: prod/web",
        "--delete-emptydir-data",
    ),
}


@pytest.mark.parametrize(("value", "message", "option"), LOST.values(), ids=LOST.keys())
def test_what_kubectl_drain_asks_an_option_for_is_refused_without_it(
    value: dict[str, Any], message: str, option: str
) -> None:
    (problem,) = refused(pod("other"), value)
    assert problem.message == message
    assert problem.hint.endswith(f"nodeprov uninstall worker1 --drain {option}")
    assert refused(value, allowed=Allowed(True, True)) == []
    assert refused({**value, "status": {"phase": "Succeeded"}}) == [], "as with kubectl: it has ended"


def test_where_both_options_are_needed_each_hint_has_both() -> None:
    problems = refused(pod("web", owner="", spec=EMPTY_DIR))
    assert len(problems) == 2
    assert all(each.hint.endswith("--drain --force --delete-emptydir-data") for each in problems)
    (left,) = refused(pod("web", owner="", spec=EMPTY_DIR), allowed=Allowed(force=True))
    assert left.hint.endswith("--drain --force --delete-emptydir-data")


def test_what_is_lost_is_said_also_where_it_is_allowed() -> None:
    assert losses(understood(pod("web", owner="", spec=EMPTY_DIR), pod("other"))) == (
        "prod/web: no controller makes it again",
        "prod/web: what is in its emptyDir cache",
    )


class TestWholeNode:
    def test_all_leave_but_those_that_come_back_at_once_or_have_ended(self) -> None:
        pods = understood(
            pod("web"),
            pod("plain", runtime_class=""),
            pod("agent", owner="DaemonSet"),
            pod("etcd", owner="Node", metadata={"annotations": {"kubernetes.io/config.mirror": "ab12"}}),
            pod("job", status={"phase": "Succeeded"}),
        )
        assert names(movable(pods)) == ["web", "plain"]

    def test_what_would_be_lost_names_the_setting_that_allows_it(self) -> None:
        bare, data = drain_problems(
            understood(pod("web", owner="", spec=EMPTY_DIR)), NOTHING_LOST, "worker1", whole=True
        )
        allowing = "[rollout] drain_force = true and [rollout] drain_emptydir_data = true"
        assert bare.hint == f"delete them, or evict them all the same: {allowing}"
        assert data.hint == f"save what is needed, then: {allowing}"

    def test_a_budget_that_forbids_it_for_too_long_is_named_with_its_pod(self, tmp_path: Path) -> None:
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
