"""What lies on a disk: as it is read, and as it is taken away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.plan.files import FileAt, Folder, LinkAt, PresentAt, TreeAt
from nodeprov.states import LinkState, PresentState, TreeEntry, TreeState


@pytest.mark.parametrize("query", [FileAt, LinkAt])
def test_a_folder_is_neither_a_file_nor_a_link(
    host: LocalHost, tmp_path: Path, query: type[FileAt | LinkAt]
) -> None:
    with pytest.raises(NodeprovError, match=str(tmp_path)) as caught:
        host.ask([query(str(tmp_path))])
    assert caught.value.where == "worker1"


def test_a_dangling_link_is_no_absent_file_and_is_there(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("nowhere")
    with pytest.raises(NodeprovError, match="not a regular file"):
        host.ask([FileAt(f"{tmp_path}/l")])
    assert host.ask([PresentAt(f"{tmp_path}/l"), LinkAt(f"{tmp_path}/l")]) == [
        PresentState(),
        LinkState("nowhere"),
    ]


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


def test_a_tree_names_what_is_no_file_and_what_its_files_are(host: LocalHost, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "in").mkdir(parents=True)
    (tree / "in" / "a file").write_bytes(b"")
    (tree / "in" / "a file").chmod(0o640)
    (tree / "link").symlink_to("in")
    os.mkfifo(tree / "pipe")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert host.ask([TreeAt(str(tree)), TreeAt(f"{tree}/missing")]) == [
        TreeState((TreeEntry("in/a file", 0o640, empty),), ("link", "pipe")),
        None,
    ]
