"""A file that is to be written in a folder in which this user may not even look."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodeprov.cli.events import check_events
from nodeprov.cli.plan import save
from nodeprov.cli.report import check_report
from nodeprov.engine import Install, context, saved_plan
from nodeprov.errors import NodeprovError
from nodeprov.inventory import Inventory
from nodeprov.local_files import new_file, refuse_existing, write_private, write_whole
from nodeprov.reports import run_report
from nodeprov.runtimes.gvisor.family import GVISOR

ARE_IMPORTED = (context, run_report, saved_plan)  # whose files the other user may not read
NOBODY = 65534


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield folder / "deeper" / "x"
    os.seteuid(user)


def _make(path: Path) -> None:
    with new_file(path):
        pass


WRITING: dict[str, Callable[[Path], object]] = {
    "check_events": check_events,
    "check_report": check_report,
    "new_file": _make,
    "refuse_existing": refuse_existing,
    "save": lambda path: save(path, Inventory("", ()), [], Install(GVISOR)),
    "write_private": lambda path: write_private(path, b""),
    "write_whole": lambda path: write_whole(path, b"", option="--sarif"),
}


@pytest.mark.parametrize("name", WRITING)
def test_it_is_an_error_in_words(forbidden: Path, name: str) -> None:
    with pytest.raises(NodeprovError, match="Permission denied") as caught:
        WRITING[name](forbidden)
    assert caught.value.hint.startswith("name another") or "another folder" in caught.value.hint
