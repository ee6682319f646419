"""What the bytes of programs tell of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.programs import check_programs, named_releases
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.support.release_server import program, tree

FILES = tree("20260905.0")


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_programs_for_the_node_pass(tmp_path: Path) -> None:
    check_programs(lay(tmp_path, FILES), "x86_64", SOFTWARE.programs)


def test_an_ebpf_object_beside_the_programs_passes(tmp_path: Path) -> None:
    files = FILES | {"gvisor-bin/filter.o": program("riscv64", kind=1)}
    check_programs(lay(tmp_path, files), "x86_64", SOFTWARE.programs)


BIG_ENDIAN = program()[:5] + b"\x02" + program()[6:16] + b"\x00\x02" + program()[18:]
UNFIT = [
    ({"runsc": program("aarch64")}, "runsc is for aarch64, the node is x86_64"),
    ({"runsc": program("riscv64")}, "runsc is for another processor (ELF machine 243), the node is x86_64"),
    ({"runsc": b"<?xml\nversion"}, "runsc is not an ELF program (it begins with `<?xml`)"),
    ({"runsc": b"\xff\xfe"}, "runsc is not an ELF program (it begins with `\\xff\\xfe`)"),
    ({"runsc": b""}, "runsc is not an ELF program (it is empty)"),
    ({"runsc": program()[:18]}, "runsc is not an ELF program (it begins with `\x7fELF"),
    ({"runsc": program(kind=1)}, "runsc is not an ELF program"),
    ({"containerd-shim-runsc-v1": b"#!/bin/sh"}, "containerd-shim-runsc-v1 is not an ELF program"),
    ({"runsc": program()[:4] + b"\x01" + program()[5:]}, "runsc is not a 64-bit little-endian program"),
    ({"runsc": BIG_ENDIAN}, "runsc is not a 64-bit little-endian program"),
    ({"gvisor-bin/gvisor_sentry": program("aarch64")}, "gvisor-bin/gvisor_sentry is for aarch64"),
]


@pytest.mark.parametrize(("files", "message"), UNFIT)
def test_a_program_that_cannot_run_on_the_node_is_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(NodeprovError) as caught:
        check_programs(lay(tmp_path, FILES | files), "x86_64", SOFTWARE.programs)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("name", ["runsc", "containerd-shim-runsc-v1"])
def test_a_release_without_its_programs_is_refused(tmp_path: Path, name: str) -> None:
    files = {path: content for path, content in FILES.items() if path != name}
    with pytest.raises(NodeprovError, match=f"no {name}"):
        check_programs(lay(tmp_path, files), "x86_64", SOFTWARE.programs)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"", set()),
        (b"VERSION_MISSING", set()),
        (b"..release-20260905.0\0..", {"20260905.0"}),
        (b'release-20260905.10\0 -X version=release-20260905.10"\n', {"20260905.10"}),
        (b"release-20260907.0-13-g5ae639aced11\0", set()),
        (b"release-20260907.12-13-g5ae639aced11\0", set()),
        (b"release-2026090", set()),
        (b"release-20260905.0 and release-20260518.0", {"20260905.0", "20260518.0"}),
    ],
)
def test_a_program_names_the_releases_it_was_built_from(tmp_path: Path, text: bytes, named: set[str]) -> None:
    (tmp_path / "runsc").write_bytes(text)
    assert named_releases(tmp_path / "runsc", SOFTWARE.named_release) == named
