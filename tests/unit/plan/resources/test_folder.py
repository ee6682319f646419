"""A folder that can only be taken away."""

from __future__ import annotations

from pathlib import Path

from nodeprov.hosts.local import LocalHost
from nodeprov.plan.resources.folder import Folder
from nodeprov.states import PresentState


def test_it_is_taken_away_with_what_is_in_it_and_with_folders_of_ours_that_are_empty_then(
    host: LocalHost, tmp_path: Path
) -> None:
    path = tmp_path / "ours" / "in" / "old"
    path.mkdir(parents=True)
    (path / "file").write_text("x")
    folder = Folder(str(path), within=str(tmp_path / "ours"))
    assert (folder.key, folder.title, folder.collected) == (f"folder:{path}", f"folder {path}", True)
    assert host.ask([folder.query]) == [PresentState()]
    folder.write(host, PresentState())
    assert host.ask([folder.query]) == [PresentState()], "it is there already"
    folder.write(host, None)
    assert host.ask([folder.query]) == [None]
    assert [each.name for each in tmp_path.iterdir()] == ["ours"]
    assert list((tmp_path / "ours").iterdir()) == []
