"""Keys of people and of a project, and what they have signed."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from nodeprov.hosts.local import run_checked
from nodeprov_lab.apt_suite import DEBIAN_NAMES, SigningKey, make_key, package, write_suite
from tests.support.obtaining import VERSION
from tests.support.release_server import ReleaseServer, tree

_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""They go when the process ends."""
SUITE = VERSION.partition(".")[0]


def _folder(name: str) -> Path:
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix=f"key-of-{name}-"))
    return Path(_FOLDERS[-1].name)


@functools.cache
def suite_key(name: str = "project") -> SigningKey:
    """The key that signs a project's suites, or another one of another name."""
    folder = _folder(name)
    make_key(folder)
    return SigningKey(folder)


@functools.cache
def ssh_key(name: str) -> Path:
    """The private key of somebody; the public one is beside it."""
    path = _folder(name) / name
    run_checked(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], "cannot make a key")
    return path


def allowed(folder: Path, *names: str, options: str = "") -> Path:
    """A file of allowed signers."""
    path = folder / "allowed_signers"
    keys = {name: ssh_key(name).with_suffix(".pub").read_text().rsplit(" ", 1)[0] for name in names}
    path.write_text("".join(f"{name}@example.com {options}{key}\n" for name, key in keys.items()))
    return path


def suite_files(
    version: str = VERSION,
    *,
    suite: str = SUITE,
    key: SigningKey | None = None,
    files: dict[str, bytes] | None = None,
) -> dict[str, bytes]:
    """The files of a signed suite with a release for both architectures, by their paths."""
    packages = []
    for architecture, debian in DEBIAN_NAMES.items():
        content = package("runsc", version, debian, tree(version, architecture) if files is None else files)
        packages.append(("runsc", version, debian, content))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_suite(root, suite, packages, key or suite_key())
        return {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}


_usual = functools.cache(suite_files)


def publish_suite(server: ReleaseServer, **how: object) -> None:
    """Have a server serve a signed suite too."""
    server.files.update(suite_files(**how) if how else _usual())  # type: ignore[arg-type]
