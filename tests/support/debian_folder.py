"""A folder like Debian's archive, with small packages in the place of those that are pinned."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from nodeprov.in_cluster.packages import Packages, pinned
from tests.support.release_server import tar_of

FILES = {
    "python3.13-minimal": {"usr/bin/python3.13": b"ELF", "usr/share/man/man1/python.1": b"x"},
    "util-linux": {
        "usr/bin/nsenter": b"ELF",
        "usr/bin/lscpu": b"ELF",
        "usr/share/doc/util-linux/copyright": b"GPL",
    },
    "tzdata": {"usr/share/zoneinfo/UTC": b"TZif", "usr/share/zoneinfo/right/UTC": b"TZif", "etc/x": b"x"},
}


def ar(members: dict[str, bytes]) -> bytes:
    """An archive as dpkg writes it."""
    parts = [
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        + content
        + b"\n" * (len(content) % 2)
        for name, content in members.items()
    ]
    return b"!<arch>\n" + b"".join(parts)


def debian_folder(folder: Path) -> tuple[Packages, Path]:
    """Write it, and the pins for it."""
    lines = ['snapshot = "20261128T000000Z"']
    for name, files in FILES.items():
        lines.append(f"[package.{json.dumps(name)}]")
        for architecture in ("all",) if name == "tzdata" else ("amd64", "arm64"):
            path = f"pool/main/{name}_1_{architecture}.deb"
            content = ar({"debian-binary": b"2.0\n", "data.tar": tar_of({f"./{n}": f for n, f in files.items()})})
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            sha512 = hashlib.sha512(content).hexdigest()
            lines.append(
                f'{architecture} = {{ path = "{path}", size_bytes = {len(content)}, sha512 = "{sha512}" }}'
            )
    (folder / "packages.toml").write_text("\n".join(lines))
    return pinned(folder / "packages.toml"), folder
