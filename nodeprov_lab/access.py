"""The way to a lab's machines by the OpenSSH client: its keys, and the command that logs in."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nodeprov.hosts.base import COMMAND_TIMEOUT_SECONDS, Output
from nodeprov.hosts.local import run_program
from nodeprov_lab.base import Machine

CONNECT_TIMEOUT_SECONDS = 10


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


def ssh_argv(user: str, address: str, key: Path, known_hosts: Path, *, port: int = 22) -> list[str]:
    """Write the command that logs in; it asks nothing, and trusts only the lab's own keys."""
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "ConnectTimeout": str(CONNECT_TIMEOUT_SECONDS),
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", "-i", str(key), "-p", str(port), *settings, f"{user}@{address}"]


def remote_command(command: Sequence[str]) -> list[str]:
    """Write a command for ssh, whose other side hands one line to a shell: quoted, it arrives as given."""
    return ["--", shlex.join(command)] if command else []


class RemoteShell:
    """A machine's shell, as root, by the `ssh` program."""

    def __init__(self, name: str, login: Sequence[str], *, sudo: bool = False) -> None:
        self.name = name
        self._login = list(login)
        self._prefix = ["sudo", "-n"] if sudo else []

    def run(self, script: str, *, stdin: bytes = b"", timeout_seconds: float = COMMAND_TIMEOUT_SECONDS) -> Output:
        """Run a script and wait for its end, whatever its status."""
        command = remote_command([*self._prefix, "sh", "-c", script])
        return run_program([*self._login, *command], stdin=stdin, timeout_seconds=timeout_seconds)
