"""The pods in which a node is probed: what is asked in them, and what is read of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from nodeprov.inventory import ProofSettings
from nodeprov.kubernetes.images import PROBE
from nodeprov.kubernetes.trials.outside import QUESTIONS
from nodeprov.kubernetes.trials.probing import AT_ONCE
from nodeprov.workloads.catalogue import catalogue
from nodeprov.workloads.probe_pods import (
    Setting,
    Side,
    acts,
    answers,
    asked_outside,
    has_ended,
    manifests,
    questions,
    running_containers,
    shapes,
    started_at,
)

SETTING = Setting("probe-1", "worker1", "gvisor", "localhost/proof:1", "Never", PROBE, "/run/probe-1")


def pod(name: str, *containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    """Write a pod as kubectl shows it."""
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": each["name"]} for each in containers]},
        "status": {"phase": "Running", "containerStatuses": list(containers), **status},
    }


def ended(name: str, message: str, code: int = 0, reason: str = "Completed") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}


def test_each_question_is_asked_in_one_container_of_both_pods() -> None:
    asked = [
        each for name, shape in shapes().items() for one in shape["containers"] for each in questions(name, one)
    ]
    names = [each.partition("=")[0] for each in asked]
    assert sorted(names) == sorted(
        name for name, each in catalogue().items() if each.probe and not each.probe.outside
    )
    items = manifests(SETTING, shapes())
    commands = [word for item in items for one in item["spec"]["containers"] for word in one["command"]]
    for each in asked:
        times = 0 if each.startswith("debug-target=") else 2
        assert commands.count(each.replace("{mark}", "probe-1")) == times


def test_one_of_two_pods_is_sandboxed_and_both_are_within_limits() -> None:
    items = {item["metadata"]["name"]: item["spec"] for item in manifests(SETTING, shapes())}
    assert len(items) == 2 * len(shapes())
    for name, spec in items.items():
        assert spec.get("runtimeClassName") == ("gvisor" if name.endswith("-sandbox") else None)
        assert spec["activeDeadlineSeconds"] > 0
        for container in spec["containers"]:
            assert {*container["resources"]["limits"]} == {"cpu", "memory"}
            assert not {"before", "after", "only"} & {*container}
    assert "beside" not in [each["name"] for each in items["host-path-sandbox"]["containers"]]
    assert "{" not in str(items["host-path-runc"]["volumes"][0]["hostPath"]["path"])


def test_on_a_slow_node_all_may_take_as_many_times_longer() -> None:
    usual, slow = (manifests(replace(SETTING, patience=patience), ["plain"])[0] for patience in (1, 5))
    assert "env" not in usual["spec"]["containers"][0], "an older program is told nothing that it does not know"
    assert slow["spec"]["containers"][0]["env"] == [{"name": "NODEPROV_PATIENCE", "value": "5"}]
    assert slow["spec"]["activeDeadlineSeconds"] == 5 * usual["spec"]["activeDeadlineSeconds"]
    times = {120: 1, 30: 1, 600: 5, 700: 5}
    assert {each: ProofSettings(timeout_seconds=each).patience for each in times} == times


def test_the_pods_that_are_there_at_a_time_fit_on_a_node_of_one_processor() -> None:
    def requested(name: str) -> int:
        specs = [item["spec"] for item in manifests(SETTING, [name])]
        requests = [one["resources"]["requests"]["cpu"] for each in specs for one in each["containers"]]
        return sum(int(each.removesuffix("m")) for each in requests) + 50  # and the RuntimeClass's overhead

    assert sum(sorted(map(requested, shapes()))[-AT_ONCE:]) < 700, "the node has some of its own"


@pytest.mark.parametrize("reason", ["OutOfcpu", "OutOfmemory", "Evicted", "DeadlineExceeded", "Preempting"])
def test_a_pod_that_a_full_or_a_slow_node_ends_has_not_answered_and_is_not_refused(reason: str) -> None:
    """What says nothing of the sandbox is no finding about it."""
    rejected: dict[str, Any] = {
        "metadata": {"name": "host-network-sandbox"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Failed", "reason": reason, "message": "no room"},
    }
    assert answers([rejected], (), Side.SANDBOX) == {"host-network": "?no room"}
    ending = pod("host-network-sandbox", ended("main", "", 137, "Error"), phase="Failed", reason=reason)
    assert answers([ending], (), Side.SANDBOX) == {"host-network": f"?{reason}"}
    late = pod("host-network-sandbox", ended("main", "host-network\tabsent\n", 137), phase="Failed", reason=reason)
    assert answers([late], (), Side.SANDBOX) == {"host-network": "absent"}, "what it said before that counts"
    rejected["status"] |= {"reason": "SysctlForbidden", "message": "forbidden sysctl"}
    assert answers([rejected], (), Side.SANDBOX) == {"host-network": "refused: forbidden sysctl"}


def test_answers_are_read_from_what_the_program_leaves() -> None:
    pods = [
        pod("host-network-runc", ended("main", "host-network\tthere\n")),
        pod("host-network-sandbox", ended("main", "host-network\tabsent\n")),
    ]
    assert all(has_ended(each, (), {}) for each in pods)
    assert answers(pods, (), Side.RUNC) == {"host-network": "there"}
    assert answers(pods, (), Side.SANDBOX) == {"host-network": "absent"}


def test_a_program_that_a_question_ends_has_answered_by_how_it_ended() -> None:
    found = answers([pod("memory-sandbox", ended("main", "", 128, "OOMKilled"))], (), Side.SANDBOX)
    assert found == {"memory-of-all": "exit 128"}


def test_a_program_that_does_not_know_what_it_is_asked_has_not_answered() -> None:
    found = answers([pod("memory-runc", ended("main", "unknown: answer\n", 2, "Error"))], (), Side.RUNC)
    assert found == {"memory-of-all": "?the program cannot answer: unknown: answer"}


def test_a_container_that_does_not_start_is_refused() -> None:
    waiting = {"name": "main", "state": {"waiting": {"reason": "CreateContainerError", "message": "no recursion"}}}
    one = pod("recursive-sandbox", waiting, phase="Pending")
    assert has_ended(one, (), {})
    assert answers([one], (), Side.SANDBOX) == {"recursive-read-only": "refused: no recursion"}


def test_a_pod_without_a_sandbox_is_refused_by_its_events() -> None:
    one = pod("host-users-sandbox", {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}})
    assert not has_ended(one, (), {})
    assert answers([one], (), Side.SANDBOX) == {"host-users": "?the pod did not end"}
    said = {
        "reason": "FailedCreatePodSandBox",
        "message": "no user namespace",
        "involvedObject": {"name": "host-users-sandbox"},
    }
    assert has_ended(one, [said], {})
    assert answers([one], [said], Side.SANDBOX) == {"host-users": "refused: no user namespace"}


def test_a_pod_that_runs_is_asked_about_from_outside_and_a_container_is_added() -> None:
    running = {"name": "main", "state": {"running": {}}, "containerID": "containerd://12ab", "ready": True}
    one = pod("lasting-sandbox", running)
    asked = asked_outside(one) | asked_outside(pod("crowded-sandbox", running))
    assert asked == {
        name: each.probe.outside for name, each in catalogue().items() if each.probe and each.probe.outside
    }
    assert {*asked.values()} <= {*QUESTIONS}
    assert running_containers(one) == ["12ab"]
    assert asked_outside(pod("lasting-sandbox", running | {"ready": False})) == {}, "it does not listen yet"
    assert asked_outside(pod("lasting-sandbox", ended("main", ""))) == {}
    assert asked_outside(pod("memory-sandbox", running)) == {}
    (debug,) = acts(one, SETTING)
    assert debug[:2] == ["debug", "lasting-sandbox"]
    assert debug[-3:] == [PROBE, "answer", "debug-target=is /proc/1/comm probe"]
    (patch,) = acts(pod("resized-runc", running), SETTING)
    assert patch[:3] == ["patch", "pod", "resized-runc"]


def test_a_container_that_was_added_has_answered_and_a_pod_that_is_over_is_not_waited_for() -> None:
    debugger = ended("debugger", "debug-target\tno\n")
    one = pod("lasting-sandbox", ended("main", ""), ephemeralContainerStatuses=[debugger])
    assert answers([one], (), Side.SANDBOX) == {"debug-target": "no"}
    over = pod("lasting-sandbox", ended("main", ""), phase="Succeeded")
    assert answers([over], (), Side.SANDBOX) == {"debug-target": "?the pod did not end"}
    assert has_ended(over, (), {})


def test_a_pod_that_goes_on_is_waited_for_until_the_last_answer_about_it() -> None:
    running = {"name": "main", "state": {"running": {}}, "containerID": "containerd://12ab", "ready": True}
    one = pod("lasting-sandbox", running)
    known = dict.fromkeys(asked_outside(one), "some") | {"debug-target": "no"}
    assert has_ended(one, (), known)
    for late in known:
        assert not has_ended(one, (), {**known, late: "?kubelet's numbers cannot be read"})
        assert not has_ended(one, (), {name: said for name, said in known.items() if name != late})


def test_a_container_has_begun_for_sure_a_second_after_the_one_that_kubernetes_names() -> None:
    begun = [{"name": each, "state": {"running": {"startedAt": f"2026-11-29T02:00:0{each}Z"}}} for each in "12"]
    assert started_at(pod("lasting-runc", *begun)) == datetime(2026, 11, 29, 2, 0, 3, tzinfo=UTC).timestamp()
    assert started_at(pod("lasting-runc", ended("main", ""))) == 0


def test_where_a_helper_fails_no_answer_counts() -> None:
    one = pod("shared-runc", ended("main", "-\t?it did not come: /shared/ready\nshared-volume\tno\n"))
    assert answers([one], (), Side.RUNC) == {"shared-volume": "?it did not come: /shared/ready"}
