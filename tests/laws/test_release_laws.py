"""Laws of what is read of an origin: whatever its bytes are, they are understood, or refused in words."""

from __future__ import annotations

import bz2
import re
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodeprov.errors import NodeprovError
from nodeprov.releases.archive import ArchiveLimits, unpack
from nodeprov.releases.artifacts import parse_sum
from nodeprov.releases.programs import check_programs, releases_of_programs
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.support.release_server import member, program, sum_line, tar_of, tree, zstd

BLOCK = 512
LIMITS = ArchiveLimits(members=20, total_bytes=100_000)
GOOD = tar_of(tree("20260905.0"))
KINDS = [b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"L", b"K", b"x", b"g", b"X", b"V", b"\xff"]
NAMES = st.one_of(
    st.sampled_from(["runsc", "./runsc", "runsc/", "a/../runsc", "..", "/", "", "//x", "gvisor-bin/x", "a" * 300]),
    st.text(max_size=12),
)
PAX = st.dictionaries(
    st.sampled_from(
        [
            "path",
            "size",
            "linkpath",
            "mtime",
            "uid",
            "hdrcharset",
            "GNU.sparse.map",
            "GNU.sparse.size",
            "GNU.sparse.major",
            "GNU.sparse.minor",
            "GNU.sparse.name",
            "GNU.sparse.realsize",
            "comment",
        ]
    ),
    st.one_of(st.sampled_from(["-1", "0", "1", "9" * 40, "1,2,3", "BINARY", "../x", "nan"]), st.text(max_size=8)),
    max_size=3,
)


def refused(work: Callable[[], object]) -> NodeprovError | None:
    """Do something that may be refused; nothing else may come of it."""
    try:
        work()
    except NodeprovError as error:
        return error if error.hint else pytest.fail(f"no hint: {error}")
    return None


def unpacked(archive: bytes, name: str) -> bool:
    """Unpack; see that it is done or refused, and that nothing but plain files lies where it should; say which."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "below" / "tree"
        file = Path(top) / name
        file.write_bytes(archive)
        refusal = refused(
            lambda: unpack(file, folder, software="gVisor", on_progress=lambda *_: None, limits=LIMITS)
        )
        if refusal is not None:
            assert refusal.where == name
            assert not folder.exists()
        assert {path.name for path in Path(top).iterdir()} <= {name, "below"}
        assert {path.name for path in (Path(top) / "below").iterdir()} <= {"tree"}
        found = list(folder.rglob("*"))
        assert not [path for path in found if path.is_symlink() or not (path.is_file() or path.is_dir())]
        assert sum(path.stat().st_size for path in found if path.is_file()) <= LIMITS.total_bytes
        return refusal is None


def sealed(archive: bytes) -> bytes:
    """Give each block that may be a header the sum that tar wants, so that its fields are looked at."""
    blocks = [archive[start : start + BLOCK] for start in range(0, len(archive), BLOCK)]
    return b"".join(_sealed(block) if b"ustar" in block[250:270] else block for block in blocks)


def _sealed(block: bytes) -> bytes:
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + f"{sum(blank):06o}\0 ".encode() + block[156:]


@given(st.binary(max_size=2000), st.sampled_from(["gvisor.tar.zstd", "gvisor.tar.bz2"]))
def test_law_any_bytes_are_no_archive(content: bytes, name: str) -> None:
    assert not unpacked(content, name)


@given(st.binary(max_size=3000))
def test_law_any_bytes_that_were_compressed_are_unpacked_or_refused(content: bytes) -> None:
    unpacked(zstd(content), "gvisor.tar.zstd")


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=12)), max_size=6),
    st.integers(0, len(GOOD)),
    st.booleans(),
)
def test_law_a_good_archive_that_was_changed_is_unpacked_or_refused(
    changes: list[tuple[int, bytes]], length: int, is_whole: bool
) -> None:
    content = bytearray(GOOD)
    for place, new in changes:
        content[place : place + len(new)] = new
    unpacked(zstd(sealed(bytes(content[: len(GOOD) if is_whole else length]))), "gvisor.tar.zstd")


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, BLOCK - 1), st.binary(min_size=1, max_size=12)),
        min_size=1,
        max_size=4,
    )
)
def test_law_a_header_that_was_changed_is_understood_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    content = bytearray(GOOD)
    headers = [start for start in range(0, len(GOOD), BLOCK) if GOOD[start + 257 : start + 262] == b"ustar"]
    for number, place, new in changes:
        start = headers[number % len(headers)]
        content[start + place : start + min(BLOCK, place + len(new))] = new[: BLOCK - place]
    unpacked(zstd(sealed(bytes(content))), "gvisor.tar.zstd")


@given(st.binary(min_size=1, max_size=8), st.integers(0, 10_000), st.booleans())
def test_law_a_compressed_archive_that_was_changed_is_unpacked_or_refused(
    new: bytes, place: int, is_zstd: bool
) -> None:
    content = bytearray(zstd(GOOD) if is_zstd else bz2.compress(GOOD))
    place %= len(content)
    content[place : place + len(new)] = new
    unpacked(bytes(content), "gvisor.tar.zstd" if is_zstd else "gvisor.tar.bz2")


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    info = member(draw(NAMES), draw(st.sampled_from(KINDS)))
    content = draw(st.binary(max_size=700))
    info.size = draw(st.sampled_from([len(content), len(content), 0, 1 << 40]))
    info.mode = draw(st.sampled_from([0o755, 0o644, 0, 0o4755, 0o7777]))
    info.linkname = draw(st.sampled_from(["", "runsc", "/etc/passwd"]))
    info.pax_headers = draw(PAX)
    return info, content[: info.size]


@given(st.lists(members(), max_size=6))
def test_law_members_of_every_kind_are_unpacked_or_refused(each: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    written = [info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % BLOCK) for info, content in each]
    unpacked(zstd(b"".join(written) + bytes(2 * BLOCK)), "gvisor.tar.zstd")


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"X"])
def test_headers_of_headers_without_end_are_refused(kind: bytes) -> None:
    """tarfile calls itself for each of them."""
    header = _sealed(member("x", kind, size=BLOCK).tobuf(tarfile.GNU_FORMAT))
    block = b"11 path=abc".ljust(BLOCK, b"\0") if kind in b"xgX" else b"abc".ljust(BLOCK, b"\0")
    unpacked(zstd((header + block) * 3000), "gvisor.tar.zstd")


@example(sum_line("runsc", b"").decode())
@example("a" * 128 + "  runsc\r\n")
@example("a" * 128 + "  \x85runsc")
@example("A" * 128 + "\n")
@example("a" * 128 + "\n" + "a" * 128)
@example("SHA512 (runsc) = " + "a" * 128)
@example("SHA512 (runsc) (runsc) = " + "a" * 128)
@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f]{120,130} [ *][a-z]+\n?", fullmatch=True)))
def test_law_any_text_is_a_sum_or_is_refused(text: str) -> None:
    refusal = refused(lambda: parse_sum(text, "runsc", where="here"))
    if refusal is None:
        digest = "(?i:[0-9a-f]{128})"
        forms = (rf"{digest} [ *]runsc\r?\n?", rf"\s*{digest}\s*", rf"SHA512 \(runsc\) = {digest}\r?\n?")
        assert any(re.fullmatch(form, text) for form in forms)
    else:
        assert refusal.where == "here"


@given(st.integers(0, 70), st.binary(min_size=1, max_size=8), st.integers(0, 80))
def test_law_any_program_fits_or_is_refused(place: int, new: bytes, length: int) -> None:
    content = bytearray(program(text=b"release-20260905.0"))
    content[place : place + len(new)] = new
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        (folder / "runsc").write_bytes(content[:length] if length < 70 else content)
        (folder / "containerd-shim-runsc-v1").write_bytes(content)
        refused(lambda: check_programs(folder, "x86_64", SOFTWARE.programs))
        releases_of_programs(folder, SOFTWARE)
