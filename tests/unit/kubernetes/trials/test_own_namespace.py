"""The namespaces of killed runs are found again by their node; what pods do in them is seen on real nodes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodeprov.errors import Cancelled, NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.kubernetes import reach as of_reach
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.reach import Reach
from nodeprov.kubernetes.trials.own_namespace import mark_of, own_namespace


@pytest.mark.parametrize("name", ["worker1", "ip-10-0-0-1.eu-west-1.compute.internal", "n" * 253])
def test_a_node_of_any_name_can_be_in_a_label(name: str) -> None:
    value = mark_of("probe", name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", value)
    assert value == f"probe.{name}" or len(name) > 57


def test_nodes_and_purposes_are_told_apart() -> None:
    marks = {mark_of(purpose, "a" * length) for purpose in ("probe", "calibrate") for length in (1, 100, 101)}
    assert len(marks) == 6


REFUSED = "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"


def reach(folder: Path, when: str, said: str) -> Reach:
    """Return a kubectl that is played by a script, and says something of calls of some kind."""
    program = folder / "kubectl"
    program.write_text(f"""#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in {when}) echo '{said}' >&2; exit 1 ;; esac
""")
    program.chmod(0o755)
    return Reach(Kubectl((str(program),)), LocalHost(), lambda _seconds: None)


def test_what_went_wrong_first_is_not_hidden_by_what_cannot_be_removed(tmp_path: Path) -> None:
    kubectl = reach(tmp_path, "*delete*nodeprov-probe-1*", "Error from server (Conflict): it is held")
    with (
        pytest.raises(NodeprovError) as caught,
        own_namespace(kubectl, "probe", "worker1", name="nodeprov-probe-1"),
    ):
        raise NodeprovError("a pod does not start", "nodeprov verify worker1")
    said = re.sub(r"\S*/kubectl", "kubectl", str(caught.value))
    assert said == (
        "a pod does not start; and then: the namespace nodeprov-probe-1 is still there: exit status 1: Error from "
        "server (Conflict): it is held\n"
        "hint: remove it: kubectl delete namespace nodeprov-probe-1; then: nodeprov verify worker1"
    )


def test_a_server_that_stays_away_is_told_with_the_namespace_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_reach, "LONGEST_SECONDS", 0.1)
    kubectl = reach(tmp_path, "*pods*|*nodeprov-probe-1*", REFUSED)
    with (
        pytest.raises(NodeprovError, match="the pods cannot be read: the API server has not answered") as caught,
        own_namespace(kubectl, "probe", "worker1", name="nodeprov-probe-1") as space,
    ):
        space.pods()
    assert "and then: the namespace nodeprov-probe-1 is still there" in caught.value.message
    assert "kubectl delete namespace nodeprov-probe-1" in caught.value.hint


def test_who_may_not_wait_is_told_at_once(tmp_path: Path) -> None:
    """Else all pods would seem to start as late as kubectl gives up: their start is what calibrate measures."""
    logged = 'E1129 10:01:29.6 1 reflector.go:227] "Failed to watch" err="pods is forbidden: User x cannot watch"'
    kubectl = reach(tmp_path, "*wait*", f"{logged}\nerror: timed out waiting for the condition on pods/web")
    with (
        pytest.raises(NodeprovError, match=r"cannot be waited for: .*is forbidden: User x cannot watch"),
        own_namespace(kubectl, "calibrate", "worker1") as space,
    ):
        space.wait_until_started("web", 1)


def test_who_is_interrupted_still_removes_it_when_the_server_is_back(tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.touch()
    kubectl = reach(tmp_path, "*delete*nodeprov-probe-1*", REFUSED)
    program = tmp_path / "kubectl"
    program.write_text(program.read_text().replace("echo '", f"[ -e {away} ] || exit 0; rm {away}; echo '"))

    def interrupted(_seconds: float) -> None:
        raise Cancelled

    kubectl.sleep = interrupted
    with pytest.raises(Cancelled) as caught, own_namespace(kubectl, "probe", "worker1", name="nodeprov-probe-1"):
        raise Cancelled
    assert caught.value.message == "interrupted"
    assert (tmp_path / "calls").read_text().count("delete namespace nodeprov-probe-1") == 2
