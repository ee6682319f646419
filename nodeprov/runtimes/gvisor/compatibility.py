"""Which releases of gVisor run under which containerd: one table, each row with what showed it."""

import re
from dataclasses import dataclass

Version = tuple[int, ...]
"""Of containerd its numbers; of gVisor the release's date, as in 20260905."""


@dataclass(frozen=True, slots=True)
class Span:
    """Versions from one on and before another; None is no bound."""

    since: Version | None = None
    before: Version | None = None

    def __contains__(self, version: Version) -> bool:
        return (self.since is None or version >= self.since) and (self.before is None or version < self.before)


@dataclass(frozen=True, slots=True)
class Row:
    """What is true of these releases under these containerds, and what showed it.

    `reason` says why they do not work together, and is "" if they do; `way_out` is what to do about it.
    """

    daemons: Span
    releases: Span
    source: str
    reason: str = ""
    way_out: str = ""


# The day on which the shim was moved to containerd 2.1, whose pkg/shim answers in JSON, to whomever.
_ANSWERS_IN_JSON = (20260515,)
_GVISOR = "https://github.com/google/gvisor/commit"
_CONTAINERD = "https://github.com/containerd/containerd/commit"
_UPDATE = "update containerd to 1.7 or later"

TABLE = (
    Row(
        Span(before=(1, 6)),
        Span(),
        f"{_CONTAINERD}/6870f3b1b",
        "it does not find the shim: 1.6 is the first that reads runtime_path",
        _UPDATE,
    ),
    Row(
        Span((1, 6), (1, 7)),
        Span(since=_ANSWERS_IN_JSON),
        f"{_GVISOR}/b798cf611 and {_CONTAINERD}/a82e37a5a",
        "the shim answers it in JSON, which it takes for an address",
        f"{_UPDATE}, or set [release] version to 20260511.0 or older",
    ),
    Row(Span((1, 6), (1, 7)), Span(before=_ANSWERS_IN_JSON), "by hand: Debian's 1.6.20 with 20260511.0"),
    Row(Span(since=(1, 7)), Span(), "the matrix"),
)
"""The first row that holds a pair counts."""


def row(daemon: Version, release: str) -> Row | None:
    """Find what is known of a containerd and a release; None where nothing is."""
    dated = release_date(release)
    return next((each for each in TABLE if daemon in each.daemons and dated in each.releases), None)


def release_date(release: str) -> Version:
    """Read the date of a release, such as 20260905.0; what has none is the newest (`latest`)."""
    found = re.match(r"\d{8}", release)
    return (int(found[0]) if found else 99999999,)
