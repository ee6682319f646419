"""What pages say to type on a node, typed there: the blocks below `<!-- run: on a node -->`, page by page."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from tests.lab.machines import NEW, OLD, WORKER, Machine
from tests.lab.running import installed, variant
from tests.support.documents import DOCUMENTS, Block, blocks
from tests.support.sampling import by_turns

pytestmark = by_turns

PAGES = {
    page.name: [block for block in blocks(page) if block.fate == "run: on a node"]
    for page in DOCUMENTS
    if any(block.fate == "run: on a node" for block in blocks(page))
}
INSTALLED_BEFORE = {
    "operations.md": (OLD,),
    "upgrades.md": (OLD, NEW),
    "runbook.md": (NEW,),
}
"""The releases that the node of a page's examples already has had."""
ASKING = re.compile(r"nodeprov (?:install|uninstall|rollback|gc|adopt|canary \w+)\b(?!.* --yes)")
WAITING = {" --soak 600": " --soak 1"}
PENDING = 3


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_can_be_typed_in_that_order(page: str, worker: Machine, tmp_path: Path) -> None:
    for release in INSTALLED_BEFORE.get(page, ()):
        installed(WORKER, inventory=variant(tmp_path, release__version=f'"{release}"'))
    (tmp_path / "nodeprov.toml").write_text(_only_this_node(variant(tmp_path).read_text()))
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in PAGES[page]:
        for line in block.lines:
            ended = run_program(
                ["sh", "-c", _typed(line)], folder=tmp_path, environment=environment, timeout_seconds=600
            )
            assert ended.returncode in _expected(line), f"{block}: {line}: {ended.said}"


def _typed(line: str) -> str:
    """Answer for whoever would be asked, and wait less."""
    line = ASKING.sub(lambda found: f"{found[0]} --yes", line)
    for long, short in WAITING.items():
        line = line.replace(long, short)
    return line.replace("worker1", WORKER)


def _expected(line: str) -> tuple[int, ...]:
    return (0, PENDING) if line.startswith("nodeprov plan") else (0,)


def _only_this_node(inventory: str) -> str:
    """Leave out the other node, so that `--all` is about this one."""
    return re.sub(rf"^\[nodes\.(?!{WORKER}\]).*?(?=^\[|\Z)", "", inventory, flags=re.MULTILINE | re.DOTALL)


def test_a_line_that_asks_is_answered() -> None:
    asking = Block(
        Path("docs/start.md"), 1, "", "nodeprov install worker1     # asks\nnodeprov install worker1 --yes"
    )
    assert [_typed(line).count("--yes") for line in asking.lines] == [1, 1]
