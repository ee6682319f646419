"""What this machine remembers of nodes, as a file of this user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeprov.inventory import parse
from nodeprov.node.memory import Memory, Remembered
from nodeprov.node.watched import Watched

TEXT = '[release]\nversion = "20260905.0"\n[cluster]\nenabled = false\n[nodes.a]\n[nodes.b]\n'
A, B = parse(TEXT, "i.toml").nodes
WATCHED = Watched.of(["/x/y"], values=["/proc/v"], processes=[7], written=["/x"], started=["/x/y"])
FOUND = Remembered(("a note",), WATCHED, "5ee4", "c1u5", ("20260518.0", "20260905.0"))


def test_what_is_kept_is_found_again_for_the_same_node_and_settings_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "m")
    memory.keep(A, FOUND)
    assert memory.of(A) == FOUND
    assert memory.of(B) is None
    (other,) = parse(TEXT.replace("[nodes.b]\n", "").replace("0905.0", "0906.0"), "i.toml").nodes
    assert memory.of(other) is None
    (in_waves, _) = parse(f"{TEXT}[rollout]\ncanary = 1\n", "i.toml").nodes
    assert memory.of(in_waves) == FOUND
    memory.forget(A)
    assert memory.of(A) is None


def test_another_nodeprov_has_other_conclusions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    monkeypatch.setattr("nodeprov.__version__", "0.0.1")
    assert memory.of(A) is None


DAMAGE: Mapping[str, Any] = {
    "empty": "",
    "cut off": '{"key": "',
    "no object": "[]",
    "nested without end": "[" * 100_000,
    "no JSON": "\x00\xff",
    "without notes": {"notes": None},
    "notes of numbers": {"notes": [1]},
    "no digest": {"seen": 1},
    "nothing watched": {"watched": {}},
    "files that are a word": {"watched": {**WATCHED.to_json(), "files": "/etc"}},
    "processes that are words": {"watched": {**WATCHED.to_json(), "processes": ["1; reboot"]}},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_damaged_is_not_remembered_at_all(tmp_path: Path, damage: Any) -> None:
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    (file,) = tmp_path.iterdir()
    text = damage if isinstance(damage, str) else json.dumps({**json.loads(file.read_text()), **damage})
    file.write_text(text, encoding="latin-1")
    assert memory.of(A) is None
    memory.keep(A, FOUND)
    assert memory.of(A) == FOUND


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_have_written_is_not_believed(tmp_path: Path, mode: int) -> None:
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    (file,) = tmp_path.iterdir()
    file.chmod(mode)
    assert memory.of(A) is None


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "m")
    memory.keep(A, FOUND)
    memory.forget(A)
    assert memory.of(A) is None


def test_there_is_a_limit_to_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeprov.node.memory.MOST_NODES", 1)
    memory = Memory(tmp_path)
    memory.keep(A, FOUND)
    memory.keep(B, FOUND)
    assert (memory.of(A), memory.of(B)) == (None, FOUND)
