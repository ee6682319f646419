"""OpenPGP signatures, verified by gpgv, which each Debian has: apt verifies its suites by it."""

import base64
import binascii
import shutil
import tempfile
from pathlib import Path

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.local import run_program

FAILING = ("BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY", "NODATA")
"""What gpgv says of a signature that does not count (GnuPG: doc/DETAILS)."""
LARGEST_KEYRING_BYTES = 1 << 20
_STATUS = "[GNUPG:] "


def verified(message: bytes, keyring: Path, *, where: str) -> tuple[bytes, str]:
    """Verify a clear-signed message; return what is signed, and the fingerprint of the key that signed.

    Only bytes that gpgv itself gives out are returned: a text around the signed part is no part of it.

    Args:
        message: such as the InRelease file of an apt suite.
        keyring: the keys that are trusted, in binary or ASCII-armored.
        where: what to call the message in an error.

    Raises:
        UsageError: the keyring cannot be read.
        NodeprovError: it is not signed by one of these keys; gpgv is not on this machine.
    """
    keys = trusted_keys(keyring)
    with tempfile.TemporaryDirectory(prefix="nodeprov-") as place:
        folder = Path(place)
        (folder / "keys.gpg").write_bytes(keys)
        (folder / "message").write_bytes(message)
        argv = ["gpgv", "--homedir", place, "--keyring", str(folder / "keys.gpg"), "--weak-digest", "SHA1"]
        argv += ["--weak-digest", "RIPEMD160", "--status-fd", "1", "--output", str(folder / "signed")]
        output = run_program([*argv, str(folder / "message")], environment={"LC_ALL": "C"})
        states = [
            line.removeprefix(_STATUS).split() for line in output.text.splitlines() if line.startswith(_STATUS)
        ]
        names = {state[0] for state in states}
        key = next((state[-1] for state in states if state[0] == "VALIDSIG"), "")
        if output.returncode != 0 or not key or "GOODSIG" not in names or names.intersection(FAILING):
            hint = f"look whether {keyring} has the key of this suite, and do not trust it otherwise"
            raise NodeprovError(f"its signature does not hold: {output.said}", hint, where=where)
        return (folder / "signed").read_bytes(), key


def trusted_keys(path: Path) -> bytes:
    """Read a keyring, and take the armor off, which gpgv does not.

    Raises UsageError if it cannot be read, and NodeprovError where there is no gpgv to use it.
    """
    if shutil.which("gpgv") is None:
        hint = (
            "apt-get install gpgv (Debian, Ubuntu), dnf install gnupg2 (Fedora, RHEL), brew install gnupg (macOS)"
        )
        raise NodeprovError("gpgv is not on this machine, and apt's signatures are checked by it", hint)
    try:
        content = path.read_bytes()[:LARGEST_KEYRING_BYTES]
    except OSError as error:
        raise UsageError(
            f"cannot read the keyring {path}: {error.strerror}", "[trust] apt_keyring = FILE"
        ) from None
    if b"-----BEGIN PGP PUBLIC KEY BLOCK-----" not in content:
        return content
    try:
        body = content.decode("ascii").split("-----BEGIN PGP PUBLIC KEY BLOCK-----")[1].split("-----END")[0]
        _headers, _, lines = body.replace("\r\n", "\n").partition("\n\n")
        # The line that begins with = is a checksum (RFC 9580, section 6.1), which gpgv has no use for.
        return base64.b64decode("".join(each for each in lines.split() if not each.startswith("=")), validate=True)
    except (ValueError, LookupError, binascii.Error):
        raise UsageError(f"{path} is not an OpenPGP keyring", "gpg --export KEY > FILE") from None
