"""A plain SSH server on loopback that runs what it is told with this machine's sh, and an agent with a FIDO key.

It is paramiko's, so that no sshd need be installed; the same is held against OpenSSH's in tests/lab/test_ssh.py.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import subprocess  # noqa: TID251  the other side
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE  # noqa: TID251
from typing import Any

import paramiko  # noqa: TID251  the other side
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_checked
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Ssh

LAG_SECONDS = 0.03
"""How long a session that has ended goes on being counted, as OpenSSH's does."""
FIDO = "sk-ssh-ed25519@openssh.com"


@dataclass
class Manners:
    """How a server treats those who come."""

    max_sessions: int = 10
    turned_away: tuple[bytes, ...] = ()
    """What each of the first connections is told before it is closed; nothing if it is empty."""
    methods: str = "publickey"
    lets_in_by_none: bool = False
    accepts: frozenset[bytes] | None = None
    """The public keys that are let in; None for all."""
    banner: str = ""
    answers_logins: bool = True
    enter: tuple[str, ...] = ()
    """The command that leads a shell to where others run; they run here without it."""
    host_key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)


class SshServer:
    """Listens on loopback, and remembers who came."""

    def __init__(self, folder: Path, manners: Manners) -> None:
        self.folder = folder
        self.manners = manners
        self.peers: list[str] = []
        self.offered: list[str] = []
        self.transports: list[paramiko.Transport] = []
        self.refused_sessions = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.identity = new_key(folder / "id")
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"{self.name} {self.key}\n")
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def name(self) -> str:
        """Its name in known_hosts."""
        return f"[127.0.0.1]:{self.port}"

    @property
    def key(self) -> str:
        """Its public key as known_hosts has it."""
        return f"{self.manners.host_key.get_name()} {self.manners.host_key.get_base64()}"

    def host(self, config: str = "", passwords: Any = None, **said: Any) -> SshHost:
        """Reach it as root, by a configuration of ssh; `said` is laid over what the inventory says."""
        path = self.folder / "config"
        path.write_text(config)
        usual: Mapping[str, Any] = {
            "user": "root",
            "port": self.port,
            "identity_file": str(self.identity),
            "known_hosts": str(self.known_hosts),
            "config_file": str(path),
            "connect_timeout_seconds": 5,
        }
        return SshHost("worker1", Ssh(address="127.0.0.1", **{**usual, **said}), passwords)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, (peer, _) = self._listening.accept()
                self.peers.append(peer)
                threading.Thread(target=self._greet, args=(client, len(self.peers) - 1), daemon=True).start()

    def _greet(self, client: socket.socket, number: int) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            if number < len(self.manners.turned_away):
                client.sendall(self.manners.turned_away[number])
                client.close()
                return
            transport = paramiko.Transport(client)
            transport.use_compression()  # for who wants it
            transport.add_server_key(self.manners.host_key)
            self.transports.append(transport)
            transport.start_server(server=_Visit(self))

    def close(self) -> None:
        """Let nobody in any more; a socket that is waited on stays open until it is shut down."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for transport in self.transports:
            transport.close()


class _Visit(paramiko.ServerInterface):
    """One connection."""

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._manners = server.manners
        self._open = 0
        self._counting = threading.Lock()

    def get_banner(self) -> tuple[str, str]:
        return self._manners.banner, "en"

    def get_allowed_auths(self, _username: str) -> str:
        return self._manners.methods

    def check_auth_none(self, _username: str) -> int:
        if not self._manners.answers_logins:
            threading.Event().wait(20)
        return paramiko.common.AUTH_SUCCESSFUL if self._manners.lets_in_by_none else paramiko.common.AUTH_FAILED

    def check_auth_publickey(self, _username: str, key: paramiko.PKey) -> int:
        self._server.offered.append(key.public_blob.key_type if key.public_blob else key.get_name())
        known = self._manners.accepts is None or key.asbytes() in self._manners.accepts
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_channel_request(self, _kind: str, _number: int) -> int:
        with self._counting:
            if self._open >= self._manners.max_sessions:
                self._server.refused_sessions += 1
                return paramiko.common.OPEN_FAILED_CONNECT_FAILED
            self._open += 1
            return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            program = subprocess.Popen(
                [*self._manners.enter, "sh", "-c", command], stdin=PIPE, stdout=PIPE, stderr=PIPE
            )
            assert program.stdin is not None
            assert program.stdout is not None
            assert program.stderr is not None
            streams = [
                (channel.makefile("rb"), program.stdin),
                (program.stdout, channel.makefile("wb")),
                (program.stderr, channel.makefile_stderr("wb")),
            ]
            copying = [threading.Thread(target=_copy, args=pair, daemon=True) for pair in streams]
            for thread in copying:
                thread.start()
            status = program.wait()
            for thread in copying[1:]:
                thread.join()
            channel.send_exit_status(status)
            channel.close()
        threading.Event().wait(LAG_SECONDS)
        with self._counting:
            self._open -= 1


def _copy(source: Any, to: Any) -> None:
    """Copy all as it comes."""
    with suppress(OSError), to:
        while chunk := source.read1(1 << 16) if hasattr(source, "read1") else source.readline():
            to.write(chunk)
            to.flush()


def refusal(host: SshHost) -> NodeprovError:
    """Log in, which must fail, and return why."""
    with pytest.raises(NodeprovError) as caught:
        host.sh("true")
    assert caught.value.where == "worker1 (127.0.0.1)"
    assert caught.value.hint
    return caught.value


def lets_in(host: SshHost) -> bool:
    """Log in, and run a command."""
    try:
        return host.sh("echo in").text == "in\n"
    finally:
        host.close()


@contextmanager
def serving(folder: Path, manners: Manners | None = None) -> Iterator[SshServer]:
    """Serve for a while."""
    server = SshServer(folder, manners or Manners())
    try:
        yield server
    finally:
        server.close()


def new_key(path: Path, kind: str = "ed25519", passphrase: str = "", *more: str) -> Path:
    """Make a key and its .pub."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path), *more]
    run_checked(argv, "ssh-keygen")
    return path


class FidoKey:
    """A key as a FIDO token keeps it: in the file is a handle; the token signs (PROTOCOL.u2f)."""

    application = b"ssh:"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._private = Ed25519PrivateKey.generate()
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._fields = _string(raw) + _string(self.application)
        self.public = _string(FIDO.encode()) + self._fields
        self.line = f"{FIDO} {base64.b64encode(self.public).decode()} token"
        path.with_name(f"{path.name}.pub").write_text(f"{self.line}\n")
        path.write_text(self._file())
        path.chmod(0o600)

    def signed(self, data: bytes) -> bytes:
        """Sign as a token that is touched."""
        rest = b"\1" + struct.pack(">I", 7)
        digest = hashlib.sha256(self.application).digest() + rest + hashlib.sha256(data).digest()
        return _string(FIDO.encode()) + _string(self._private.sign(digest)) + rest

    def _file(self) -> str:
        check = os.urandom(4) * 2
        private = (
            check + self.public + b"\1" + _string(b"a handle of the token") + _string(b"") + _string(b"token")
        )
        private += bytes(range(1, 1 + -len(private) % 8))
        body = b"openssh-key-v1\0" + _string(b"none") * 2 + _string(b"") + struct.pack(">I", 1)
        body += _string(self.public) + _string(private)
        text = base64.b64encode(body).decode()
        lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
        return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"


@contextmanager
def fido_agent(folder: Path, key: FidoKey) -> Iterator[str]:
    """Be an agent that has a token's key, on a socket whose path is given (draft-ietf-sshm-ssh-agent)."""
    path = folder / "fido.agent"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def answer(request: bytes) -> bytes:
        message = paramiko.Message(request[1:])
        match request[0]:
            case 11:  # SSH_AGENTC_REQUEST_IDENTITIES
                return b"\x0c" + struct.pack(">I", 1) + _string(key.public) + _string(b"token")
            case 13 if message.get_string() == key.public:  # SSH_AGENTC_SIGN_REQUEST
                return b"\x0e" + _string(key.signed(message.get_string()))
        return b"\5"

    def serve(client: socket.socket) -> None:
        with client, client.makefile("rb") as requests:
            while head := requests.read(4):
                client.sendall(_string(answer(requests.read(struct.unpack(">I", head)[0]))))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield str(path)
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        path.unlink()


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value
