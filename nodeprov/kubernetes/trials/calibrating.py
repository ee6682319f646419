"""Measuring on a node what its sandboxes cost: the same pods with the RuntimeClass and without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, OnLeft
from nodeprov.hosts.base import Host
from nodeprov.inventory import Settings
from nodeprov.kubernetes import restricted
from nodeprov.kubernetes.images import PROBE, ProofImage
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.quantities import parse_quantity
from nodeprov.kubernetes.reach import Reach
from nodeprov.kubernetes.trials.own_namespace import OwnNamespace, own_namespace
from nodeprov.kubernetes.trials.pod_costs import PodCosts, PodCostsQuery
from nodeprov.kubernetes.trials.refusals import insist_on_runtime_class
from nodeprov.workloads.calibration import IDLE, LOADS, Calibration, IdleCpu, Pace, Sample, Shape
from nodeprov.workloads.calibration_report import Proposal, Room

PURPOSE = "calibrate"
SANDBOXED_OF_A_SHAPE = 3
PACED = 3
SETTLE_SECONDS = 3.0
IDLE_SECONDS = 30.0
"""Three of the periods in which kubelet asks for the statistics of pods (its housekeeping: 10 s)."""
CALLS_SECONDS = 1
LONGEST_LIFE_SECONDS = 600
"""A pod whose nodeprov was killed ends on its own after that."""
LIMITS = {"memory": "256Mi"}
REQUESTS = {"cpu": "1m", "memory": "16Mi"}


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Measures one node.

    `sleep` is how it waits; it may raise what is to end it. `say` hears what is done; `on_left` is as for Prober.
    """

    node: Host
    cluster: Host
    settings: Settings
    name: str
    image: ProofImage
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda _text: None
    on_left: OnLeft | None = None

    def measure(self) -> Calibration:
        """Measure all; raise NodeprovError if pods do not run. Nothing is left of it then either."""
        reach = Reach(kubectl(self.settings.cluster), self.cluster, self.sleep, self.settings.proof.patience)
        with own_namespace(reach, PURPOSE, self.name, on_left=self.on_left) as space:
            idle, first = self._of_shape(space, IDLE[0], idle_seconds=IDLE_SECONDS)
            samples = [*first]
            for shape in (*IDLE[1:], *LOADS):
                samples += self._of_shape(space, shape)[1]
            return Calibration(
                node=self.name,
                runtime_class=self.settings.runtime_class.name,
                samples=tuple(samples),
                idle=idle,
                pace=self._paces(space),
            )

    def _of_shape(
        self, space: OwnNamespace, shape: Shape, *, idle_seconds: float = 0.0
    ) -> tuple[dict[bool, IdleCpu], list[Sample]]:
        """Measure pods of one shape, and, where that is asked for, what they take while they do nothing."""
        self.say(f"measuring {_said(shape)}")
        sides = {f"s{number}": True for number in range(SANDBOXED_OF_A_SHAPE)} | {"plain": False}
        pods = [self._pod(space, name, shape, is_sandboxed=side) for name, side in sides.items()]
        space.create(pods, self._timeout)
        running = space.wait_for("Running", [*sides], self._timeout)
        for name, is_sandboxed in sides.items():
            insist_on_runtime_class(running[name], self.settings.runtime_class.name if is_sandboxed else None)
        self._wait_for_load(space, [*sides], shape)
        query = PodCostsQuery(tuple(str(running[name]["metadata"]["uid"]) for name in sides))
        before = self._ask(query)
        idle: dict[bool, IdleCpu] = {}
        if idle_seconds:
            self.sleep(idle_seconds)
            idle = _idle([*sides.values()], before, self._ask(query), idle_seconds)
        space.delete([*sides])
        samples = [
            Sample(shape, side, cost.working, cost.outside, cost.peak)
            for side, cost in zip(sides.values(), before, strict=True)
        ]
        return idle, samples

    def _wait_for_load(self, space: OwnNamespace, names: Sequence[str], shape: Shape) -> None:
        deadline = space.reach.now() + self._timeout
        for name in names:
            while "holding" not in space.log(name):
                if space.reach.now() > deadline:
                    raise NodeprovError(
                        f"the pod {space.name}/{name} does not come to hold {_said(shape)}", "nodeprov verify NODE"
                    )
                self.sleep(SETTLE_SECONDS / 10)
        self.sleep(SETTLE_SECONDS)

    def _ask(self, query: PodCostsQuery) -> list[PodCosts]:
        found: list[PodCosts] = self.node.ask([query])[0]
        return found

    def _paces(self, space: OwnNamespace) -> dict[bool, Pace]:
        """Start pods one after the other, which then call the kernel as often as they can."""
        self.say("measuring starts and system calls")
        starts: dict[bool, list[float]] = {True: [], False: []}
        calls: dict[bool, list[dict[str, float]]] = {True: [], False: []}
        for number in range(PACED):
            for side in (True, False):
                name = f"pace{number}-{'sandboxed' if side else 'plain'}"
                starts[side].append(self._started(space, name, is_sandboxed=side))
                space.wait_for("Succeeded", [name], self._timeout)
                calls[side].append(_rates(space.log(name)))
        return {side: Pace.of(starts[side], calls[side]) for side in (True, False)}

    def _started(self, space: OwnNamespace, name: str, *, is_sandboxed: bool) -> float:
        """Start a pod, once more if the API server was away meanwhile; return how many seconds that took."""
        pod = self._pod(space, name, Shape(), is_sandboxed=is_sandboxed, command=("calls", str(CALLS_SECONDS)))
        while True:
            lost, began = space.reach.lost_seconds, time.monotonic()
            space.create([pod], self._timeout)
            space.wait_until_started(name, self._timeout)
            seconds = time.monotonic() - began
            if space.reach.lost_seconds == lost:
                return seconds
            space.delete([name])

    @property
    def _timeout(self) -> float:
        return float(self.settings.proof.timeout_seconds)

    def _pod(
        self,
        space: OwnNamespace,
        name: str,
        shape: Shape,
        *,
        is_sandboxed: bool,
        command: Sequence[str] = (),
    ) -> dict[str, Any]:
        mounts = [f"v{number}" for number in range(shape.count if shape.load == "mounts" else 0)]
        holds = ("hold", "nothing", "0") if mounts else ("hold", shape.load, str(shape.count))
        first = [PROBE, *(command or holds)]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": space.name},
            "spec": {
                **({"runtimeClassName": self.settings.runtime_class.name} if is_sandboxed else {}),
                **restricted.short_lived(LONGEST_LIFE_SECONDS),
                "securityContext": restricted.of_pod(),
                "nodeName": self.name,
                "volumes": [{"name": each, "emptyDir": {}} for each in mounts],
                "containers": [
                    self._container(f"c{number}", [PROBE, "hold", "nothing", "0"] if number else first, mounts)
                    for number in range(shape.containers)
                ],
            },
        }

    def _container(self, name: str, command: Sequence[str], mounts: Sequence[str]) -> dict[str, Any]:
        return {
            "name": name,
            "image": self.image.reference,
            "imagePullPolicy": self.image.pull_policy,
            "command": [*command],
            "resources": {"requests": REQUESTS, "limits": LIMITS},
            "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in mounts],
            "securityContext": restricted.OF_CONTAINER,
        }


def _said(shape: Shape) -> str:
    if shape.count:
        return f"{shape.count} {shape.load}"
    return f"{shape.containers} container{'' if shape.containers == 1 else 's'}"


def _idle(
    sides: Sequence[bool], before: Sequence[PodCosts], after: Sequence[PodCosts], seconds: float
) -> dict[bool, IdleCpu]:
    """Take the means of what pods took in between, in millicores."""

    def mean(name: str, *, side: bool) -> float:
        used: list[float] = [
            getattr(late, name) - getattr(early, name)
            for each, early, late in zip(sides, before, after, strict=True)
            if each is side
        ]
        return 1000 * sum(used) / len(used) / seconds

    return {
        side: IdleCpu(mean("cpu_seconds", side=side), mean("outside_cpu_seconds", side=side))
        for side in set(sides)
    }


def _rates(log: str) -> dict[str, float]:
    """Read what the program says of its calls; raise NodeprovError if that is nothing."""
    words = [line.split() for line in log.splitlines()]
    found = {each[0]: float(each[1]) for each in words if len(each) == 2 and each[1].isdigit()}
    if not found:
        raise NodeprovError(f"a pod says nothing of its calls: {log[:200]!r}", "nodeprov verify NODE")
    return found


def proposal(
    found: Calibration, runtime_class: Mapping[str, Any], node: Mapping[str, Any], containers: int, request: int
) -> Proposal:
    """Propose for a RuntimeClass and a node as the cluster has them, where a pod asks for so many bytes."""
    fixed = (runtime_class.get("overhead") or {}).get("podFixed") or {}
    has = node.get("status", {}).get("allocatable", {})
    room = Room(_whole(has.get("memory", "0")), _whole(has.get("pods", "0")), request)
    return Proposal(containers, _whole(fixed.get("memory", "0")), found.proposed(containers), room)


def _whole(amount: object) -> int:
    return int(parse_quantity(str(amount)))
