"""`nodeprov probe`: what is refused before anything is asked of a node. What it finds is seen on real nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import at_home

INVENTORY = '[release]\nversion = "20260905.0"\n[nodes.worker1]\naddress = "127.0.0.1"\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("worker1", "--json", "--markdown"), "--markdown and --json are two forms"),
        (("worker9",), "worker9"),
        ((), "no node"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    output = at_home(tmp_path, "probe", *arguments)
    assert output.returncode == 2
    assert said in output.stderr.decode() + output.text
