"""A host over SSH: fabric reads the user's configuration and connects, paramiko carries the bytes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import posixpath
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fabric import Config, Connection  # noqa: TID251  the one place
from paramiko import (  # noqa: TID251
    AuthenticationException,
    BadHostKeyException,
    Channel,
    RejectPolicy,
    SFTPClient,
    SSHException,
    Transport,
)

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.shell import ShellHost
from nodeprov.inventory import Ssh

CHUNK_BYTES = 1 << 20
KEEPALIVE_SECONDS = 15
GRACE_SECONDS = 10
HOLD_TIMEOUT_SECONDS = 60
TIMED_OUT = 124
"""The status of timeout(1) for a command that it has ended."""


class SshHost(ShellHost):
    """A node reached by SSH, as root or as a user with sudo. It connects when it is first needed."""

    def __init__(self, name: str, ssh: Ssh) -> None:
        super().__init__(name)
        self._ssh = ssh
        self._connection: Connection | None = None
        self._connecting = threading.Lock()
        self.command_timeout_seconds = float(ssh.command_timeout_seconds)

    @property
    def login(self) -> str:
        """The user that we log in as."""
        return str(self._connected().user)

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        """Run a script as root on a channel of its own."""
        patience = timeout_seconds + GRACE_SECONDS  # the node itself ends what takes too long
        deadline = time.monotonic() + patience
        line = f"timeout -k 5 {timeout_seconds:.0f}"
        with self._problems(f"no answer within {patience:.0f} s"), self._start(script, line) as channel:
            channel.settimeout(patience)
            channel.sendall(stdin)
            channel.shutdown_write()
            stdout = _drain(channel.recv, channel, deadline)
            stderr = _drain(channel.recv_stderr, channel, deadline)
            status = channel.recv_exit_status()
            if status < 0:  # paramiko's word for a channel that closed without one
                raise EOFError
            if status == TIMED_OUT:
                stderr += f"it did not end within {timeout_seconds:.0f} s and was ended\n".encode()
            return Output(status, stdout, stderr)

    def upload(self, files: Sequence[tuple[Path, str]], folder: str) -> None:
        """Copy files by SFTP."""
        total = sum(source.stat().st_size for source, _ in files)
        done = 0
        with self._problems("the upload stopped"):
            sftp = SFTPClient.from_transport(self._transport)
            assert sftp is not None
            with sftp:
                sftp.get_channel().settimeout(self._ssh.command_timeout_seconds)  # type: ignore[union-attr]
                for source, name in files:
                    _make_folders(sftp, folder, posixpath.dirname(name))
                    before = done

                    def report(sent: int, _size: int, name: str = name, before: int = before) -> None:
                        self.on_upload(name, before + sent, total)

                    sftp.put(str(source), posixpath.join(folder, name), callback=report, confirm=False)
                    done += source.stat().st_size

    def hold(self, script: str) -> _HeldChannel:
        """Start a script that goes on until its standard input ends; also when the connection does."""
        with self._problems("no answer"):
            return _HeldChannel(self._start(script))

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _start(self, script: str, runner: str = "") -> Channel:
        channel = self._transport.open_session(timeout=self._ssh.connect_timeout_seconds)
        become_root = self.login != "root" if self._ssh.sudo is None else self._ssh.sudo
        channel.exec_command(command_line(script, runner, become_root=become_root))
        return channel

    @property
    def _transport(self) -> Transport:
        return self._connected().transport  # type: ignore[no-any-return]  # fabric has no types

    def _connected(self) -> Connection:
        with self._connecting:
            if self._connection is not None and not self._connection.is_connected:
                self.close()
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def _connect(self) -> Connection:
        ssh = self._ssh
        config = Config(runtime_ssh_path=_expanded(ssh.config_file)) if ssh.config_file else Config()
        keys = {"key_filename": _expanded(ssh.identity_file)} if ssh.identity_file else {}
        connection = Connection(
            ssh.address,
            user=ssh.user,
            port=ssh.port,
            config=config,
            connect_timeout=ssh.connect_timeout_seconds,
            connect_kwargs={**keys, "banner_timeout": ssh.connect_timeout_seconds},
        )
        hop: object = connection
        while isinstance(hop, Connection):  # the jump hosts too
            self._insist_on_host_keys(hop)
            hop = hop.gateway
        with self._problems(f"no answer within {ssh.connect_timeout_seconds} s"):
            connection.open()
            # Without this every further command on the connection waits some 45 ms for a delayed ACK.
            connection.transport.set_keepalive(KEEPALIVE_SECONDS)
            carrier = connection.transport.sock
            if isinstance(carrier, socket.socket):
                carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _insist_on_host_keys(self, hop: Connection) -> None:
        """Refuse a host whose key is not known; fabric accepts it unless it is told not to."""
        hop.client.set_missing_host_key_policy(RejectPolicy())
        if not self._ssh.known_hosts:
            hop.client.load_system_host_keys()
            return
        try:
            hop.client.load_host_keys(_expanded(self._ssh.known_hosts))
        except OSError as error:
            raise NodeprovError(
                f"cannot read known_hosts {self._ssh.known_hosts}: {error.strerror}",
                "if this is the lab's: nodeprov lab up",
                where=self.name,
            ) from None

    @contextlib.contextmanager
    def _problems(self, on_timeout: str) -> Iterator[None]:
        where = f"{self.name} ({self._ssh.address})"
        known = self._ssh.known_hosts or "~/.ssh/known_hosts"
        try:
            yield
        except BadHostKeyException as error:
            raise NodeprovError(
                f"the host key has changed: {error.key.get_name()} {_fingerprint(error.key.asbytes())}",
                f"find out why; if it is right: ssh-keygen -f {known} -R {error.hostname}",
                where=where,
            ) from None
        except AuthenticationException as error:
            raise NodeprovError(
                f"not let in as {self._ssh.user or 'the user of your ssh configuration'}: {error}",
                "set user and identity_file in the inventory, or start an agent (ssh-add)",
                where=where,
            ) from None
        except TimeoutError:
            raise NodeprovError(on_timeout, "is it up? try: ssh " + self._ssh.address, where=where) from None
        except (SSHException, EOFError) as error:
            if "not found in known_hosts" in str(error):
                raise NodeprovError(
                    f"its host key is not in {known}",
                    f"compare it with the node's own, then: ssh-keyscan {self._ssh.address} >> {known}",
                    where=where,
                ) from None
            raise NodeprovError(
                f"the connection broke: {error or type(error).__name__}", "try again", where=where
            ) from None
        except OSError as error:
            raise NodeprovError(
                f"cannot be reached: {error.strerror or error}",
                f"is the address right? try: ssh {self._ssh.address}",
                where=where,
            ) from None


class _HeldChannel:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        channel.settimeout(HOLD_TIMEOUT_SECONDS)
        self.first_line = channel.makefile("r").readline().strip()

    def release(self) -> None:
        """End the script's standard input and wait for its end."""
        with contextlib.suppress(SSHException, OSError):
            self._channel.shutdown_write()
            self._channel.status_event.wait(HOLD_TIMEOUT_SECONDS)
            self._channel.close()


def command_line(script: str, runner: str, *, become_root: bool) -> str:
    """Wrap a script for whatever login shell the node has.

    In base64 nothing is left that sh, fish or csh would read differently, and standard input stays free.
    """
    body = base64.b64encode(script.encode()).decode()
    become = "sudo -n -- " if become_root else ""
    return f"{become}{runner} sh -c 'eval \"$(echo {body} | base64 -d)\"'"


def _drain(receive: Callable[[int], bytes], channel: Channel, deadline: float) -> bytes:
    chunks = []
    while chunk := receive(CHUNK_BYTES):
        chunks.append(chunk)
        channel.settimeout(max(0.001, deadline - time.monotonic()))
    return b"".join(chunks)


def _make_folders(sftp: SFTPClient, folder: str, below: str) -> None:
    path = folder
    for part in filter(None, below.split("/")):
        path = posixpath.join(path, part)
        with contextlib.suppress(OSError):
            sftp.mkdir(path, stat.S_IRWXU)


def _expanded(path: str) -> str:
    return str(Path(path).expanduser())


def _fingerprint(key: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
