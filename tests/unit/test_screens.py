"""The screens that docs/ shows: what the program prints, in its structure. `script/screens` writes them anew.

Those of docs/tour.md are made by runs on a real node (tests/lab/test_tour.py), the others here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.reports.plan import plan_texts
from tests.support.documents import CHECKOUT, DOCS, Block, blocks
from tests.support.plans import UPGRADE

GOLDEN = CHECKOUT / "tests" / "golden"
TEMPLATE = CHECKOUT / "templates" / "inventory" / "inventory.md.j2"
"""Of which docs/inventory.md is made."""
LEFT_OUT = "…"
"""A line that begins with it stands for any lines of the real screen."""


def _from_golden(name: str) -> Callable[[Path], str]:
    return lambda _folder: (GOLDEN / name).read_text()


def _four_upgrades(_folder: Path) -> str:
    releases = ("20260518.0-4bfd06580170", "20260905.0-771ae61005de")
    plans = [replace(UPGRADE, node=f"worker{number}", releases=releases) for number in range(1, 5)]
    return "\n".join(plan_texts(plans))


def _settings(folder: Path) -> str:
    """Run what docs/inventory.md shows, with the inventory that it shows."""
    page = list(blocks(DOCS / "inventory.md"))
    shown = next(each for each in page if each.language == "console")
    (folder / "inventory.toml").write_text(next(each for each in page if each.language == "toml").text)
    words = shown.text.splitlines()[0].split()[2:]
    argv = [sys.executable, "-m", "nodeprov", *words, "--inventory", "inventory.toml"]
    output = run_program(argv, folder=folder, environment={"PYTHONPATH": str(CHECKOUT)})
    return f"$ nodeprov {' '.join(words)}\n{output.text}"


SCREENS: Mapping[tuple[str, str], Callable[[Path], str]] = {
    ("fleet.md", "worker1: install: "): _four_upgrades,
    ("fleet.md", "wave 2 of 7"): _from_golden("live/80x24-48.txt"),
    ("fleet.md", "node     result"): _from_golden("report/run-table.txt"),
    ("inventory.md", "$ nodeprov inventory"): _settings,
}
"""Where each screen is from, by its page and how it begins."""

BY_RUNS = "tour.md"
FORMATS = (
    ("messages.md", "worker1: a runtime handler"),
    ("policy.md", "metadata:"),
    ("releases.md", "dists/20260905/InRelease"),
    ("releases.md", "ann@example.com namespaces"),
    ("security.md", "timeout -k 5 60 sh -c"),
    ("security.md", "env LC_ALL=C sudo"),
    ("security.md", "sh base64 timeout env"),
    ("security.md", "deploy ALL=(root) ALL"),
)
"""Files, lists and forms, of which the page itself has the words."""
LINES: Mapping[tuple[str, str], str] = {
    ("fleet.md", "window 02:00-04:00"): "tests/unit/engine/test_window.py",
    ("policy.md", "shop: Deployment web"): "tests/unit/kubernetes/policy/test_audit.py",
    ("reliability.md", "faults tried: 456"): "tests/unit/test_fault_table.py",
    ("upgrades.md", "note: containerd is not restarted"): "tests/unit/engine/test_notes.py",
    ("upgrades.md", "note: in pods, from 20260518.0 to 20260905.0: eBPF"): "tests/lab/test_probe.py",
    (
        "upgrades.md",
        "note: in pods, from 20260518.0 to 20260905.0: 13 system",
    ): "tests/unit/runtimes/gvisor/test_system_calls.py",
    ("upgrades.md", "note: keeps 20260905.0"): "tests/lab/test_rollback.py",
}
"""A few lines of a longer screen, and the tests that hold their words."""
NO_SCREENS = (*FORMATS, *LINES)


def shown_in(document: Path) -> Iterator[Block]:
    """Find what a page shows of a terminal."""
    return (each for each in blocks(document) if each.language in ("console", "text"))


ALL = [each for document in sorted(DOCS.glob("*.md")) if document.name != BY_RUNS for each in shown_in(document)]


def key_of(block: Block) -> tuple[str, str]:
    known = [*SCREENS, *NO_SCREENS]
    found = [each for each in known if each[0] == block.document.name and block.text.startswith(each[1])]
    return found[0] if found else (block.document.name, block.text[:40])


def structure(line: str) -> str:
    """Take away what differs from one run to another: numbers and widths."""
    return re.sub(r"\d+(\.\d+)?( (kB|MB))?", "0", re.sub(r" +", " ", line.strip()))


def missing(shown: str, real: str) -> list[str]:
    """List the lines that are shown and that the real screen does not have, or has in another place."""
    rest, lost = [structure(line) for line in real.splitlines()], []
    for line in shown.splitlines():
        if line.strip().startswith(LEFT_OUT):
            continue
        if (wanted := structure(line)) in rest:
            rest = rest[rest.index(wanted) + 1 :]
        else:
            lost.append(line)
    return lost


@pytest.mark.parametrize("block", [each for each in ALL if key_of(each) not in NO_SCREENS], ids=str)
def test_a_screen_that_is_shown_is_what_the_program_prints(block: Block, tmp_path: Path) -> None:
    assert key_of(block) in SCREENS, "a screen needs a source in this table"
    real = SCREENS[key_of(block)](tmp_path).rstrip("\n")
    if os.environ.get("UPDATE_GOLDEN") and missing(block.text, real):
        for path in (block.document, TEMPLATE):  # in full: what is of no use is then left out by hand
            path.write_text(path.read_text().replace(block.text, real))
        return
    assert missing(block.text, real) == [], "script/screens writes it anew"


@pytest.mark.parametrize("test", sorted(LINES.values()))
def test_what_holds_the_words_of_a_few_lines_is_there(test: str) -> None:
    assert (CHECKOUT / test).is_file()


def test_a_screen_of_another_structure_is_found() -> None:
    real = "worker1: done  0:42\n  a\n  b\n3 nodes: 2 done"
    assert missing("worker1: done 1:07\n  …\n4 nodes: 1 done", real) == []
    assert missing("worker1: failed  0:42", real) == ["worker1: failed  0:42"]
    assert missing("  b\n  a", real) == ["  a"]
