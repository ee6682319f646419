"""What a program's bytes say: the machine it is for, and the release it was built from."""

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.releases.source import Software

_MACHINES = {"x86_64": 62, "aarch64": 183}
"""e_machine of an ELF header, by what `uname -m` prints."""
_MAGIC = b"\x7fELF"
_HEADER_BYTES = 20
_64_BIT_LITTLE_ENDIAN = b"\x02\x01"
_PROGRAM_TYPES = (2, 3)  # ET_EXEC and ET_DYN; an eBPF object (ET_REL) is data to the node's processor

_HINT = "the origin serves something else under this release's name: look at base_url"


def check_programs(folder: Path, architecture: str, required: Sequence[str]) -> None:
    """Refuse a tree whose programs cannot run on a node.

    The required programs must be there and be 64-bit little-endian ELF programs for it, and so must whatever
    else is an ELF program. Files of other kinds are data and pass.

    Args:
        folder: the unpacked tree.
        architecture: what `uname -m` prints on the node.
        required: the programs' paths in the tree.

    Raises:
        NodeprovError: for the first file that does not fit.
    """
    for name in required:
        if not (folder / name).is_file():
            raise NodeprovError(f"the release has no {name}", _HINT)
    for name, header in _headers(folder, required).items():
        if name in required or _is_program(header):
            _check_header(header, name, architecture)


def releases_of_programs(folder: Path, software: Software) -> dict[str, frozenset[str]]:
    """Find the releases that each program of a tree names, of those that name any; the required ones first."""
    programs = (name for name, header in _headers(folder, software.programs).items() if _is_program(header))
    found = {name: named_releases(folder / name, software.named_release) for name in programs}
    return {name: named for name, named in found.items() if named}


def named_releases(program: Path, pattern: re.Pattern[bytes]) -> frozenset[str]:
    """Find the releases ("20260905.0") that a program names; none if it was built from no tag."""
    if program.stat().st_size == 0:  # cannot be mapped
        return frozenset()
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return frozenset(match[1].decode() for match in pattern.finditer(content))


def beginning(content: bytes) -> str:
    """Show how a file begins, for a message about a file that is not what its name promises."""
    line = content[:16].split(b"\n")[0].strip().decode("ascii", errors="backslashreplace")
    return f"it begins with `{line}`" if line else "it is empty"


def _headers(folder: Path, first: Sequence[str]) -> dict[str, bytes]:
    """Read how each file begins, `first` before the others."""
    others = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    headers = {}
    for name in dict.fromkeys((*first, *others)):
        with (folder / name).open("rb") as file:
            headers[name] = file.read(_HEADER_BYTES)
    return headers


def _is_program(header: bytes) -> bool:
    is_elf = header.startswith(_MAGIC) and len(header) == _HEADER_BYTES
    kind = int.from_bytes(header[16:18], "little" if header[5:6] == b"\x01" else "big")
    return is_elf and kind in _PROGRAM_TYPES


def _check_header(header: bytes, name: str, architecture: str) -> None:
    if not _is_program(header):
        raise NodeprovError(f"{name} is not an ELF program ({beginning(header)})", _HINT)
    if header[4:6] != _64_BIT_LITTLE_ENDIAN:
        raise NodeprovError(f"{name} is not a 64-bit little-endian program", _HINT)
    machine = int.from_bytes(header[18:20], "little")
    if machine != _MACHINES[architecture]:
        known = {number: known for known, number in _MACHINES.items()}
        found = known.get(machine, f"another processor (ELF machine {machine})")
        raise NodeprovError(f"{name} is for {found}, the node is {architecture}", _HINT)
