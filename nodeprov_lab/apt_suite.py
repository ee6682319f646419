"""A signed apt suite with one package, as upstream's tools/make_apt.sh lays it out, and the key that signs it."""

import gzip
import hashlib
import io
import lzma
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nodeprov.hosts.local import run_checked, run_program
from nodeprov_lab.cache import Cache

DEBIAN_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_IDENTITY = "lab of nodeprov <lab@nodeprov.invalid>"
_TIMEOUT_SECONDS = 120.0


class SigningKey:
    """A key in a folder: `public.asc` for those who verify, `secret.asc` for us."""

    def __init__(self, folder: Path) -> None:
        self.public = folder / "public.asc"
        self._secret = folder / "secret.asc"

    @property
    def fingerprint(self) -> str:
        """Tell it apart from others."""
        return (self.public.parent / "fingerprint").read_text().strip()

    def clearsigned(self, text: str) -> bytes:
        """Sign a text as gpg does for InRelease."""
        with _home() as home:
            _gpg(home, "--import", str(self._secret))
            options = ("--clearsign", "--digest-algo", "SHA512", "--cert-digest-algo", "SHA512", "--output", "-")
            return _gpg(home, *options, stdin=text.encode()).encode()


def signing_key(cache: Cache) -> SigningKey:
    """Return the lab's key, which is made once."""
    return SigningKey(cache.folder("apt-key", {"identity": _IDENTITY}, make_key))


def make_key(folder: Path) -> None:
    """Make a key without a passphrase, and write it into a folder."""
    with _home() as home:
        _gpg(home, "--passphrase", "", "--quick-generate-key", _IDENTITY, "ed25519", "sign", "never")
        listed = _gpg(home, "--with-colons", "--list-keys").splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
        (folder / "fingerprint").write_text(f"{fingerprint}\n")
        (folder / "public.asc").write_text(_gpg(home, "--armor", "--export"))
        (folder / "secret.asc").touch(mode=0o600)
        (folder / "secret.asc").write_text(_gpg(home, "--armor", "--export-secret-keys"))


@contextmanager
def _home() -> Iterator[Path]:
    """Make a folder for gpg whose path is short: its agent listens on a socket there."""
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as place:
        try:
            yield Path(place)
        finally:
            run_program(["gpgconf", "--homedir", place, "--kill", "all"], timeout_seconds=_TIMEOUT_SECONDS)


def _gpg(home: Path, *arguments: str, stdin: bytes = b"") -> str:
    argv = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", *arguments]
    return run_checked(argv, "cannot use gpg", stdin=stdin, timeout_seconds=_TIMEOUT_SECONDS)


def package(name: str, version: str, debian: str, files: Mapping[str, bytes]) -> bytes:
    """Write a Debian package with programs below /usr/bin; the same ones give the same bytes."""
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {debian}\nMaintainer: {_IDENTITY}\nDescription: x\n"
    )
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar_gz({"control": control.encode()}),
        "data.tar.gz": _tar_gz({f"usr/bin/{path}": content for path, content in files.items()}),
        "_gpgbuilder": b"where upstream has the signature of dpkg-sig\n",
    }
    out = io.BytesIO(b"!<arch>\n")
    out.seek(0, io.SEEK_END)
    for path, content in members.items():
        out.write(f"{path:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
        out.write(content + b"\n" * (len(content) % 2))
    return out.getvalue()


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), compresslevel=1, mtime=0)


def write_suite(root: Path, suite: str, packages: Sequence[tuple[str, str, str, bytes]], key: SigningKey) -> None:
    """Write a suite below a folder: packages by name, version, Debian's architecture and content."""
    release = root / "dists" / suite
    indexes: dict[str, bytes] = {}
    for name, version, debian, content in packages:
        path = f"pool/{version}/binary-{debian}/{name}.deb"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        text = f"Package: {name}\nVersion: {version}\nArchitecture: {debian}\nFilename: {path}\n"
        text += f"Size: {len(content)}\nSHA512: {hashlib.sha512(content).hexdigest()}\n"
        text += "Description: a runtime\n of a suite\n\n"
        indexes[f"main/binary-{debian}/Packages"] = text.encode()
        indexes[f"main/binary-{debian}/Packages.xz"] = lzma.compress(text.encode())
    for path, content in indexes.items():
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        (release / path).write_bytes(content)
    sums = "".join(
        f" {hashlib.sha512(each).hexdigest()} {len(each):>16} {path}\n" for path, each in indexes.items()
    )
    names = " ".join(sorted({debian for _, _, debian, _ in packages}))
    head = f"Architectures: {names}\nComponents: main\nOrigin: lab\nSuite: {suite}\nSHA512:\n{sums}"
    (release / "InRelease").write_bytes(key.clearsigned(head))
