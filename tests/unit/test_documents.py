"""What README and docs/ show: commands that exist, files that parse, links that lead somewhere."""

from __future__ import annotations

import ast
import json
import os
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from nodeprov.cli.app import load_command
from nodeprov.cli.main import COMMANDS
from nodeprov.hosts.local import run_program
from tests.support.documents import (
    CHECKOUT,
    DOCS,
    DOCUMENTS,
    Block,
    anchors,
    blocks,
    commands,
    is_typed,
    links,
    unrun,
)

ALL = [block for document in DOCUMENTS for block in blocks(document)]
SHOWN = [(block, words) for block in ALL for words in commands(block)]
OF_THE_PROGRAM = {"--version", "--help", "--install-completion", "--show-completion"}

READERS: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
    "json": json.loads,
}


@cache
def _command(name: str) -> Any:
    return load_command(name)


def _faults(words: list[str]) -> str:
    """Say what is wrong with a command line; nothing of it is run."""
    if words[0] in OF_THE_PROGRAM:
        return ""
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    command, rest = _command(words[0]), words[1:]
    while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"{command.name} has no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    context = command.context_class(command, info_name=command.name, **command.context_settings)
    try:
        command.make_parser(context).parse_args(args=rest)
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return ""


def test_commands_are_found() -> None:
    assert len(SHOWN) > 120
    assert len({words[0] for _, words in SHOWN}) > 20


@pytest.mark.parametrize(("block", "words"), SHOWN, ids=lambda each: str(each) if isinstance(each, Block) else "")
def test_a_command_that_is_shown_can_be_typed(block: Block, words: list[str]) -> None:
    assert _faults(words) == "", f"{block}: nodeprov {' '.join(words)}"


@pytest.mark.parametrize("block", [block for block in ALL if is_typed(block)], ids=str)
def test_what_is_typed_is_run_by_a_test_or_says_why_not(block: Block) -> None:
    assert unrun(block) == "", f"{block}: {block.text}"


@pytest.mark.parametrize(
    "fate",
    ["", "run: somewhere", "not run: ", "run by tests/nosuchfile.py", "run by tests/unit/test_house.py"],
)
def test_a_block_whose_fate_is_open_is_found(fate: str) -> None:
    assert unrun(Block(DOCS / "index.md", 1, "", "nodeprov adopt worker1", fate))


@pytest.mark.parametrize("block", [each for each in ALL if each.fate == "run: without a node"], ids=str)
def test_what_needs_no_node_does_what_the_page_says(block: Block, tmp_path: Path) -> None:
    for line in block.lines:
        (tmp_path / "inventory.toml").write_text(_inventory(block.document))
        ended = run_program(["sh", "-c", line], folder=tmp_path, environment=_in_an_empty_home(tmp_path))
        assert ended.returncode == 0, f"{block}: {line}: {ended.said}"
        shown = [each for each in block.text.splitlines() if each[:2] != "$ " and each.strip(" …")]
        if block.language == "console":
            printed = ended.stdout.decode().replace(f"{tmp_path}/", "")
            assert [each for each in shown if each not in printed] == []


def _inventory(document: Path) -> str:
    """Take the first one that a page shows, or another."""
    shown = (each.text for each in blocks(document) if each.language == "toml" and "[nodes." in each.text)
    return next(shown, '[release]\nversion = "20260905.0"\n[nodes.worker1]\n')


def _in_an_empty_home(home: Path) -> dict[str, str]:
    program = Path(sys.executable).parent
    return {"HOME": str(home), "XDG_STATE_HOME": str(home), "PATH": f"{program}:{os.environ['PATH']}"}


@pytest.mark.parametrize("line", ["plan --nosuchoption", "nosuchcommand", "lab nosuchcommand", "plan --out"])
def test_a_command_that_cannot_be_typed_is_found(line: str) -> None:
    assert _faults(line.split())


@pytest.mark.parametrize("block", [block for block in ALL if block.language in READERS], ids=str)
def test_a_file_that_is_shown_can_be_read(block: Block) -> None:
    READERS[block.language](block.text.replace("…", ""))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_and_a_heading_that_are_there(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        if path.startswith(("https:", "http:")):
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if document.parent == DOCS:
            assert target.is_relative_to(DOCS), f"{link}: the site has only what is in docs/"
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(
    "document", sorted({*DOCS.glob("*.md")} - {DOCS / "index.md"}), ids=lambda path: path.name
)
def test_a_page_is_linked_from_another_one(document: Path) -> None:
    others = [each for each in DOCUMENTS if each != document]
    assert any(link.partition("#")[0].endswith(document.name) for each in others for link in links(each))


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) < 150
