"""A tree as it is read."""

from __future__ import annotations

import os
from pathlib import Path

from nodeprov.hosts.local import LocalHost
from nodeprov.plan.resources.tree import TreeAt
from nodeprov.states import TreeEntry, TreeState


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
