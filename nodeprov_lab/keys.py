"""SSH keys of a lab's own: one to log in with, one for each machine to be known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nodeprov_lab.base import Machine


@dataclass(frozen=True, slots=True)
class SshKey:
    """A private key as OpenSSH keeps it, and the line that is its public half, without a comment."""

    private: bytes
    public: str


def make_key() -> SshKey:
    """Make an Ed25519 key."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return SshKey(private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def known_hosts(machines: Sequence[Machine], keys: Sequence[SshKey]) -> str:
    """Write the file that lets a client check every machine by its name and by its address."""
    pairs = zip(machines, keys, strict=True)
    return "".join(f"{machine.name},{machine.address} {key.public}\n" for machine, key in pairs)
