"""A wheel as `script/release` builds it, and a place where it is installed without its checkout."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program

CHECKOUT = Path(__file__).parents[2]


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy what git knows, as it is now; the copy uses the same .venv."""
    listed = run_program(["git", "ls-files", "-z"], folder=CHECKOUT).stdout.decode().split("\0")
    for name in listed:
        if name and (CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    return folder


def release(checkout: Path, out: Path, *, umask: str = "022", zone: str = "UTC") -> dict[str, bytes]:
    """Run `script/release`; return the files that it made."""
    argv = ["sh", "-c", f"umask {umask} && exec script/release {out}"]
    environment = {"TZ": zone, "SOURCE_DATE_EPOCH": "1790000000"}
    output = run_program(argv, folder=checkout, environment=environment, timeout_seconds=300)
    assert output.returncode == 0, output.said
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


class Installed:
    """nodeprov from a wheel, in an environment of its own as pipx makes one; what it needs is that of .venv."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.program = folder / "bin" / "nodeprov"
        self._folder = folder
        self._run([sys.executable, "-m", "venv", str(folder)])
        pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
        self._run([str(folder / "bin" / "python"), *pip])
        (packages,) = folder.glob("lib/*/site-packages")
        (of_the_checkout,) = (CHECKOUT / ".venv").glob("lib/*/site-packages")
        # Behind its own: a path file of .venv, by which nodeprov is found in the checkout, is not read there.
        (packages / "needed.pth").write_text(f"{of_the_checkout}\n")

    def __call__(self, *arguments: str, timeout_seconds: int = 120) -> Output:
        """Run it, far from any checkout."""
        argv = [str(self.program), *arguments]
        return run_program(argv, folder=self._folder, timeout_seconds=timeout_seconds)

    def _run(self, argv: list[str]) -> None:
        output = run_program(argv, timeout_seconds=300)
        assert output.returncode == 0, output.said
