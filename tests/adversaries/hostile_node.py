"""A node that answers by SSH as it likes: an SSH server on loopback that runs nothing of what it is told."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko  # noqa: TID251  the other side

from nodeprov_lab.access import make_key

Answer = Callable[[paramiko.Channel, str], None]
"""Answers a script on its channel; the script's own words are given."""

ESCAPES = b"\x1b[2J\x1b]0;owned\x07\x9b31m\r\x00\xff\xfe\xe2\x80\xae"
"""What commands a terminal, NUL, bytes that are no UTF-8, and what turns the direction of a line."""
MEGABYTE = b"x" * 1023 + b"\n"


class HostileNode(paramiko.ServerInterface):
    """Lets everybody in, and answers every command in one way."""

    def __init__(self, folder: Path, answer: Answer, *, greeting: bytes = b"", banner: bytes = b"") -> None:
        self._answer = answer
        self._greeting = greeting
        self._banner = banner
        self._server = socket.create_server(("127.0.0.1", 0))
        self._key = paramiko.ECDSAKey.generate()
        self.port: int = self._server.getsockname()[1]
        pair = make_key()
        self.identity = folder / "id"
        self.identity.write_bytes(pair.private)
        self.identity.chmod(0o600)
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n")

    def inventory(self, folder: Path, more: str = "") -> Path:
        """Write an inventory of this node alone, without a cluster."""
        path = folder / "hostile.toml"
        path.write_text(
            f"""\
[release]
version = "20260905.0"
base_url = "{folder}/mirror"
[cluster]
enabled = false
[ssh]
user = "root"
identity_file = "{self.identity}"
known_hosts = "{self.known_hosts}"
{more}
[nodes.worker1]
address = "127.0.0.1"
port = {self.port}
"""
        )
        return path

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def get_banner(self) -> tuple[str, str]:
        return (self._banner.decode(errors="replace"), "en") if self._banner else ("", "")

    def check_channel_request(self, _kind: str, _number: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        threading.Event().wait(0.2)  # until the command's beginning has been acknowledged
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._answer(channel, unwrapped(command))

    def serve(self) -> None:
        """Take connections until the server is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._greet, args=(client,), daemon=True).start()

    def _greet(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            if self._greeting:
                while True:
                    client.sendall(self._greeting)
            transport = paramiko.Transport(client)
            transport.add_server_key(self._key)
            transport.start_server(server=self)

    def close(self) -> None:
        """Take no more."""
        self._server.close()


@contextmanager
def answering(node: HostileNode) -> Iterator[HostileNode]:
    """Serve for a while."""
    threading.Thread(target=node.serve, daemon=True).start()
    try:
        yield node
    finally:
        node.close()


def unwrapped(command: str) -> str:
    """Find the script in the command that carries it (see hosts/become.py)."""
    found = re.search(r"echo (\S+) \| base64 -d", command)
    return base64.b64decode(found[1]).decode() if found else command


def mark_of(script: str) -> bytes:
    """Find the line that stands before a script's own output."""
    found = re.match(r"echo (nodeprov-[0-9a-f]+); echo", script)
    assert found, script
    return f"{found[1]}\n".encode()


def begin(channel: paramiko.Channel, script: str) -> None:
    """Say that the script has begun."""
    channel.sendall(mark_of(script))
    channel.sendall_stderr(mark_of(script))


def end(channel: paramiko.Channel, status: int = 0) -> None:
    """Say that it has ended."""
    channel.send_exit_status(status)
    channel.close()


def saying(stdout: bytes = b"", stderr: bytes = b"", status: int = 0) -> Answer:
    """Answer everything with the same."""

    def answer(channel: paramiko.Channel, script: str) -> None:
        begin(channel, script)
        channel.sendall(stdout)
        channel.sendall_stderr(stderr)
        end(channel, status)

    return answer


def flooding(gigabytes: int, *, stderr: bool = False) -> Answer:
    """Print so many gigabytes."""

    def answer(channel: paramiko.Channel, script: str) -> None:
        begin(channel, script)
        send = channel.sendall_stderr if stderr else channel.sendall
        for _ in range(gigabytes << 10):
            send(MEGABYTE * 1024)
        end(channel)

    return answer


def framing(*bodies: bytes) -> Answer:
    """Answer questions, each with its body, as a node's shell would (templates/hosts/ask.sh.j2)."""

    def answer(channel: paramiko.Channel, script: str) -> None:
        begin(channel, script)
        for number in range(script.count("printf '\\n@nodeprov '")):
            body = bodies[min(number, len(bodies) - 1)]
            channel.sendall(b"\n@nodeprov " + base64.b64encode(body + b"\n0") + b"\n")
        end(channel)

    return answer


def silent(channel: paramiko.Channel, _script: str) -> None:
    """Answer nothing, and leave the channel open."""
    channel.settimeout(60)
    channel.recv(1)
    threading.Event().wait(60)


def without_status(channel: paramiko.Channel, script: str) -> None:
    """End both outputs, and never say how it ended."""
    begin(channel, script)
    channel.shutdown_write()
    threading.Event().wait(60)


def dribbling(channel: paramiko.Channel, _script: str) -> None:
    """Say something else than what is waited for, a little again and again, for a minute."""
    for _ in range(600):
        channel.sendall(b".")
        threading.Event().wait(0.1)


def dripping(channel: paramiko.Channel, script: str) -> None:
    """Print a little again and again, for a minute."""
    begin(channel, script)
    for _ in range(600):
        channel.sendall(b".")
        threading.Event().wait(0.1)
