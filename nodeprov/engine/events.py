"""What a run of many nodes tells its listeners: which nodes and waves begin, and how they end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

NodeProgress = Literal["waiting", "begun", "done", "failed", "untouched"]
"""What a node is doing in a rollout; `untouched` is one that is not begun any more."""
WaveKind = Literal["canary", "wave", "control-plane"]


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A node of a rollout has come to a state; `seconds` is how long its run took, where one has ended.

    `said` is why it failed, why it stays untouched, or what it waits for.
    """

    node: str
    state: NodeProgress
    said: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WaveEvent:
    """A wave of a rollout begins or has ended; `number` is from 1 to `total`."""

    number: int
    total: int
    nodes: tuple[str, ...]
    state: Literal["begun", "done"]
    kind: WaveKind = "wave"


OnRollout = Callable[[NodeEvent | WaveEvent], None]
"""Hear how a rollout goes. It must not raise, and is called by several threads, also at the same time."""
