"""Objects of the API, as far as the dispatcher looks at them."""

from __future__ import annotations

from nodeprov.dispatch.views import NodeView, PodView
from tests.support.dispatching import last, node, pod


def test_a_node_is_read() -> None:
    value = {
        "metadata": {
            "name": "n1",
            "uid": "uid-n1",
            "resourceVersion": "1",
            "labels": {"pool": "sandboxes"},
            "annotations": {"nodeprov.io/last": last().text()},
        },
        "spec": {"unschedulable": True},
        "status": {
            "nodeInfo": {"machineID": "123456789abc", "architecture": "amd64"},
            "conditions": [{"type": "Ready", "status": "Unknown"}],
            "runtimeHandlers": [{"name": ""}, {"name": "runsc", "features": {}}],
        },
    }
    found = NodeView.of(value)
    assert found == node(is_ready=False, is_cordoned=True, handlers=("", "runsc"), last=last())
    assert found.unavailable == "not ready and cordoned"
    assert found.machine == "12345678"


def test_a_node_that_says_next_to_nothing_is_read_too() -> None:
    found = NodeView.of({"metadata": {"name": "n1"}})
    assert (found.is_ready, found.handlers, found.claim, found.last) == (False, None, "", None)


def _pod(status: dict[str, object]) -> PodView:
    metadata = {
        "name": "nodeprov-n1",
        "uid": "pod-n1",
        "namespace": "nodeprov-system",
        "resourceVersion": "1",
        "labels": {"nodeprov.io/run": "r1", "nodeprov.io/action": "install"},
        "annotations": {"nodeprov.io/node": "n1", "nodeprov.io/node-uid": "uid-n1", "nodeprov.io/want": "w"},
    }
    return PodView.of({"metadata": metadata, "status": status})


def test_a_pod_has_the_message_of_the_engine_when_that_has_ended() -> None:
    ended = {"name": "engine", "state": {"terminated": {"exitCode": 0, "message": "{}"}}}
    assert _pod({"phase": "Running", "containerStatuses": [ended]}) == pod(node(), message="{}")
    running = {"name": "engine", "state": {"running": {}}}
    assert _pod({"phase": "Running", "containerStatuses": [running]}).message is None


KILLED = {"name": "engine", "state": {"terminated": {"exitCode": 137, "reason": "Error", "message": "no result"}}}
ABSENT = {
    "name": "engine",
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 128, "reason": "StartError", "message": "python3: no such file"}},
}


def test_the_words_of_kubelet_about_one_that_was_killed_or_did_not_start_are_no_result_of_it() -> None:
    killed, absent = (_pod({"phase": "Running", "containerStatuses": [each]}) for each in (KILLED, ABSENT))
    assert (killed.message, killed.has_begun) == (None, True)
    assert (absent.message, absent.has_begun) == (None, False)


def test_what_keeps_a_pod_from_running_is_told_in_kubelet_s_words() -> None:
    waiting = {"name": "release", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    found = _pod({"phase": "Pending", "initContainerStatuses": [waiting]})
    assert found.trouble == "release: ImagePullBackOff no such image"
    ended = {"name": "engine", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    assert _pod({"containerStatuses": [ended]}).trouble == "engine: exit code 137 OOMKilled"
    late = _pod({"phase": "Failed", "reason": "DeadlineExceeded", "message": "too long"})
    assert (late.trouble, late.has_ended) == ("DeadlineExceeded; too long", True)


def test_a_pod_that_begins_is_in_no_trouble() -> None:
    waiting = {"name": "engine", "state": {"waiting": {"reason": "PodInitializing"}}}
    assert _pod({"phase": "Pending", "containerStatuses": [waiting]}).trouble == ""
