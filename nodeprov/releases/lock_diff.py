"""What another release changes, as far as two locks show it: files, sizes, layout."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.releases.lock import Lock, LockedBuild, LockedFile


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs; None where there is none."""

    name: str
    before: LockedFile | None
    after: LockedFile | None

    @property
    def text(self) -> str:
        """Write it: `+ NAME (12 bytes)`, `- NAME`, `~ NAME (+3 bytes, now 15)`."""
        if self.before is None or self.after is None:
            file = self.before or self.after
            return f"{'+' if self.before is None else '-'} {self.name} ({file.size_bytes if file else 0} bytes)"
        more = self.after.size_bytes - self.before.size_bytes
        return f"~ {self.name} ({f'{more:+} bytes, now {self.after.size_bytes}' if more else 'as many bytes'})"


@dataclass(frozen=True, slots=True)
class BuildChange:
    """What differs for one architecture; `layout` is before and after, and empty if it stays."""

    architecture: str
    layout: tuple[str, ...]
    artifacts: tuple[FileChange, ...]
    members: tuple[FileChange, ...]
    same: int
    """How many members stay as they are."""


def build_changes(before: Lock, after: Lock) -> list[BuildChange]:
    """Compare two locks, for the architectures that both have."""
    common = sorted(before.builds.keys() & after.builds.keys())
    return [_build_change(name, before.builds[name], after.builds[name]) for name in common]


def _build_change(name: str, before: LockedBuild, after: LockedBuild) -> BuildChange:
    layout = () if before.layout == after.layout else (before.layout, after.layout)
    members = tuple(_changes(before.members, after.members))
    same = len(before.members.keys() | after.members.keys()) - len(members)
    return BuildChange(name, layout, tuple(_changes(before.artifacts, after.artifacts)), members, same)


def _changes(before: Mapping[str, LockedFile], after: Mapping[str, LockedFile]) -> Iterator[FileChange]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old.sha512 != new.sha512:
            yield FileChange(name, old, new)


def changes_text(changes: list[BuildChange]) -> Iterator[str]:
    """Write what differs, line by line."""
    for change in changes:
        yield f"{change.architecture}:"
        if change.layout:
            yield f"  layout: {' -> '.join(change.layout)}"
        yield from (f"  {each.text}, downloaded" for each in change.artifacts)
        yield from (f"  {each.text}" for each in change.members)
        if change.same:
            yield f"  = {change.same} files stay as they are"


def changes_json(changes: list[BuildChange]) -> list[dict[str, Any]]:
    """Write what differs as plain values; docs/json.md describes them."""
    return [
        {
            "architecture": change.architecture,
            "layout": list(change.layout),
            "artifacts": [_file_json(each) for each in change.artifacts],
            "members": [_file_json(each) for each in change.members],
            "same": change.same,
        }
        for change in changes
    ]


def _file_json(change: FileChange) -> dict[str, Any]:
    return {"name": change.name, "before": _side(change.before), "after": _side(change.after)}


def _side(file: LockedFile | None) -> dict[str, Any] | None:
    return None if file is None else {"size_bytes": file.size_bytes, "sha512": file.sha512}
