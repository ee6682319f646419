"""Files that a configuration imports, by containerd's own globs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.hosts.local import LocalHost
from nodeprov.node.imported_files import ImportsQuery

HOSTILE_FOLDERS = ("plain", "with blank", "it's", 'a"b', "$HOME `id` $(id)", "semi;colon&", "~", "größe")


@pytest.mark.parametrize("name", HOSTILE_FOLDERS)
def test_a_glob_in_a_hostile_folder_finds_what_it_means(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for file in ("a.toml", "b.toml", "c.conf"):
        (folder / file).write_text(f"# {file}\n")
    patterns = (f"{folder}/*.toml", f"{folder}/c.conf", f"{folder}/missing.toml", f"{folder}/none/*.toml")
    answer = LocalHost().ask([ImportsQuery(patterns)])[0]
    names = ("a.toml", "b.toml", "c.conf")
    assert {path: file.config.text for path, file in answer.items()} == {
        f"{folder}/{file}": f"# {file}\n" for file in names
    }
    for path, file in answer.items():
        assert file.changed_at == pytest.approx(Path(path).stat().st_ctime, abs=1e-5)


def test_without_imports_nothing_is_found() -> None:
    assert LocalHost().ask([ImportsQuery(())]) == [{}]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.toml", {"a.toml", "b.toml", ".hidden.toml"}),
        ("[ab].toml*", {"a.toml", "b.toml"}),
        ("[^a]*.toml", {"b.toml", ".hidden.toml"}),
        ("?.toml*", {"a.toml", "b.toml"}),
        ("?.toml", {"?.toml"}),
        ("[ab].toml", set()),
        ("*.none", set()),
    ],
)
def test_a_glob_is_containerds_and_not_the_shells(tmp_path: Path, pattern: str, found: set[str]) -> None:
    names = {"a.toml", "b.toml", ".hidden.toml", "c.conf"} | ({"?.toml"} if pattern == "?.toml" else set())
    for name in names:
        (tmp_path / name).write_text("")
    answer = LocalHost().ask([ImportsQuery((f"{tmp_path}/{pattern}",))])[0]
    assert set(answer) == {f"{tmp_path}/{name}" for name in found}
