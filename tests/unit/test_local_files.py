"""Files of this machine."""

from __future__ import annotations

import errno
import os
import socket
from functools import partial
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.local_files import (
    LARGEST_BYTES,
    new_file,
    read_bounded,
    refuse_existing,
    write_new,
    write_private,
    write_whole,
)


def test_a_private_file_is_ours_alone_and_complete_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    with pytest.raises(UsageError, match="cannot write"):
        write_private(tmp_path / "none" / "x", b"")
    assert [each.name for each in tmp_path.iterdir()] == ["x.plan"]


def test_what_is_no_file_stays_and_is_written_to(tmp_path: Path) -> None:
    """As root a rename would put a file in the place of /dev/null; here it is a pipe, and links in a folder."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    for name, write in (("pipe", write_private), ("link", partial(write_whole, option="--sarif"))):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        write(tmp_path / name, b"all of it")
        with os.fdopen(reader, "rb") as read:
            assert read.read() == b"all of it"
    assert pipe.is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_a_terminal_stays_and_is_written_to(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    (tmp_path / "terminal").symlink_to(os.ttyname(theirs))
    write_whole(tmp_path / "terminal", b"said", option="--sarif")
    assert os.read(ours, 100) == b"said"
    assert (tmp_path / "terminal").is_symlink()
    os.close(ours)
    os.close(theirs)


def test_what_takes_nothing_stays_and_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, why in (("full", "No space left on device"), ("socket", "No such device or address")):
            with pytest.raises(UsageError, match=f"^cannot write .*/{name}: {why}\n"):
                write_whole(tmp_path / name, b"said", option="--sarif")
    assert (tmp_path / "full").is_symlink()
    assert (tmp_path / "socket").is_socket()


def test_an_open_file_of_ours_goes_on_where_it_is(tmp_path: Path) -> None:
    """`nodeprov check pod.yaml --sarif /dev/stdout > both.txt`, by a link that stands for /dev/stdout."""
    out = tmp_path / "both.txt"
    with out.open("wb", buffering=0) as printed:
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{printed.fileno()}")
        printed.write(b"before, ")
        write_whole(tmp_path / "stdout", b"the report, ", option="--sarif")
        printed.write(b"after")
    assert out.read_text() == "before, the report, after"
    assert (tmp_path / "stdout").is_symlink()


def test_links_without_end_are_replaced_and_one_to_a_file_too(tmp_path: Path) -> None:
    """A file that others have put a link to is not ours to write."""
    (tmp_path / "theirs").write_text("theirs")
    for name, target in (("a", "b"), ("b", "a"), ("c", "theirs"), ("d", "nowhere")):
        (tmp_path / name).symlink_to(target)
    for name in "abcd":
        write_whole(tmp_path / name, b"ours", option="--sarif")
        assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("place", [".", "/", "/tmp"])
def test_a_folder_is_no_place_for_a_file(place: str) -> None:
    with pytest.raises(UsageError, match="it is a folder"):
        write_private(Path(place), b"x")


def test_a_new_file_is_not_written_over_anything_and_its_mode_is_what_the_user_wants(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    umask = os.umask(0o027)
    try:
        write_new(path, b"mine")
    finally:
        os.umask(umask)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"mine", 0o640)
    (tmp_path / "link.toml").symlink_to("nowhere")
    for name in ("new.toml", "link.toml"):
        with pytest.raises(UsageError, match="exists, and is left as it is"):
            write_new(tmp_path / name, b"other")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.toml", "new.toml"]
    with pytest.raises(NodeprovError, match=r"cannot write .*: No such file or directory"):
        refuse_existing(tmp_path / "none" / "x")
    refuse_existing(tmp_path / "y")
    with pytest.raises(NodeprovError, match=r"cannot write .*: No such file"):
        write_new(tmp_path / "none" / "x", b"")


def test_where_there_are_no_hard_links_a_new_file_is_still_not_written_over_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a stick with FAT, which this machine's kernel may not know."""

    def without_links(_self: Path, _target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", without_links)
    path = tmp_path / "bundle.tar"
    write_new(path, b"first")
    with pytest.raises(UsageError, match="is left as it is"):
        write_new(path, b"second")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("bundle.tar", b"first")]


def test_a_new_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def half() -> None:
        with new_file(tmp_path / "x") as file:
            file.write(b"half")
            raise ValueError("in the midst")

    with pytest.raises(ValueError, match="midst"):
        half()
    assert [*tmp_path.iterdir()] == []


def test_a_file_of_somebody_else_is_read_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * LARGEST_BYTES)
    assert len(read_bounded(path, "plan", "")) == LARGEST_BYTES
    path.write_bytes(b"a" * (LARGEST_BYTES + 1))
    with pytest.raises(UsageError, match=r"cannot read the plan .*: it is larger than 16 MiB"):
        read_bounded(path, "plan", "")
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"cannot read the plan .*: it is no UTF-8 text"):
        read_bounded(path, "plan", "")
