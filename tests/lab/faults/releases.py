"""Two releases that are small and differ: what is uploaded two hundred times."""

from __future__ import annotations

import platform
from pathlib import Path

from nodeprov.hosts.local import run_checked
from nodeprov.runtimes.gvisor.software import PROGRAMS
from nodeprov_lab.gvisor_releases import LOOSE_RELEASE, sha512_line

OLDER, NEWER = LOOSE_RELEASE, "20260519.0"


def small_releases(release: Path, folder: Path) -> str:
    """Write a release of loose files without its symbols, and the same under a later name; return the URL."""
    for name in PROGRAMS:
        stripped = folder / name
        stripped.parent.mkdir(parents=True, exist_ok=True)
        run_checked(["strip", "-o", str(stripped), str(release / name)], "strip")
        content = stripped.read_bytes()
        for version in (OLDER, NEWER):
            target = folder / "release" / version / platform.machine()
            target.mkdir(parents=True, exist_ok=True)
            named = content.replace(f"release-{OLDER}".encode(), f"release-{version}".encode())
            (target / name).write_bytes(named)
            (target / f"{name}.sha512").write_text(sha512_line(named, name))
        stripped.unlink()
    return f"file://{folder}"
