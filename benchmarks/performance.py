"""docs/performance.md: the tables of ratios, their picture, and the line through the sizes of a fleet."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Result, line
from benchmarks.site import FOLDER, peers
from nodeprov.hosts.local import run_checked

DOCUMENT = Path("docs/performance.md")
Results = Mapping[int, Sequence[Result]]
"""The results by the number of nodes; the first of each is what the others are measured by."""


def show(results: Results) -> None:
    """Print the tables."""
    print(table(results))


def table(results: Results) -> str:
    """Write ratios by contender and number of nodes, and the line through them, as Markdown."""
    sizes = [*results]
    names = [each.name for each in results[sizes[0]]]
    head = ["", *(f"{size} nodes" for size in sizes), "largest memory", "fixed + each node"]
    rows = [[name, *(_ratio(results[size], name) for size in sizes), *_end(results, name)] for name in names]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _of(results: Sequence[Result], name: str) -> Result:
    return next(each for each in results if each.name == name)


def _ratio(results: Sequence[Result], name: str) -> str:
    base, found = results[0], _of(results, name)
    said = f"{found.seconds / base.seconds:.2f}"
    return f"{said} ({found.seconds:.2f} s)"


def _end(results: Results, name: str) -> tuple[str, str]:
    largest = max(_of(found, name).mebibytes for found in results.values())
    if len(results) < 3:
        return f"{largest:.0f} MiB", "-"
    fixed, each = line([(size, _of(found, name).seconds) for size, found in results.items()])
    return f"{largest:.0f} MiB", f"{fixed:.2f} s + {each * 1000:.0f} ms"


def write(what: str, results: Results, command: str) -> None:
    """Replace one measurement's part of docs/performance.md, and draw its picture."""
    picture = DOCUMENT.with_name(f"performance-{what}.svg")
    data = {size: [asdict(each) for each in found] for size, found in results.items()}
    drawing = [str(peers() / "python"), str(FOLDER / "draw.py"), str(picture)]
    run_checked(drawing, "cannot draw the picture", stdin=json.dumps(data).encode())
    said = f"{datetime.now(UTC).date()}, `{command}`, medians; the ratio is to the first row:"
    part = f"{said}\n\n{table(results)}\n\n![seconds by nodes]({picture.name})"
    marked = re.compile(rf"(<!-- {what} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    text = DOCUMENT.read_text()
    if not marked.search(text):  # it was never measured before
        text += f"\n<!-- {what} -->\n\n<!-- end -->\n"
    DOCUMENT.write_text(marked.sub(lambda found: f"{found[1]}{part}{found[2]}", text))
