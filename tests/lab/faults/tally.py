"""What came of all faults of a run of the tests, in whatever process they were acted."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from tests.conftest import RUN, say_at_the_end
from tests.lab.faults.judge import AS_BEFORE, AS_WANTED, ELSE
from tests.lab.faults.lives import Tried

TITLE = "faults acted out"


def add(tried: Sequence[Tried]) -> None:
    """Add faults to those of this run of the tests, and to the file that $NODEPROV_FAULTS_KEEP names."""
    lines = "".join(json.dumps(asdict(each)) + "\n" for each in tried)
    kept = os.environ.get("NODEPROV_FAULTS_KEEP")
    with FileLock(RUN / "faults.lock"):
        for path in (RUN / "faults.jsonl", *([Path(kept)] if kept else [])):
            with path.open("a") as file:
                file.write(lines)
        say_at_the_end(TITLE, table(read(RUN / "faults.jsonl")))


def read(path: Path) -> list[Tried]:
    """Read what was tried."""
    return [Tried(**json.loads(line)) for line in path.read_text().splitlines()]


def table(tried: Sequence[Tried]) -> list[str]:
    """Write the table by fault, and its sum as the last line."""
    by_fault: dict[str, list[Tried]] = defaultdict(list)
    for each in tried:
        by_fault[each.fault].append(each)
    width = max(map(len, by_fault), default=0)
    lines = [f"{'fault':{width}}  tried  as before  as wanted  anything else"]
    for name, some in sorted(by_fault.items()):
        counts = [sum(each.outcome == outcome for each in some) for outcome in (AS_BEFORE, AS_WANTED, ELSE)]
        lines.append(f"{name:{width}}  {len(some):5}  {counts[0]:9}  {counts[1]:9}  {counts[2]:13}")
    lines += [f"{e.fault}, {e.action}, {e.point}: {e.wrong}" for e in tried if e.outcome == ELSE]
    return [*lines, sum_of(tried)]


def sum_of(tried: Sequence[Tried]) -> str:
    """Write the sum of it all."""
    before, wanted, other = (sum(e.outcome == outcome for e in tried) for outcome in (AS_BEFORE, AS_WANTED, ELSE))
    return f"faults tried: {len(tried)}, as before: {before}, as wanted: {wanted}, anything else: {other}"
