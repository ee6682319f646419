"""docs/performance.md: the tables of ratios, their picture, and the line through the sizes of a fleet."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Line, Result, line
from benchmarks.site import FOLDER, peers
from nodeprov.hosts.local import run_checked

DOCUMENT = Path("docs/performance.md")
Results = Mapping[int, Sequence[Result]]
"""The results by the number of nodes; the first of each is what the others are measured by."""


def fleet_table(results: Results) -> str:
    """Write ratios by contender and number of nodes, and the lines through them, as Markdown."""
    sizes = [*results]
    names = [each.name for each in results[sizes[0]]]
    head = ["", *(_nodes(size) for size in sizes), "seconds", "linear", "processor seconds here", "memory here"]
    return _markdown(
        head, [[name, *(_ratio(results[size], name) for size in sizes), *_fits(results, name)] for name in names]
    )


def table(results: Sequence[Result]) -> str:
    """Write what was measured side by side, as Markdown; the ratio is to the first."""
    head = ["", "ratio", "seconds", "slowest", "processor seconds here", "memory here"]
    first = results[0].seconds
    rows = [
        [
            each.name,
            f"{each.seconds / first:.2f}",
            f"{each.seconds:.2f}",
            f"{each.slowest:.2f}",
            f"{each.processor_seconds:.2f}",
            f"{each.mebibytes:.0f} MiB",
        ]
        for each in results
    ]
    return _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _nodes(size: int) -> str:
    return "1 node" if size == 1 else f"{size} nodes"


def _of(results: Sequence[Result], name: str) -> Result:
    return next(each for each in results if each.name == name)


def _ratio(results: Sequence[Result], name: str) -> str:
    base, found = results[0], _of(results, name)
    return f"{found.seconds / base.seconds:.2f} ({found.seconds:.2f} s)"


def _fits(results: Results, name: str) -> tuple[str, str, str, str]:
    """Say what is fixed and what each node adds."""

    def fit(value: Callable[[Result], float]) -> Line:
        return line([(size, value(_of(found, name))) for size, found in results.items()])

    if len(results) < 3:
        return "-", "-", "-", f"{max(_of(found, name).mebibytes for found in results.values()):.0f} MiB"
    seconds, processor, memory = (
        fit(lambda it: it.seconds),
        fit(lambda it: it.processor_seconds),
        fit(lambda it: it.mebibytes),
    )
    return (
        f"{seconds.fixed:.2f} + {seconds.each * 1000:.1f} ms a node",
        f"R² {seconds.explained:.3f}",
        f"{processor.fixed:.2f} + {processor.each * 1000:.1f} ms a node",
        f"{memory.fixed:.0f} + {memory.each:.2f} MiB a node",
    )


def write(what: str, said: str, body: str) -> None:
    """Replace one measurement's part of docs/performance.md; `said` is what was run, and how."""
    part = f"{datetime.now(UTC).date()}, {said}:\n\n{body}"
    marked = re.compile(rf"(<!-- {what} -->\n).*?(<!-- end -->)", re.DOTALL)
    text = DOCUMENT.read_text()
    if not marked.search(text):  # it was never measured before
        text += f"\n<!-- {what} -->\n\n<!-- end -->\n"
    DOCUMENT.write_text(marked.sub(lambda found: f"{found[1]}{part}\n{found[2]}", text))


def draw(what: str, results: Results) -> str:
    """Draw seconds by nodes beside the document; return the words that show it."""
    picture = DOCUMENT.with_name(f"performance-{what}.svg")
    data = {size: [asdict(each) for each in found] for size, found in results.items()}
    drawing = [str(peers() / "python"), str(FOLDER / "draw.py"), str(picture)]
    run_checked(drawing, "cannot draw the picture", stdin=json.dumps(data).encode())
    return f"![seconds by nodes]({picture.name})"
