from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.local import run_checked, run_program
from nodeprov.hosts.openpgp import verified
from tests.support.signing import suite_key

TEXT = "Suite: 20260905\nSHA512:\n - a dash\n"


def test_what_is_signed_comes_back_with_the_key() -> None:
    content, key = verified(suite_key().clearsigned(TEXT), suite_key().public, where="InRelease")
    assert content.decode() == TEXT
    assert key == suite_key().fingerprint


def test_a_binary_keyring_will_do_too(tmp_path: Path) -> None:
    run_checked(["gpg", "--homedir", str(tmp_path), "--batch", "--yes", "--output", str(tmp_path / "keys.gpg"),
                 "--dearmor", str(suite_key().public)], "cannot take the armor off")  # fmt: skip
    content, _ = verified(suite_key().clearsigned(TEXT), tmp_path / "keys.gpg", where="InRelease")
    assert content.decode() == TEXT


def test_what_stands_around_the_signed_part_is_no_part_of_it() -> None:
    signed = b"Suite: forged\n\n" + suite_key().clearsigned(TEXT) + b"\nSuite: forged\n"
    content, _ = verified(signed, suite_key().public, where="InRelease")
    assert content.decode() == TEXT


@pytest.mark.parametrize(
    "altered",
    [
        suite_key().clearsigned(TEXT).replace(b"20260905", b"20260906"),
        suite_key("stranger").clearsigned(TEXT),
        TEXT.encode(),
        b"",
    ],
    ids=["altered", "by a stranger", "not signed", "empty"],
)
def test_what_is_not_signed_so_is_refused(altered: bytes) -> None:
    with pytest.raises(NodeprovError, match="its signature does not hold") as caught:
        verified(altered, suite_key().public, where="https://mirror/InRelease")
    assert caught.value.where == "https://mirror/InRelease"


def test_a_keyring_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the keyring"):
        verified(b"", tmp_path / "none", where="InRelease")
    (tmp_path / "keys").write_text(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    with pytest.raises(UsageError, match="not an OpenPGP keyring"):
        verified(b"", tmp_path / "keys", where="InRelease")


def test_without_gpgv_it_is_said_which_package_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("gpgv") is None
    with pytest.raises(NodeprovError, match="apt-get install gpgv"):
        verified(b"", suite_key().public, where="InRelease")


def gpg(home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    argv = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", *arguments]
    output = run_program(argv, stdin=stdin)
    assert output.returncode == 0, output.said
    return output.stdout


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as place:
        yield Path(place)
        run_program(["gpgconf", "--homedir", place, "--kill", "all"])


def test_a_key_whose_time_is_over_does_not_count(home: Path) -> None:
    then = ("--faked-system-time", "20200101T000000!")
    gpg(home, *then, "--quick-generate-key", "x <x@nodeprov.invalid>", "ed25519", "sign", "1d")
    signed = gpg(home, *then, "--clearsign", stdin=TEXT.encode())
    (home / "keys").write_bytes(gpg(home, "--export"))
    with pytest.raises(NodeprovError, match="its signature does not hold"):
        verified(signed, home / "keys", where="InRelease")


def test_a_signature_over_sha1_does_not_count(home: Path) -> None:
    gpg(home, "--quick-generate-key", "x <x@nodeprov.invalid>", "rsa2048", "sign", "never")
    (home / "keys").write_bytes(gpg(home, "--export"))
    good = gpg(home, "--clearsign", "--digest-algo", "SHA512", stdin=TEXT.encode())
    assert verified(good, home / "keys", where="InRelease")[0].decode() == TEXT
    with pytest.raises(NodeprovError, match="its signature does not hold"):
        verified(gpg(home, "--clearsign", "--digest-algo", "SHA1", stdin=TEXT.encode()), home / "keys", where="x")
