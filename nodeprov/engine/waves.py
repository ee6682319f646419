"""The waves of a rollout: which nodes are changed at the same time, and in which order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodeprov.engine.events import WaveKind
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import RolloutSettings

MOST_PARALLEL = 10
"""How many nodes are changed at the same time that restart nothing, where several may restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A node of a rollout, as far as its place depends on it.

    Args:
        name: the node's name.
        is_due: whether anything is to be done on it; a node without that is in no wave.
        restarts: whether pods may be disturbed: containerd restarts, or pods are evicted.
        zone: the zone that it is in; "" where it names none.
        controls: whether it is of the control plane, or kubectl runs there for the others.
        comes_last: whether it takes away what the other nodes need as long as they are not changed.
        unavailable: why it is out of service already, such as "not ready"; "" where it serves.
    """

    name: str
    is_due: bool = True
    restarts: bool = True
    zone: str = ""
    controls: bool = False
    comes_last: bool = False
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Wave:
    """Nodes that are changed at the same time."""

    nodes: tuple[str, ...]
    kind: WaveKind = "wave"


def waves(members: Sequence[Member], rollout: RolloutSettings) -> tuple[Wave, ...]:
    """Put every node that is due in one wave: canaries, what restarts nothing, the others, the control plane.

    `members` are all nodes that were named. Raises UsageError for more canaries than nodes, and NodeprovError
    where so many nodes are out of service already that no other one may restart.
    """
    return tuple(_in_order(members, rollout))


def first_wave(members: Sequence[Member], rollout: RolloutSettings) -> Wave | None:
    """Return the first of these waves, None if no node is due; the others are not made. Raises the same."""
    return next(_in_order(members, rollout), None)


def _in_order(members: Sequence[Member], rollout: RolloutSettings) -> Iterator[Wave]:
    if rollout.canary > len(members):
        raise UsageError(
            f"[rollout] canary is {rollout.canary}, and {_nodes(len(members))} named",
            f"write --canary {max(len(members) - 1, 0)} or less, or name more nodes",
        )
    due = [each for each in members if each.is_due]
    ordinary = [each for each in due if not (each.controls or each.comes_last)]
    others = [each for each in due if each.controls or each.comes_last]
    last = sorted(others, key=lambda each: each.comes_last)
    canaries = sorted(ordinary, key=lambda each: not each.restarts)[: rollout.canary]
    rest = [each for each in ordinary if each not in canaries]
    pack = _Packing(members, rollout)
    first_of_last = 0 if ordinary else rollout.canary
    yield from pack.by(canaries, "canary")
    yield from pack.chunks([each for each in rest if not each.restarts])
    yield from pack.by([each for each in rest if each.restarts], "wave")
    for each in last[:first_of_last]:
        yield from pack.by([each], "canary")
    for each in last[first_of_last:]:
        yield from pack.by([each], _kind(each))


def _kind(member: Member) -> WaveKind:
    return "control-plane" if member.controls else "wave"


def limit(rollout: RolloutSettings, total: int) -> int:
    """Return how many of so many nodes may be out of service at the same time."""
    share = rollout.max_unavailable or "1"
    if not share.endswith("%"):
        return int(share)
    return max(1, total * int(share.removesuffix("%")) // 100)


class _Packing:
    """Fills waves, as far as what is out of service allows."""

    def __init__(self, members: Sequence[Member], rollout: RolloutSettings) -> None:
        self._rollout = rollout
        self._limit = limit(rollout, len(members))
        self._gone = [each for each in members if each.unavailable] if rollout.max_unavailable else []
        self._are_gone = {each.name for each in self._gone}
        self._room = self._limit - len(self._gone)

    def chunks(self, members: Sequence[Member]) -> Iterator[Wave]:
        """Part nodes that restart nothing."""
        size = self._rollout.max_parallel or (MOST_PARALLEL if self._rollout.max_unavailable else 1)
        for start in range(0, len(members), size):
            yield Wave(tuple(each.name for each in members[start : start + size]))

    def by(self, members: Sequence[Member], kind: WaveKind) -> Iterator[Wave]:
        """Part nodes that may restart: of one zone, and as many as may be out of service."""
        left = list(members)
        while left:
            wave = self._first(left)
            begun = {each.name for each in wave}
            left = [each for each in left if each.name not in begun]
            yield Wave(tuple(each.name for each in wave), kind)

    def _first(self, left: Sequence[Member]) -> list[Member]:
        """Take the first node, and those that may go with it; what is out of service anyway takes no room."""
        wave: list[Member] = []
        room = self._room
        for each in left:
            costs = each.restarts and each.name not in self._are_gone
            if costs and self._room < 1:
                raise self._no_room(each)
            fits = len(wave) < self._limit and (room > 0 or not costs)
            if fits and (self._rollout.allow_two_zones or each.zone == left[0].zone):
                room -= costs
                wave.append(each)
        return wave

    def _no_room(self, member: Member) -> NodeprovError:
        names = ", ".join(f"{each.name} ({each.unavailable})" for each in self._gone)
        return NodeprovError(
            f"it would be one more that is out of service: [rollout] max_unavailable allows {self._limit}, and "
            f"there are {len(self._gone)} already: {names}",
            f"bring them back, leave this node out, or allow more: --max-unavailable {len(self._gone) + 1}",
            where=member.name,
        )


def _nodes(count: int) -> str:
    return "1 node is" if count == 1 else f"{count} nodes are"
