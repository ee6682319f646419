"""What a prober does where the API server was away while pods waited for it, in a cluster that is played."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, cast

import pytest

from nodeprov.errors import NodeprovError, OnLeft
from nodeprov.hosts.base import Host, Output, Script
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.trials.probing import Prober
from nodeprov.workloads.probe_pods import Side, needs_us, questions, shape_of, shapes
from tests.support.samples import good_daemon, settings

AWAY = b"The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
RUNNING = {"running": {"startedAt": "2026-11-29T02:00:01Z"}}
LATE = [name for name in shapes() if needs_us(name)]
ACTS = 2 * len(LATE)


class Played:
    """A cluster in which a pod runs when it is first looked at, and is found to have answered when it is again.

    After so many acts it is away for two calls, and pods that ran then have answered "too late", as they do where
    nothing is done to them in time.
    """

    name = "master"

    def __init__(self, acts_before: int) -> None:
        self.pods, self.looks, self.acts = dict[str, Any](), dict[str, int](), list[str]()
        self.made: list[str] = []
        self.acts_before, self.away, self.was_away, self.late = acts_before, 0, False, set[str]()
        self.removal = Output(0, b"", b"")

    def run(self, script: Script[Any], *, stdin: bytes = b"", timeout_seconds: float | None = None) -> Any:
        _ = timeout_seconds
        return script.read(self._answer(shlex.split(re.sub(r"^kubectl ", "", script.text)), stdin))

    def _answer(self, words: list[str], stdin: bytes) -> Output:
        if self.away:
            self.away -= 1
            return Output(1, b"", AWAY)
        verb, *arguments = words[2:] if words[0] == "-n" else words
        if verb == "delete" and arguments[0] == "namespace" and self.made:
            return self.removal
        if verb == "apply" and b'"List"' in stdin:
            for each in json.loads(stdin)["items"]:
                name = each["metadata"]["name"]
                self.made.append(name)
                self.pods[name], self.looks[name] = each, 0
        elif verb == "delete" and arguments[0] == "pods":
            self.pods = {name: each for name, each in self.pods.items() if name not in arguments}
        elif verb == "get":
            return Output(0, json.dumps({"items": [*map(self._seen, self.pods)]}).encode(), b"")
        elif verb in ("patch", "annotate", "debug"):
            self.acts.append(verb)
            self._leave()
        return Output(0, b"", b"")

    def _leave(self) -> None:
        if not self.was_away and len(self.acts) == self.acts_before:
            self.away, self.was_away = 2, True
            self.late = {name for name, looks in self.looks.items() if looks == 1}

    def _seen(self, name: str) -> dict[str, Any]:
        self.looks[name] += 1
        answer = "" if self.looks[name] == 1 else "too late" if name in self.late else "yes"
        self.late -= {name} if answer else set()
        pod = self.pods[name]
        states = [
            {
                "name": each["name"],
                "containerID": "containerd://1",
                "state": self._state(pod, each["name"], answer),
            }
            for each in pod["spec"]["containers"]
        ]
        status = {"phase": "Succeeded" if answer else "Running", "containerStatuses": states}
        return {**pod, "kind": "Pod", "status": status}

    @staticmethod
    def _state(pod: dict[str, Any], container: str, answer: str) -> dict[str, Any]:
        names = [each.partition("=")[0] for each in questions(shape_of(pod), container)]
        message = "".join(f"{each}\t{answer}\n" for each in names)
        return {"terminated": {"exitCode": 0, "message": message}} if answer else RUNNING


def prober(cluster: Played, on_left: OnLeft | None = None) -> Prober:
    host, image = cast("Host", cluster), ProofImage("proof", "Never", "")
    return Prober(host, host, settings(), good_daemon(), "worker1", image, lambda _seconds: None, on_left)


@pytest.mark.parametrize("acts_before", [1, ACTS])
def test_pods_that_had_to_wait_for_an_api_server_are_made_anew(acts_before: int) -> None:
    cluster = Played(acts_before)
    answers = prober(cluster).ask()
    waited = [f"{name}-{side.value}" for name in LATE for side in Side]
    every = [f"{name}-{side.value}" for name in shapes() for side in Side]
    assert sorted(cluster.made) == sorted([*every, *waited])
    inside = {
        each.partition("=")[0]
        for name in LATE
        for container in shapes()[name]["containers"]
        for each in questions(name, container)
        if not shapes()[name]["containers"][container].get("added")
    }
    for found in (answers.runc, answers.sandbox):
        assert {found[each] for each in inside} == {"yes"}


def test_answers_are_not_lost_where_the_namespace_stays() -> None:
    cluster, left = Played(acts_before=-1), list[NodeprovError]()
    cluster.removal = Output(1, b"", b"error: timed out waiting for the condition on namespaces/x")
    answers = prober(cluster, left.append).ask()
    assert set(answers.sandbox.values()) & {"yes"}
    (error,) = left
    assert re.fullmatch(r"the namespace nodeprov-probe-\w+ is still there: .*timed out .*", error.message)
    assert error.hint.startswith("remove it: kubectl delete namespace nodeprov-probe-")
    other = Played(acts_before=-1)
    other.removal = cluster.removal
    with pytest.raises(NodeprovError, match="is still there"):
        prober(other).ask()
