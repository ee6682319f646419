"""The rows of the matrix of containerds, and the document that keeps what came of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

from filelock import FileLock

from nodeprov.runtimes.gvisor import compatibility
from nodeprov.runtimes.gvisor.compatibility import Span, Version
from nodeprov_lab.daemons import DEBIAN
from tests.conftest import RUN, say_at_the_end

DOCUMENT = Path(__file__).parents[2] / "docs" / "compatibility.md"
TITLE = "matrix of containerds"
OLD, NEW = "20260518.0", "20260905.0"


@dataclass(frozen=True, slots=True)
class Row:
    """A containerd, and the kind of configuration that it has."""

    daemon: str
    file: str

    def __str__(self) -> str:
        return f"{self.daemon}, {self.file}"

    @property
    def release(self) -> str:
        """The release of gVisor that is installed: of the two, the one with fewer bytes for most rows."""
        return NEW if self.file == OWN else OLD

    @property
    def key(self) -> str:
        """How its line in the document begins."""
        return f"| {self.daemon} | {self.file} |"


OWN, NONE, DEBIANS, OLDEST = "its own, with a drop-in", "no file", "Debian's", "no version"
TWO, THREE = "as 1.7 writes it", "as 2.0 writes it"
SILENT, UNSTATED, DEAD = "no runtime", "no version, newer ids", "a dead table"
FOR_PODS = (OWN, TWO, THREE)
"""With the others no pod can run in the lab: they say nothing of its network and images."""
_FILES = {
    DEBIAN: (OWN, DEBIANS),
    "1.7.35": (OWN, NONE, DEBIANS, OLDEST, SILENT),
    "2.0.14": (OWN, TWO),
    "2.1.9": (OWN, TWO),
    "2.2.9": (OWN, TWO),
    "2.3.4": (OWN, THREE, TWO),
    "2.3.7": (OWN, THREE, TWO),
    "2.4.2": (OWN, NONE, THREE, TWO, OLDEST, UNSTATED, DEAD),
}
ROWS = tuple(Row(daemon, file) for daemon, files in _FILES.items() for file in files)


def keep(row: Row, version: int, result: str, seconds: float) -> None:
    """Have a row printed at the end, and hold the document against it, or write it there."""
    line = f"{row.key} {version or 'none'} | {row.release} | {result} |"
    with FileLock(RUN / "matrix.lock"):
        (RUN / f"{ROWS.index(row):02}.matrix").write_text(f"{seconds:5.1f} s  {line}")
        say_at_the_end(TITLE, [file.read_text() for file in sorted(RUN.glob("*.matrix"))])
        if os.environ.get("UPDATE_GOLDEN"):
            lines = {**lines_of(DOCUMENT.read_text()), row.key: line}
            kept = [lines[each.key] for each in ROWS if each.key in lines]
            DOCUMENT.write_text(document(DOCUMENT.read_text(), kept))
    assert line == lines_of(DOCUMENT.read_text()).get(row.key)


def lines_of(text: str) -> dict[str, str]:
    """Find the rows' lines in the document."""
    return {row.key: line for row in ROWS for line in text.splitlines() if line.startswith(row.key)}


def document(text: str, lines: Sequence[str]) -> str:
    """Write the document's two tables anew, and leave its words."""
    text = _with_table(text, "| containerd | gVisor |", [_known(row) for row in compatibility.TABLE])
    return _with_table(text, "| containerd | file |", lines)


def _with_table(text: str, header: str, lines: Sequence[str]) -> str:
    before, found, after = text.partition(header)
    head, rule, *rest = after.splitlines(keepends=True)
    left = dropwhile(lambda line: line.startswith("|"), rest)
    return "".join([before, found, head, rule, *(f"{line}\n" for line in lines), *left])


def _known(row: compatibility.Row) -> str:
    result = f"no: {row.reason}; {row.way_out}" if row.reason else "yes"
    return f"| {_span(row.daemons)} | {_span(row.releases)} | {result} | {row.source} |"


def _span(span: Span) -> str:
    since = f"from {_dotted(span.since)}" if span.since else ""
    before = f"before {_dotted(span.before)}" if span.before else ""
    return ", ".join(filter(None, (since, before))) or "all"


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
