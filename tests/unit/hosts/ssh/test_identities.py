"""Keys, of which the public half is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from nodeprov.hosts.ssh.identities import public_part


@pytest.mark.parametrize("public", [True, False], ids=["with .pub", "without .pub"])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_public_half_of_a_locked_key_is_read_without_its_passphrase(
    tmp_path: Path, kind: str, public: bool
) -> None:
    path = tmp_path / "key"
    run_checked(["ssh-keygen", "-q", "-t", kind, "-N", "secret", "-f", str(path)], "ssh-keygen")
    wanted = public_part(f"{path}.pub")
    if not public:
        (tmp_path / "key.pub").unlink()
    assert public_part(str(path)) == wanted
    assert wanted[4:].startswith((b"ssh-", b"ecdsa-"))


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END\n", "a b c"])
def test_what_is_no_key_has_no_public_half(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert public_part(str(tmp_path / "key")) == b""
    assert public_part(str(tmp_path / "missing")) == b""
