"""A run of one or many nodes as a value: who, when, what came of each node; as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nodeprov.errors import NodeprovError
from nodeprov.plan.plan import Outcome, Plan
from nodeprov.plan.steps import Restart
from nodeprov.redaction import redacted
from nodeprov.reports.outcome import errors_json

if TYPE_CHECKING:
    from rich.table import Table

Result = Literal["done", "nothing", "failed", "later", "between", "untouched", "unknown"]
WORDS: Mapping[Result, str] = {
    "done": "done",
    "nothing": "nothing to do",
    "failed": "failed (node as before)",
    "later": "done, failed later",
    "between": "left between two states",
    "untouched": "untouched",
    "unknown": "end not known",
}
"""What a person reads for each result."""
_STYLES: Mapping[Result, str] = {
    "done": "green",
    "nothing": "green",
    "failed": "bold red",
    "later": "bold red",
    "between": "bold red",
    "untouched": "yellow",
    "unknown": "bold red",
}


@dataclass(frozen=True, slots=True)
class NodeRun:
    """A node's part in a run: how it ended, in how many seconds; `said` is why it stayed untouched."""

    plan: Plan
    result: Result
    outcome: Outcome | None = None
    seconds: float | None = None
    said: str = ""

    @property
    def node(self) -> str:
        """Its name."""
        return self.plan.node

    @property
    def changed(self) -> int:
        """Count the changes that were made and not taken back."""
        if self.outcome is None:
            return 0
        undone = {change.resource.key for change in self.outcome.undone}
        return len([each for each in self.outcome.made if each.resource.key not in undone])

    @property
    def has_restarted(self) -> bool:
        """Tell whether containerd was restarted."""
        return self.outcome is not None and any(isinstance(part, Restart) for part in self.outcome.done)


def result_of(outcome: Outcome) -> Result:
    """Say in one word how a run of a node ended."""
    if outcome.left:
        return "between"
    if outcome.error:
        return "failed"
    if outcome.later:
        return "later"
    return "done" if outcome.plan.pending else "nothing"


@dataclass(frozen=True, slots=True)
class WaveRun:
    """A wave of a rollout, with the times of its beginning and its end; "" if it did not come to that."""

    number: int
    total: int
    kind: str
    nodes: tuple[str, ...]
    began: str
    ended: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that is kept of a run; times are UTC, `ended` is "" as long as it goes on.

    `releases` are the digests of the artifacts of each release, `errors` what went wrong besides the nodes' own
    runs, `identity` tells it from all others.
    """

    identity: str
    command: str
    action: str
    user: str
    controller: str
    version: str
    began: str
    nodes: tuple[NodeRun, ...]
    ended: str = ""
    waves: tuple[WaveRun, ...] = ()
    releases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    errors: tuple[NodeprovError, ...] = ()
    report: str = ""


def run_table(nodes: Sequence[NodeRun]) -> Table:
    """Lay out how each node's run ended."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=True)
    for name in ("node", "result", "changes", "restart", "seconds"):
        table.add_column(name, justify="right" if name in ("changes", "seconds") else "left", overflow="fold")
    for each in nodes:
        ran = each.outcome is not None and each.result != "nothing"
        table.add_row(
            each.node,
            Text(WORDS[each.result], style=_STYLES[each.result]),
            str(each.changed) if ran else "",
            ("yes" if each.has_restarted else "no") if ran else "",
            seconds_text(each.seconds),
        )
    return table


def seconds_text(seconds: float | None) -> str:
    """Write seconds with one digit behind the point; "" if they are not known."""
    return "" if seconds is None else f"{seconds:.1f}"


def record_json(record: RunRecord) -> dict[str, Any]:
    """Write a run as plain values, without secrets and the contents of changes; docs/json.md describes it."""
    return {
        "run": record.identity,
        "state": "ended" if record.ended else "begun",
        "began": record.began,
        "ended": record.ended,
        "user": record.user,
        "controller": record.controller,
        "version": record.version,
        "command": redacted(record.command),
        "action": record.action,
        "releases": list(record.releases),
        "report": record.report,
        "nodes": [_node_json(each, is_over=bool(record.ended)) for each in record.nodes],
        "errors": errors_json(record.errors),
    }


def _node_json(each: NodeRun, *, is_over: bool) -> dict[str, Any]:
    """Write a node; as long as its run goes on, it may be begun at any moment."""
    error = (each.outcome.error or each.outcome.later) if each.outcome else None
    return {
        "node": each.node,
        "result": each.result if is_over or each.result != "untouched" else "unknown",
        "changed": each.changed,
        "restarted": each.has_restarted,
        "seconds": None if each.seconds is None else round(each.seconds, 1),
        "said": redacted(error.message if error else each.said),
    }
