"""What differs between two configurations, as containerd would read them, apart from our table."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.containerd.config import CRI_SECTIONS, Config
from nodeprov.containerd.runtime import Runtime
from nodeprov.toml import KeyPath, key_text

RUNTIMES = tuple((*section, "containerd", "runtimes") for section in CRI_SECTIONS)
IMPORTS = ("imports",)


def differences(before: Config, after: Config, runtime: Runtime) -> tuple[str, ...]:
    """List, as dotted paths, in what two dumps differ apart from our table; nothing means the change is safe."""
    old, new = (dict(_leaves(each.document, (), runtime.handler)) for each in (before, after))
    if after.document.get("version") == 2:
        _forget_own_name(old, new)
    paths = dict.fromkeys([*old, *new])
    return tuple(key_text(path) for path in paths if not _is_equal(old.get(path), new.get(path)))


def _leaves(value: Any, path: KeyPath, handler: str) -> Iterator[tuple[KeyPath, Any]]:
    """List all values, but those of our handler's table."""
    if path[-1:] == (handler,) and path[:-1] in RUNTIMES:
        return
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, (*path, name), handler)


def _is_equal(before: Any, after: Any) -> bool:
    """Compare as Go does: what is not said is the zero value (runc's options are listed only by default)."""
    return before == after or (not before and not after)


def _forget_own_name(old: dict[KeyPath, Any], new: dict[KeyPath, Any]) -> None:
    """Leave out of `imports` that the candidate has another name than the file, or that there was no file.

    1.x prints the files it has read, itself among them, in no order (server/config/config.go, `LoadConfig`).
    2.x prints the patterns as they are written, plus its own /etc/containerd/conf.d/*.toml, read or not.
    """
    before, after = set(old.get(IMPORTS, ())), set(new.get(IMPORTS, ()))
    gone, come = sorted(before - after), sorted(after - before)
    is_renamed = len(gone) == 1 and posixpath.dirname(gone[0]) == posixpath.dirname(come[0]) if come else False
    if len(come) == 1 and (is_renamed or not before):
        before = after = set()
    old[IMPORTS], new[IMPORTS] = sorted(before), sorted(after)
