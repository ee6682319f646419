"""A rollout as text: which nodes are changed at the same time, in which order."""

from collections.abc import Iterator, Sequence

NAMES = {"canary": "canary", "control-plane": "control plane"}


def waves_text(waves: Sequence[tuple[str, Sequence[str]]], soak_seconds: int) -> str:
    """Write waves, each a kind and its nodes, with the soak time after the canaries."""
    count = sum(len(nodes) for _, nodes in waves)
    return "\n".join(
        [f"rollout: {_counted(count, 'node')} in {_counted(len(waves), 'wave')}", *_lines(waves, soak_seconds)]
    )


def window_text(window: str, fitting: Sequence[str], names: Sequence[str]) -> str:
    """Write how many of the nodes that are to be changed fit into a window, and which do not."""
    left = [name for name in names if name not in fitting]
    lines = [f"{window}; {len(fitting)} of {_counted(len(names), 'node')} fit, by what earlier runs took"]
    return "\n".join([*lines, *([f"  left for another window: {', '.join(left)}"] if left else [])])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _lines(waves: Sequence[tuple[str, Sequence[str]]], soak_seconds: int) -> Iterator[str]:
    last_canary = sum(kind == "canary" for kind, _ in waves)
    for number, (kind, nodes) in enumerate(waves, start=1):
        yield f"  {number}. {NAMES.get(kind, 'wave')}: {', '.join(nodes)}"
        if soak_seconds and number == last_canary:
            yield f"     soak: {soak_seconds} s, then they are tested once more"
