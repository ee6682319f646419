"""The node around a pod: what lies on it already is linked there, and all else is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import CommandFailed
from nodeprov.hosts.namespaces import NamespacesHost


@pytest.fixture
def host(tmp_path: Path) -> NamespacesHost:
    """A host whose folder `there` is called `here` on this side."""
    for name in ("there", "target"):
        (tmp_path / name).mkdir()
    (tmp_path / "there" / "bin").mkdir()
    (tmp_path / "there" / "bin" / "it's a").write_bytes(b"a")
    (tmp_path / "here").symlink_to("there")
    return NamespacesHost("n", enter=(), mounted={tmp_path / "here": str(tmp_path / "there")})


def test_a_file_of_the_node_is_linked_and_another_one_is_sent(host: NamespacesHost, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    heard: list[tuple[str, int, int]] = []
    host.watch_uploads(lambda name, done, total: heard.append((name, done, total)))
    host.upload(
        [(tmp_path / "here/bin/it's a", "bin/it's a"), (tmp_path / "mine", "mine")], str(tmp_path / "target")
    )
    there, linked = tmp_path / "there/bin/it's a", tmp_path / "target/bin/it's a"
    assert linked.stat().st_ino == there.stat().st_ino
    assert (tmp_path / "target/mine").read_bytes() == b"mine"
    assert heard == [("bin/it's a", 1, 1), ("mine", 4, 4)]


def test_where_there_are_no_hard_links_it_is_copied(host: NamespacesHost, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system")
    folder = other / f"nodeprov-test-{tmp_path.name}"
    folder.mkdir()
    try:
        host.upload([(tmp_path / "here/bin/it's a", "a")], str(folder))
        assert (folder / "a").read_bytes() == b"a"
    finally:
        (folder / "a").unlink(missing_ok=True)
        folder.rmdir()


def test_a_file_that_is_gone_is_reported(host: NamespacesHost, tmp_path: Path) -> None:
    (tmp_path / "there/bin/b").write_bytes(b"")
    moved = NamespacesHost("n", enter=(), mounted={tmp_path / "here": str(tmp_path / "elsewhere")})
    with pytest.raises(CommandFailed, match="cannot take files into"):
        moved.upload([(tmp_path / "here/bin/b", "b")], str(tmp_path / "target"))
