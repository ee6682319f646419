"""Probing a node: the catalogue's questions, asked in pods of our own, in the sandbox and beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, OnLeft, undone_at_end
from nodeprov.hosts.base import Host, check, plain
from nodeprov.inventory import Settings
from nodeprov.kubernetes.images import PROBE, ProofImage
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.reach import Reach
from nodeprov.kubernetes.trials.outside import Round
from nodeprov.kubernetes.trials.own_namespace import OwnNamespace, new_name, own_namespace
from nodeprov.kubernetes.trials.refusals import insist_on_runtime_class
from nodeprov.node.daemon import Daemon
from nodeprov.workloads.catalogue import catalogue
from nodeprov.workloads.judgement import Answers
from nodeprov.workloads.probe_pods import (
    Setting,
    Side,
    acts,
    answers,
    asked_in,
    asked_outside,
    has_ended,
    manifests,
    needs_us,
    running_containers,
    shape_of,
    shapes,
)
from nodeprov.workloads.probes import UNMADE, is_made

POLL_SECONDS = 1.0
AT_ONCE, AT_ONCE_WHERE_SLOW = 6, 2
"""So many kinds of pods are there at a time: a node of one processor must have room for what they request. A slow
node has fewer, as pods that start together all start late, and wait for each other."""
PURPOSE = "probe"


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks the catalogue's questions on one node.

    `sleep` is how it waits; it may raise what is to end it. `on_left` hears what could not be removed at the end,
    where all was asked; without one that is raised.
    """

    node: Host
    cluster: Host
    settings: Settings
    daemon: Daemon
    name: str
    image: ProofImage
    sleep: Callable[[float], None] = time.sleep
    on_left: OnLeft | None = None

    def ask(self) -> Answers:
        """Ask all questions; raise NodeprovError if pods cannot be made. Nothing is left of it then either."""
        name = new_name(PURPOSE)
        patience = self.settings.proof.patience
        reach = Reach(kubectl(self.settings.cluster), self.cluster, self.sleep, patience)
        space_there = own_namespace(reach, PURPOSE, self.name, name=name, is_privileged=True, on_left=self.on_left)
        with self._folder(name) as folder, space_there as space:  # whose pods work in the folder
            setting = Setting(
                namespace=name,
                node=self.name,
                runtime_class=self.settings.runtime_class.name,
                image=self.image.reference,
                pull_policy=self.image.pull_policy,
                program=PROBE,
                folder=folder,
                patience=patience,
            )
            return _Asking(self, space, setting).answers()

    @contextmanager
    def _folder(self, mark: str) -> Iterator[str]:
        """Have an empty folder on the node, and a file in its shared memory, and remove both."""
        folder, shared = f"/run/{mark}", f"/dev/shm/{mark}"  # noqa: S108  for a moment, under a name of ours
        of_before = f"/run/nodeprov-{PURPOSE}-* /dev/shm/nodeprov-{PURPOSE}-*"
        made = self.node.run(plain("probe folder", f"rm -rf {of_before}; mkdir -m 755 {folder} && : > {shared}"))

        def remove() -> None:
            gone = self.node.run(plain("probe folder removal", f"rm -rf {folder} {shared}"))
            check(gone, f"cannot remove {folder}", where=self.name, hint=f"rm -rf {folder} {shared}")

        with undone_at_end(remove, self.on_left):
            check(made, "cannot make a folder for the probes", where=self.name, hint="df /run")
            yield folder


class _Asking:
    """The questions on their way: which pods are to be made, which are at work, and what all have answered.

    What was answered once counts: kubelet forgets containers that were added to a pod when that has ended. But
    where the API server was away, what was to be done to a pod was done late, and that is begun again.
    """

    def __init__(self, prober: Prober, space: OwnNamespace, setting: Setting) -> None:
        self._prober, self._space, self._setting = prober, space, setting
        self._waiting, self._going_on, self._acted = [*shapes()], set[str](), set[str]()
        self._seen: dict[Side, dict[str, str]] = {side: {} for side in Side}
        self._refused: dict[str, str] = {}
        self._known, self._deadline, self._lost_seconds = -1, 0.0, 0.0

    def answers(self) -> Answers:
        """Create pods as others end, and collect answers until all have; ask from outside while they run.

        Time is up when for as long as a proof may take nothing more was answered: a slow node gets on slowly.
        """
        while True:
            created = self._create_next()
            pods, events = self._pods()
            self._hear(pods, events)
            running = [each for each in pods if running_containers(each)]
            self._act(running)
            self._look(running)
            late = self._late([*created, *self._going_on])
            self._going_on = {shape_of(each) for each in pods if not has_ended(each, events, self._of(each))}
            self._begin_again(late)
            if self._is_over():
                return Answers(*({**self._refused, **self._seen[side]} for side in Side))
            self._prober.sleep(POLL_SECONDS)

    def _of(self, pod: Mapping[str, Any]) -> dict[str, str]:
        """Return what all pods of its side have answered."""
        return self._seen[Side(pod["metadata"]["name"].rpartition("-")[2])]

    def _create_next(self) -> Sequence[str]:
        """Create pods of as many shapes as there is room for; return those shapes.

        Where the cluster refuses some, its reason stands in place of any answer.
        """
        at_once = AT_ONCE if self._setting.patience == 1 else AT_ONCE_WHERE_SLOW
        room = max(0, at_once - len(self._going_on))
        names, self._waiting = self._waiting[:room], self._waiting[room:]
        if not names:
            return names
        try:
            self._space.create(manifests(self._setting, names), self._timeout_seconds)
        except NodeprovError as error:
            if not self._pods()[0]:
                raise
            self._refused |= dict.fromkeys(catalogue(), f"{UNMADE}{error.message}")
        return names

    def _pods(self) -> tuple[list[Any], list[Any]]:
        doing, what = "the pods that probe the node cannot be read", "what kubectl says of the pods"
        reach, get = self._space.reach, ("-n", self._space.name, "get", "pods,events")
        items = reach.json(*get, doing=doing, what=what).get("items", [])
        return tuple([each for each in items if each["kind"] == kind] for kind in ("Pod", "Event"))  # type: ignore[return-value]

    def _hear(self, pods: Sequence[Any], events: Sequence[Any]) -> None:
        """Take up what pods have answered; raise NodeprovError where they are not what was asked for."""
        for each in pods:
            is_sandboxed = self._of(each) is self._seen[Side.SANDBOX]
            insist_on_runtime_class(each, self._setting.runtime_class if is_sandboxed else None)
        for side, seen in self._seen.items():
            found = answers(pods, events, side)
            seen |= {name: said for name, said in found.items() if is_made(said) or not is_made(seen.get(name))}

    def _act(self, running: Sequence[Any]) -> None:
        """Do what is done to pods while they run, once; where that fails, its question has no answer."""
        for pod in running:
            if (name := pod["metadata"]["name"]) in self._acted:
                continue
            self._acted.add(name)
            for each in acts(pod, self._setting):
                doing = f"cannot {each[0]} a pod that probes the node"
                self._space.reach.output("-n", self._space.name, *each, doing=doing)

    def _look(self, running: Sequence[Any]) -> None:
        """Ask from outside what has no answer yet; kubelet has no numbers at first, and says so."""
        here, reach = self._prober, self._space.reach
        look = Round(
            reach.kubectl, here.cluster, here.node, here.name, self._space.name, here.daemon, reach.patience
        )
        for pod in running:
            known = self._of(pod)
            for name, question in asked_outside(pod).items():
                if not is_made(known.get(name)) and (said := look.answer(question, pod)) is not None:
                    known[name] = said

    def _late(self, shapes_there: Sequence[str]) -> list[str]:
        """Find the shapes whose pods waited for us while the API server was away."""
        before, self._lost_seconds = self._lost_seconds, self._space.reach.lost_seconds
        return [each for each in shapes_there if self._lost_seconds > before and needs_us(each)]

    def _begin_again(self, late: Sequence[str]) -> None:
        """Remove the pods of some shapes, forget what they have answered, and have them made anew."""
        if not late:
            return
        names = {f"{each}-{side.value}" for each in late for side in Side}
        self._space.delete([*names])
        for seen in self._seen.values():
            for behaviour in (each for shape in late for each in asked_in(shape)):
                seen.pop(behaviour.id, None)
        self._acted -= names
        self._going_on -= {*late}
        self._waiting, self._known = [*late, *self._waiting], -1

    def _is_over(self) -> bool:
        """Tell whether all has ended, or the time is up."""
        known = sum(is_made(said) for each in self._seen.values() for said in each.values())
        now = self._space.reach.now()
        if known > self._known:
            self._deadline = now + self._timeout_seconds
        self._known = known
        return not (self._waiting or self._going_on) or now > self._deadline

    @property
    def _timeout_seconds(self) -> float:
        return self._prober.settings.proof.timeout_seconds
