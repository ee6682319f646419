"""The way to a lab's machines by the OpenSSH client: the one that `lab ssh` offers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from nodeprov.hosts.base import COMMAND_TIMEOUT_SECONDS, Output
from nodeprov.hosts.local import run_program

CONNECT_TIMEOUT_SECONDS = 10


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
