"""Archives that nobody should unpack: members by what is wrong with them."""

from __future__ import annotations

import tarfile

from nodeprov.releases.archive import ArchiveLimits
from tests.support.release_server import member

LIMITS = ArchiveLimits(members=50, total_bytes=1_000_000)
"""Small enough for a test to go beyond them."""

Member = tuple[tarfile.TarInfo, bytes]


def with_mode(info: tarfile.TarInfo, mode: int, content: bytes = b"") -> Member:
    info.mode = mode
    return info, content


def with_pax(info: tarfile.TarInfo, content: bytes = b"", **headers: str) -> Member:
    info.pax_headers = headers
    return info, content


ZEROS = bytes(100_000)

HOSTILE: dict[str, list[Member]] = {
    "a symbolic link": [(member("runsc", tarfile.SYMTYPE, linkname="/etc/passwd"), b"")],
    "a symbolic link to write through": [
        (member("gvisor-bin", tarfile.SYMTYPE, linkname="/tmp"), b""),
        (member("gvisor-bin/x", size=1), b"x"),
    ],
    "a hard link": [(member("runsc", tarfile.LNKTYPE, linkname="/etc/passwd"), b"")],
    "a device": [(member("null", tarfile.CHRTYPE), b"")],
    "a block device": [(member("sda", tarfile.BLKTYPE), b"")],
    "a fifo": [(member("pipe", tarfile.FIFOTYPE), b"")],
    "a sparse file": [(member("runsc", tarfile.GNUTYPE_SPARSE), b"")],
    "an unknown kind": [(member("runsc", b"Z"), b"")],
    "an absolute path": [(member("/etc/cron.d/x", size=1), b"x")],
    "a parent path": [(member("../x", size=1), b"x")],
    "a parent path within": [(member("gvisor-bin/../../x", size=1), b"x")],
    "a parent folder": [(member("..", tarfile.DIRTYPE), b"")],
    "a duplicate": [(member("runsc", size=1), b"x"), (member("runsc", size=1), b"y")],
    "a duplicate by another spelling": [(member("runsc", size=1), b"x"), (member("./runsc", size=1), b"y")],
    "a file below a file": [(member("runsc", size=1), b"x"), (member("runsc/x", size=1), b"y")],
    "a folder over a file": [(member("runsc", size=1), b"x"), (member("runsc", tarfile.DIRTYPE), b"")],
    "a file over a folder": [(member("a/b", size=1), b"x"), (member("a", size=1), b"")],
    "a line break in a name": [(member("a\nb", size=1), b"x")],
    "a backslash in a name": [(member("a\\b", size=1), b"x")],
    "no name": [(member(".", size=1), b"x")],
    "a name that is no text": [(member("a\udcff", size=1), b"x")],
    "too many members": [(member(str(number)), b"") for number in range(51)],
    "too large a member": [(member("runsc", size=1 << 33), b"")],
    "too much in all": [(member(str(number), size=len(ZEROS)), ZEROS) for number in range(11)],
    "a setuid bit": [with_mode(member("runsc", size=1), 0o4755, b"x")],
    "a setgid bit": [with_mode(member("runsc", size=1), 0o2755, b"x")],
    "a setgid bit of a folder": [with_mode(member("gvisor-bin", tarfile.DIRTYPE), 0o2755)],
    "a sparse file of pax": [
        with_pax(member("runsc", size=1), b"x", **{"GNU.sparse.map": "0,1", "GNU.sparse.size": "1"})
    ],
    "a size of pax below 0": [with_pax(member("runsc"), size="-1024")],
    "a size of pax that is huge": [with_pax(member("runsc"), size="9" * 30)],
    "a name of pax that leads out": [with_pax(member("runsc", size=1), b"x", path="../../etc/cron.d/x")],
    "a name with terminal escapes": [(member("runsc\x1b[2J\x1b]0;owned\x07", size=1), b"x")],
    "a name that turns its direction": [(member("\u202ecnusr", size=1), b"x")],
    "a name that no file may have": [(member("a" * 300), b"")],
    "a name with a carriage return": [(member("runsc\rok", size=1), b"x")],
    "a pax header of 64 MiB": [with_pax(member("runsc"), comment="x" * (64 << 20))],
    "a pax header of 3 MiB behind a member": [
        (member("runsc", size=1), b"x"),
        with_pax(member("y"), comment="x" * (3 << 20)),
    ],
}
