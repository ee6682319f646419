"""`nodeprov calibrate` with arguments that mean nothing; what it measures: tests/lab/test_calibrate.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import INVENTORY, at_home, said

HANDLERS = """
[handlers.runsc-kvm]
platform = "kvm"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "nodeprov.toml").write_text(f"{INVENTORY}{HANDLERS}")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("worker1", "--request", "much"), "'much' is not an amount of memory"),
        (("worker1", "--request", "0"), "'0' is not an amount of memory"),
        (("worker1", "--request=-1Gi"), "'-1Gi' is not an amount of memory"),
        (("worker1", "--containers", "0"), "--containers"),
        (("worker*",), "worker* is 2 nodes"),
        (("worker9",), "worker9"),
        (("worker1", "--handler", "other"), "no handler other"),
        (("worker1", "--handler", "runsc-next"), "is a canary"),
        (("worker1", "--apply", "--json"), "two things"),
        (("worker1", "--apply"), "no terminal to confirm on"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_reached(
    home: Path, arguments: tuple[str, ...], words: str
) -> None:
    output = at_home(home, "calibrate", *arguments)
    assert output.returncode == 2
    assert words in said(output)
    assert "hint: " in said(output)


@pytest.mark.parametrize("more", [(), ("--apply", "--yes"), ("--apply", "--yes", "--handler", "runsc-kvm")])
def test_a_node_that_cannot_be_reached_is_named(home: Path, more: tuple[str, ...]) -> None:
    output = at_home(home, "calibrate", "worker1", *more)
    assert (output.returncode, output.text) == (1, "")
    assert "worker1 (127.0.0.1): cannot be reached" in said(output)
    assert "hint: " in said(output)
