"""Key files: what can be read of one that may be locked, the keys in it, and why one cannot be used."""

import base64
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko  # noqa: TID251

_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_CERTIFICATE = "-cert-v01@openssh.com"
_PUBLIC = ("ssh-", "ecdsa-", "sk-")


def public_part(path: str) -> bytes:
    """Read the public half of a key that may be locked: from its .pub, or from OpenSSH's own format."""
    for candidate in (f"{path}.pub", path):
        with contextlib.suppress(OSError, ValueError, IndexError):
            return base64.b64decode(Path(candidate).read_text().split()[1], validate=True)
    with contextlib.suppress(OSError, ValueError):
        lines = Path(path).read_text().strip().splitlines()
        body = base64.b64decode("".join(lines[1:-1]))
        if body.startswith(_OPENSSH_MAGIC):
            message = paramiko.Message(body[len(_OPENSSH_MAGIC) :])
            for _ in ("cipher", "derivation", "its options"):
                message.get_string()
            message.get_int()
            return message.get_string()
    return b""


def kind_of(blob: bytes) -> str:
    """Name the kind of a public key or a certificate: the first string in it, such as ssh-ed25519."""
    return paramiko.Message(blob).get_string().decode(errors="replace") if blob else ""


def is_fido(path: str) -> bool:
    """Tell whether a key is one that a FIDO token keeps: the file is only a handle (PROTOCOL.u2f)."""
    return kind_of(public_part(path)).startswith("sk-")


def is_certificate(blob: bytes) -> bool:
    """Tell whether a public part is a certificate."""
    return kind_of(blob).endswith(_CERTIFICATE)


def is_there(path: str) -> bool:
    """Tell whether a key is there, or at least its public half, by which an agent knows it."""
    return Path(path).is_file() or Path(f"{path}.pub").is_file()


def loaded(path: str, certificates: Sequence[bytes], passphrase: str | None = None) -> Iterator[paramiko.PKey]:
    """Read a private key: with each certificate that is for it, and then alone; nothing if it is none.

    Raises PasswordRequiredException when it is locked.
    """
    if is_fido(path):
        return
    key = _read(path, passphrase)
    if key is None:
        return
    for certificate in certificates:
        if certifies(certificate, key.asbytes()):
            certified = _read(path, passphrase)
            assert certified is not None
            yield with_certificate(certified, certificate)
    yield key


def _read(path: str, passphrase: str | None) -> paramiko.PKey | None:
    for kind in _KINDS:
        try:
            return kind.from_private_key_file(path, passphrase)
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError, OSError):
            continue
    return None


def with_certificate(key: paramiko.PKey, certificate: bytes) -> paramiko.PKey:
    """Have a key show a certificate when it logs in."""
    key.load_certificate(paramiko.Message(certificate))
    return key


def certifies(certificate: bytes, public: bytes) -> bool:
    """Tell whether a certificate is for a key: behind a nonce it has the key's own fields (PROTOCOL.certkeys)."""
    kind = kind_of(public)
    message = paramiko.Message(certificate)
    if message.get_string() != f"{kind}{_CERTIFICATE}".encode():
        return False
    message.get_string()
    return message.get_remainder().startswith(public[4 + len(kind) :])


def certificates(paths: Sequence[str]) -> list[bytes]:
    """Read the certificates that are there."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError, IndexError):
            blob = base64.b64decode(Path(path).read_text().split()[1], validate=True)
            found += [blob] if is_certificate(blob) else []
    return found


def why_not(path: str) -> str:
    """Say why a key file that is there gives no key."""
    if is_fido(path):
        return "is a FIDO key, which only an agent can use"
    try:
        text = Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return "is not there, and no agent has the key of its .pub file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if text.startswith(_PUBLIC):
        return "is a public key, and no agent has its private key"
    return "is not a private key that can be read here"


def remedy(path: str) -> str:
    """Say what to do about a key file that gives no key."""
    if is_fido(path):
        private = path.removesuffix(".pub")
        return f'give it to an agent, and touch the token when it blinks: eval "$(ssh-agent)"; ssh-add {private}'
    if why_not(path).startswith("is not a private key"):
        return (
            f"see what it is: ssh-keygen -y -f {path}; ssh-keygen -p -f {path} writes it anew in OpenSSH's format"
        )
    return "name a private key (identity_file in the inventory), or start an agent that has it (ssh-add -l)"
