"""The edit of what containerd's configuration is made of: state to state, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nodeprov import containerd
from nodeprov.containerd import Runtime
from nodeprov.containerd.distributions import go_template
from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.states import FileState

MODE = 0o644


def added(source: Source, current: FileState | None, runtime: Runtime, ours: Sequence[Runtime]) -> FileState:
    """Declare a runtime in a source; raise Refused where that cannot be done."""
    text = None if current is None else containerd.decode(current.content)
    new = _added(source, text, runtime, ours)
    return FileState(new.encode(), MODE) if current is None else replace(current, content=new.encode())


def _added(source: Source, text: str | None, runtime: Runtime, ours: Sequence[Runtime]) -> str:
    if source.how is How.GO_TEMPLATE:
        return go_template.add(text, source.version, runtime, ours)
    if text is None or (source.how is How.DROP_IN and not _others(text, runtime, ours)):
        return containerd.add_runtime(_empty(source.version), runtime)
    return containerd.add_runtime(text, runtime, ours)


def removed(how: How, current: FileState | None, runtime: Runtime, ours: Sequence[Runtime]) -> FileState | None:
    """Take a runtime out; of a file that held nothing else nothing is left."""
    if current is None:
        return None
    text = containerd.decode(current.content)
    if how is How.GO_TEMPLATE:
        left = go_template.remove(text, (runtime, *ours))
        return None if left == go_template.BASE != text else replace(current, content=left.encode())
    if how is How.DROP_IN and not _others(text, runtime, ours):
        return None
    return replace(current, content=containerd.remove_runtime(text, runtime, ours).encode())


def _others(text: str, runtime: Runtime, ours: Sequence[Runtime]) -> bool:
    """Tell whether a drop-in holds anything but our table and a version."""
    left = containerd.remove_runtime(text, runtime, ours).strip()
    return left not in ("", *(_empty(version).strip() for version in (2, 3, 4)))


def _empty(version: int) -> str:
    return f"version = {version}\n"
