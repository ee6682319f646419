"""The calls of programs that a node's sandboxes did not know, as one table: workload, call, in how many pods."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_GENERATED = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of the names that Kubernetes makes (apimachinery: pkg/util/rand/rand.go)."""
_OF_DEPLOYMENT = re.compile(rf"-{_GENERATED}{{6,10}}-{_GENERATED}{{5}}$")
_OF_ANOTHER = re.compile(rf"-({_GENERATED}{{5}}|\d+)$")


@dataclass(frozen=True, slots=True)
class Note:
    """A call that a sandbox did not know, and when it came first; "" if the log does not say when."""

    call: str
    time: str


@dataclass(frozen=True, slots=True)
class PodNotes:
    """What the sandbox of one pod has noted; nothing, if it knew all calls."""

    namespace: str
    pod: str
    uid: str
    notes: tuple[Note, ...]

    @property
    def workload(self) -> str:
        """What has made the pod, as far as its name shows that; otherwise the pod's own name."""
        return _OF_ANOTHER.sub("", self.pod) if self.pod == (rest := _OF_DEPLOYMENT.sub("", self.pod)) else rest


@dataclass(frozen=True, slots=True)
class Row:
    """A call of a workload: on which nodes, in how many of its pods, and since when."""

    namespace: str
    workload: str
    call: str
    pods: int
    since: str
    nodes: tuple[str, ...]


def rows(of_nodes: Iterable[tuple[str, Sequence[PodNotes]]]) -> list[Row]:
    """Count the notes of nodes by workload and call; what the most pods met comes first within a workload."""
    found: dict[tuple[str, str, str], list[tuple[str, PodNotes, Note]]] = defaultdict(list)
    for node, pods in of_nodes:
        for pod in pods:
            for note in pod.notes:
                found[pod.namespace, pod.workload, note.call].append((node, pod, note))
    counted = [
        Row(
            *key,
            pods=len({pod.uid for _, pod, _ in each}),
            since=min((note.time for _, _, note in each if note.time), default=""),
            nodes=tuple(sorted({node for node, _, _ in each})),
        )
        for key, each in found.items()
    ]
    return sorted(counted, key=lambda row: (row.namespace, row.workload, -row.pods, row.call))
