"""Which pods leave a node, and what that would mean for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import Problem
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings, RolloutSettings, Settings
from nodeprov.kubernetes.draining import (
    NOTHING_LOST,
    Allowed,
    NodePod,
    NodePodsQuery,
    drain_problems,
    losses,
    movable,
    read_leaving,
    read_leaving_sandboxed,
    sandboxed,
)
from tests.support.kubectl_answers import CLASSES, pod
from tests.support.samples import settings


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


BATCH = {"labels": {"app": "batch"}}


def having(folder: Path, *pods: dict[str, Any], **settled: Any) -> Settings:
    """Settings with a kubectl that knows of these pods, and that choose those to be waited for."""
    program = folder / "kubectl"
    program.write_text(
        f"""#!/bin/sh
case "$*" in
    *runtimeclass*) echo '{json.dumps(CLASSES)}' ;;
    *) echo '{json.dumps({"items": list(pods)})}' ;;
esac
"""
    )
    program.chmod(0o755)
    rollout = RolloutSettings(wait_for="app in (batch, x)", **settled)
    return settings(rollout=rollout, cluster=ClusterSettings(kubectl=str(program)))


@pytest.mark.parametrize(
    ("settled", "pods", "problems"),
    [({"drain": True}, ("prod/web",), 0), ({}, (), 0), ({"wait_then": "evict"}, (), 1)],
)
def test_pods_that_are_waited_for_are_not_among_those_that_leave(
    tmp_path: Path, settled: dict[str, Any], pods: tuple[str, ...], problems: int
) -> None:
    """Something is lost with them only where they may be evicted after all."""
    wanted = having(tmp_path, pod("web"), pod("a", owner="", metadata=BATCH), **settled)
    leaving = read_leaving(LocalHost(), wanted, "worker1")
    assert (leaving.pods, leaving.awaited, len(leaving.problems)) == (pods, ("prod/a",), problems)


@pytest.mark.parametrize(("then", "problems"), [("fail", 0), ("evict", 1)])
def test_of_sandboxed_pods_too_some_are_waited_for(tmp_path: Path, then: str, problems: int) -> None:
    web, job = pod("web", runtime_class=""), pod("a", owner="", metadata=BATCH)
    wanted = having(tmp_path, web, job, pod("plain", runtime_class=""), wait_then=then)
    leaving = read_leaving_sandboxed(LocalHost(), wanted, "worker1", ["prod/web"], NOTHING_LOST)
    assert (leaving.pods, leaving.awaited, len(leaving.problems)) == (("prod/web",), ("prod/a",), problems)
