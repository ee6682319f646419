"""How long `nodeprov check` takes beside PyYAML's own C loader, which only reads the same files."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.apart import Run, run_apart

CHECKOUT = Path(__file__).resolve().parents[1]
PYTHON = str(CHECKOUT / ".venv" / "bin" / "python")
MANIFESTS, ROUNDS = 1000, 9
READ = """\
import sys, yaml
for path in sys.argv[1:]:
    with open(path) as file:
        list(yaml.load_all(file, Loader=yaml.CSafeLoader))
"""
DONE = (0, 1, 3)
"""What a check ends with: what is found is no failure of it."""


def main(manifests: int, rounds: int) -> str:
    """Check so many files in turn with reading them; write the medians, and their ratio."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        paths = _copies(Path(folder), manifests)
        commands = {
            "PyYAML's C loader": [PYTHON, "-c", READ, *paths],
            "nodeprov check": [PYTHON, "-m", "nodeprov", "check", *paths],
        }
        found: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, argv in commands.items():
                found[name].append(_once(argv, folder))
    lines = [
        f"{name}: {statistics.median(each.processor_seconds for each in runs):.2f} s of the processor, "
        f"{statistics.median(each.seconds for each in runs):.2f} s by the clock"
        for name, runs in found.items()
    ]
    ratios = [
        check.processor_seconds / read.processor_seconds for read, check in zip(*found.values(), strict=True)
    ]
    said = f"{statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
    about = f"{manifests} files of the tests' manifests, {rounds} rounds, load of the machine before it {load:.1f}"
    return "\n".join([*lines, f"nodeprov check takes {said}", about])


def _copies(folder: Path, manifests: int) -> list[str]:
    """Write so many files: the manifests of the tests, again and again."""
    texts = [path.read_text() for path in sorted((CHECKOUT / "tests/support/manifests").glob("*.yaml"))]
    paths = [folder / f"{number}.yaml" for number in range(manifests)]
    for number, path in enumerate(paths):
        path.write_text(texts[number % len(texts)])
    return [str(path) for path in paths]


def _once(argv: Sequence[str], folder: str) -> Run:
    with tempfile.TemporaryFile() as out:
        code, run = run_apart(argv, out, environment={**os.environ, "PYTHONPATH": str(CHECKOUT)}, folder=folder)
        out.seek(0)
        if code not in DONE:
            sys.exit(f"{argv[2]} ended with {code}:\n{out.read().decode(errors='replace')[-2000:]}")
    return run
