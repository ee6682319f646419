"""Which nodes of a lab's cluster are Ready: what to ask kubectl, and what it answers."""

from __future__ import annotations

READY_JSONPATH = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'


def parse_ready_nodes(text: str) -> set[str]:
    """Understand lines of `name=status of the condition Ready`."""
    return {line.removesuffix("=True") for line in text.splitlines() if line.endswith("=True")}
