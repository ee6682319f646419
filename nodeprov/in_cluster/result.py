"""What a node's run in a pod comes to, as the pod's termination message says it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from nodeprov.errors import MALFORMED_JSON, NodeprovError, json_object, of_type

SCHEMA = 1
"""Raised when a field changes its meaning or goes."""
LONGEST_BYTES = 4096
"""What kubelet keeps of it (kubernetes: pkg/kubelet/container, MaxContainerTerminationMessageLength)."""
EXIT_CODES = (0, 1, 3, 4)
DONE, UNCHANGED, FAILED, BETWEEN = OUTCOMES = ("done", "unchanged", "failed", "between")
"""Changed and proven; as wanted already; failed and as before; left between two states."""
_MOST_NAMES, _LONGEST_TEXT, _LONGEST_NAME = 16, 1200, 120
_CUT = "…"


@dataclass(frozen=True, slots=True)
class ResultError:
    """Why a node's run failed, as an operator reads it."""

    where: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How the run of one node ended.

    Args:
        run, node, action: of its assignment.
        exit: what the command would have ended with: one of EXIT_CODES.
        outcome: one of OUTCOMES.
        release: the release that is in force; "" where none is.
        handlers: the runtime handlers that the node serves for us now.
        digest: of the plan that was carried out; "" if none was.
        restarted: whether containerd was restarted.
        hit: containers of others that were hit by that restart.
        seconds: how long it took.
        error: why it failed.
        to_restart: of a run that stages: whether the install that follows would restart containerd.
    """

    run: str
    node: str
    action: str
    exit: int
    outcome: str
    release: str = ""
    handlers: tuple[str, ...] = ()
    digest: str = ""
    restarted: bool = False
    hit: tuple[str, ...] = ()
    seconds: float = 0.0
    error: ResultError | None = None
    to_restart: bool = False

    def to_json(self) -> bytes:
        """Write it, in LONGEST_BYTES at most: what is too long is cut, and it stays JSON."""
        length = _LONGEST_TEXT
        while len(written := _written(_shortened(self, length))) > LONGEST_BYTES and length:
            length //= 2
        return written

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read it back; raise NodeprovError if it is none, or one of another schema."""
        try:
            found = json_object(content.decode())
            if found.pop("schema") != SCHEMA:
                raise ValueError(f"its schema is not {SCHEMA}")
            return cls(**_fields(found))
        except MALFORMED_JSON as error:
            raise NodeprovError(
                f"the pod has left no result: {error}: {content[:80]!r}",
                "do the images of the engine and of the dispatcher belong to one version of nodeprov?",
            ) from None


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    """Read the fields that we know; another version's further ones are left out."""
    texts = {name: of_type(str, found[name]) for name in ("run", "node", "action", "outcome", "release", "digest")}
    names = {name: tuple(of_type(str, each) for each in found[name]) for name in ("handlers", "hit")}
    if found["exit"] not in EXIT_CODES or texts["outcome"] not in OUTCOMES:
        raise ValueError(f"neither a result: {found['exit']!r:.20}, {texts['outcome']!r:.20}")
    error = found["error"]
    return {
        **texts,
        **names,
        "exit": of_type(int, found["exit"]),
        "restarted": of_type(bool, found["restarted"]),
        "seconds": float(found["seconds"]),
        "error": error and ResultError(*(of_type(str, error[name]) for name in ResultError.__slots__)),
        # An earlier engine does not say it: then a node is drained for nothing, at worst.
        "to_restart": of_type(bool, found.get("to_restart", True)),
    }


def _written(result: NodeResult) -> bytes:
    value = {"schema": SCHEMA, **asdict(result), "seconds": round(result.seconds, 1)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _shortened(result: NodeResult, length: int) -> NodeResult:
    """Cut each text that has no known bound: names and messages of others."""
    error = result.error
    width = min(length, _LONGEST_NAME)
    return replace(
        result,
        node=result.node[:253],  # a DNS name, of Kubernetes
        handlers=_some(result.handlers, width),
        hit=_some(result.hit, width),
        error=error and ResultError(_cut(error.where, width), _cut(error.what, length), _cut(error.hint, length)),
    )


def _some(names: Sequence[str], width: int) -> tuple[str, ...]:
    kept = tuple(_cut(each, width) for each in names[:_MOST_NAMES])
    left = len(names) - len(kept)
    return (*kept, f"and {left} more") if left else kept


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)] + _CUT
