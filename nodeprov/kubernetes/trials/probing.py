"""Probing a node: the catalogue's questions, asked in pods of our own, in the sandbox and beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, undone_at_end
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

    `sleep` is how it waits; it may raise what is to end it.
    """

    node: Host
    cluster: Host
    settings: Settings
    daemon: Daemon
    name: str
    image: ProofImage
    sleep: Callable[[float], None] = time.sleep

    def ask(self) -> Answers:
        """Ask all questions; raise NodeprovError if pods cannot be made. Nothing is left of it then either."""
        name = new_name(PURPOSE)
        reach = Reach(kubectl(self.settings.cluster), self.cluster, self.sleep, self._patience)
        space_there = own_namespace(reach, PURPOSE, self.name, name=name, is_privileged=True)
        with self._folder(name) as folder, space_there as space:  # whose pods work in the folder
            setting = Setting(
                namespace=name,
                node=self.name,
                runtime_class=self.settings.runtime_class.name,
                image=self.image.reference,
                pull_policy=self.image.pull_policy,
                program=PROBE,
                folder=folder,
                patience=self._patience,
            )
            return self._seen(space, setting)

    @property
    def _patience(self) -> int:
        return self.settings.proof.patience

    @property
    def _at_once(self) -> int:
        return AT_ONCE if self._patience == 1 else AT_ONCE_WHERE_SLOW

    @contextmanager
    def _folder(self, mark: str) -> Iterator[str]:
        """Have an empty folder on the node, and a file in its shared memory, and remove both."""
        folder, shared = f"/run/{mark}", f"/dev/shm/{mark}"  # noqa: S108  for a moment, under a name of ours
        of_before = f"/run/nodeprov-{PURPOSE}-* /dev/shm/nodeprov-{PURPOSE}-*"
        made = self.node.run(plain("probe folder", f"rm -rf {of_before}; mkdir -m 755 {folder} && : > {shared}"))

        def remove() -> None:
            gone = self.node.run(plain("probe folder removal", f"rm -rf {folder} {shared}"))
            check(gone, f"cannot remove {folder}", where=self.name, hint=f"rm -rf {folder} {shared}")

        with undone_at_end(remove):
            check(made, "cannot make a folder for the probes", where=self.name, hint="df /run")
            yield folder

    def _create_pods(self, space: OwnNamespace, setting: Setting, names: Sequence[str]) -> dict[str, str]:
        """Create some pods; where the cluster refuses some, return its reason in place of any answer."""
        try:
            space.create(manifests(setting, names), self.settings.proof.timeout_seconds)
        except NodeprovError as error:
            if not self._pods(space)[0]:
                raise
            return dict.fromkeys(catalogue(), f"{UNMADE}{error.message}")
        return {}

    def _seen(self, space: OwnNamespace, setting: Setting) -> Answers:
        """Create pods as others end, and collect answers until all have; ask from outside while they run.

        Time is up when for as long as a proof may take nothing more was answered: a slow node gets on slowly.

        What was answered once counts: kubelet forgets containers that were added to a pod when that has ended.
        But where the API server was away, what was to be done to a pod was done late, and that is begun again.
        """
        acted, known, deadline, lost = set[str](), -1, 0.0, 0.0
        seen: dict[Side, dict[str, str]] = {side: {} for side in Side}
        waiting, going_on, refused = [*shapes()], set[str](), dict[str, str]()
        while True:
            room = max(0, self._at_once - len(going_on))
            created, waiting = waiting[:room], waiting[room:]
            if created:
                refused |= self._create_pods(space, setting, created)
            pods, events = self._pods(space)
            for each in pods:
                insist_on_runtime_class(each, setting.runtime_class if _side(each) is Side.SANDBOX else None)
            for side in Side:
                found = answers(pods, events, side)
                seen[side] |= {
                    name: said
                    for name, said in found.items()
                    if is_made(said) or not is_made(seen[side].get(name))
                }
            running = [each for each in pods if running_containers(each)]
            for each in running:
                if (name := each["metadata"]["name"]) not in acted:
                    acted.add(name)
                    self._act(each, space, setting)
            self._look(running, space, seen)
            was_late, lost = space.reach.lost_seconds > lost, space.reach.lost_seconds
            late = [each for each in (*created, *going_on) if was_late and needs_us(each)]
            going_on = {shape_of(each) for each in pods if not has_ended(each, events, seen[_side(each)])}
            if late:
                acted -= self._remove(space, late, seen)
                waiting, known = [*late, *waiting], -1
                going_on -= {*late}
            before, known = known, sum(is_made(said) for each in seen.values() for said in each.values())
            if known > before:
                deadline = space.reach.now() + self.settings.proof.timeout_seconds
            if not (waiting or going_on) or space.reach.now() > deadline:
                return Answers(*({**refused, **seen[side]} for side in Side))
            self.sleep(POLL_SECONDS)

    def _remove(self, space: OwnNamespace, shapes: Sequence[str], seen: dict[Side, dict[str, str]]) -> set[str]:
        """Remove the pods of some shapes, and forget what they have answered; return the pods' names."""
        names = {f"{each}-{side.value}" for each in shapes for side in Side}
        space.delete([*names])
        for side in Side:
            for behaviour in (each for shape in shapes for each in asked_in(shape)):
                seen[side].pop(behaviour.id, None)
        return names

    def _act(self, pod: dict[str, Any], space: OwnNamespace, setting: Setting) -> None:
        """Do what is done to a pod while it runs; where that fails, its question has no answer."""
        for each in acts(pod, setting):
            space.reach.output("-n", space.name, *each, doing=f"cannot {each[0]} a pod that probes the node")

    def _look(self, pods: list[Any], space: OwnNamespace, seen: dict[Side, dict[str, str]]) -> None:
        """Ask from outside what has no answer yet; kubelet has no numbers at first, and says so."""
        kubectl, patience = space.reach.kubectl, self._patience
        look = Round(kubectl, self.cluster, self.node, self.name, space.name, self.daemon, patience)
        for pod in pods:
            known = seen[_side(pod)]
            for name, question in asked_outside(pod).items():
                if not is_made(known.get(name)) and (said := look.answer(question, pod)) is not None:
                    known[name] = said

    def _pods(self, space: OwnNamespace) -> tuple[list[Any], list[Any]]:
        doing, what = "the pods that probe the node cannot be read", "what kubectl says of the pods"
        items = space.reach.json("-n", space.name, "get", "pods,events", doing=doing, what=what).get("items", [])
        return tuple([each for each in items if each["kind"] == kind] for kind in ("Pod", "Event"))  # type: ignore[return-value]


def _side(pod: Mapping[str, Any]) -> Side:
    return Side(pod["metadata"]["name"].rpartition("-")[2])
