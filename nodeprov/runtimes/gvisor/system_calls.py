"""The system calls that a release of gVisor knows: its runsc is asked on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock

from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.flags import said_by

_ASK = ("help", "syscalls", "-format", "json")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_UNKNOWN = "Unimplemented"
"""What runsc says of a call that ends with ENOSYS or so; others are known, if not with all options
(gVisor: pkg/sentry/syscalls/linux/linux64.go, runsc/cmd/syscalls.go)."""
_MOST_NAMES = 20
_ONE_AT_A_TIME = Lock()
"""Many nodes are planned at once, mostly for the same two releases: each is asked once."""


def call_changes(old: Release, new: Release) -> Iterator[str]:
    """Say which calls came and went from one release to another; nothing where one cannot be asked here."""
    was, becomes = (known_calls(each) for each in (old, new))
    if was and becomes:
        for names, said in ((becomes - was, "known from now on"), (was - becomes, "no longer known")):
            if names:
                calls = "system call is" if len(names) == 1 else "system calls are"
                yield f"{len(names)} {calls} {said}: {_listed(names)}"


def known_calls(release: Release) -> frozenset[str]:
    """Name the calls that a release knows for its architecture; none where its runsc does not run here."""
    program = release.folder / "runsc"
    with _ONE_AT_A_TIME:
        return _known(program, program.stat().st_mtime_ns if program.exists() else 0, release.architecture)


@lru_cache(maxsize=8)
def _known(program: Path, _changed_ns: int, architecture: str) -> frozenset[str]:
    said = said_by(program, *_ASK)
    try:
        table = json.loads(said)["linux"][_ARCHITECTURES[architecture]]["syscalls"]
        return frozenset(each["name"] for each in table.values() if each["support"] != _UNKNOWN)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return frozenset()  # another runsc than we know: an upgrade goes on without this


def _listed(names: frozenset[str]) -> str:
    first = sorted(names)[:_MOST_NAMES]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
