"""Logging in to a node, through its jump hosts; each error names the machine, and what to type."""

import base64
import contextlib
import hashlib
import logging
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabric import Config, Connection  # noqa: TID251  the one place
from paramiko import MissingHostKeyPolicy, PKey, ProxyCommand, SSHClient, SSHException, Transport  # noqa: TID251

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh import known_hosts
from nodeprov.hosts.ssh.channels import limit_greeting
from nodeprov.hosts.ssh.keys import Login
from nodeprov.hosts.ssh.known_hosts import SSH_PORT, Verdict
from nodeprov.hosts.ssh.passwords import Passwords
from nodeprov.hosts.ssh.route import Target

_UNREAD_SECONDS = 120
KEEPALIVE_SECONDS = 15
# What goes wrong is raised; paramiko logs it besides, with a traceback.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

SETTING = "[ssh] connect_timeout_seconds"


@dataclass
class Connections:
    """Open connections, each through the one before it; the node's is the last."""

    connections: list[Connection] = field(default_factory=list)

    @property
    def transport(self) -> Transport:
        """What carries the node's channels."""
        return self.connections[-1].transport  # type: ignore[no-any-return]  # fabric has no types

    def close(self) -> None:
        """Close the connections, the node's first."""
        for connection in reversed(self.connections):
            connection.client.close()


def connect(route: Sequence[Target], node: str, passwords: Passwords, *, timeout_seconds: int) -> Connections:
    """Connect to each machine through the one before it.

    Args:
        route: the jump hosts, and the node at the end.
        node: its name, for messages.
        passwords: who knows the passphrases.
        timeout_seconds: the limit for each step: reaching, being answered, logging in.

    Raises:
        NodeprovError: naming the machine that could not be logged in to.
    """
    made = Connections()
    try:
        for target in route:
            where = f"{node} ({target.address})" if target is route[-1] else f"{node} (jump host {target.alias})"
            previous = route[len(made.connections) - 1] if made.connections else None
            connector = _Connector(target, previous, passwords, timeout_seconds)
            try:
                made.connections.append(connector.open(made.transport if made.connections else None))
            except NodeprovError as error:
                raise error.at(where) from None
    except BaseException:
        made.close()
        raise
    return made


class _Connector(MissingHostKeyPolicy):
    """Connects to one machine.

    It decides about every host key: paramiko is given none of the known ones, as it keeps one of a kind only.
    """

    def __init__(
        self, target: Target, previous: Target | None, passwords: Passwords, timeout_seconds: int
    ) -> None:
        self._target = target
        self._previous = previous
        self._passwords = passwords
        self._timeout_seconds = timeout_seconds
        self._trusted = [entry for entry in known_hosts.read(target.known_hosts) if entry.is_of(target.known_as)]

    def open(self, through: Transport | None) -> Connection:
        """Connect, see that the host's key is trusted, and log in."""
        target, seconds = self._target, self._timeout_seconds
        options: dict[str, Any] = {
            "sock": self._socket(through),
            "banner_timeout": seconds,
            "auth_timeout": seconds,
            "auth_strategy": Login(target, self._passwords, connect_timeout_seconds=seconds),
            "transport_factory": self._transport,
        }
        connection = Connection(
            target.address,
            user=target.user,
            port=target.port,
            config=Config(overrides={"load_ssh_configs": False}),
            connect_timeout=seconds,
            connect_kwargs=options,
        )
        connection.client.set_missing_host_key_policy(self)
        with self._problems(connection):
            connection.open()
        connection.transport.set_keepalive(KEEPALIVE_SECONDS)
        return connection

    def _socket(self, through: Transport | None) -> Any:
        """Open what the SSH connection runs over."""
        target = self._target
        try:
            if through is not None:
                return through.open_channel(
                    "direct-tcpip", (target.address, target.port), ("", 0), timeout=self._timeout_seconds
                )
            if target.proxy_command:
                return ProxyCommand(f"sh -c {shlex.quote('exec ' + target.proxy_command)}")
            made = socket.create_connection((target.address, target.port), timeout=self._timeout_seconds)
            # Without this every further command on the connection waits some 45 ms for a delayed ACK.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a peer that reads no more ends what is being sent
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1000)
            return made
        except TimeoutError:
            raise self._late("no answer") from None
        except (SSHException, OSError) as error:
            if "imeout" in str(error):
                raise self._late("no answer") from None
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NodeprovError(
                f"cannot be reached: {said}", f"are address and port right? try: ssh {self._by_hand}"
            ) from None

    def _transport(self, sock: Any, **options: Any) -> Transport:
        """Prefer the types of the host keys that we know, as OpenSSH does: a host may have several."""
        transport = Transport(sock, **options)
        limit_greeting(transport)
        known = {kind for entry in self._trusted for kind in _algorithms(entry.kind)}
        if known:
            offered = transport.get_security_options()
            offered.key_types = sorted(offered.key_types, key=lambda kind: kind not in known)
        return transport

    @contextlib.contextmanager
    def _problems(self, connection: Connection) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except NodeprovError:
            _abandon(connection)
            raise
        except (SSHException, EOFError, OSError) as error:
            transport = connection.client.get_transport()
            greeted = bool(transport and transport.remote_version)
            _abandon(connection)
            if time.monotonic() - began > 0.9 * self._timeout_seconds:
                what = "it stopped answering" if greeted else "it accepted the connection and said nothing"
                raise self._late(what) from None
            what = "the connection broke" if greeted else "what answers is no SSH server"
            raise NodeprovError(f"{what}: {str(error) or 'it was closed'}", f"try: ssh {self._by_hand}") from None

    def _late(self, what: str) -> NodeprovError:
        return NodeprovError(
            f"{what} (port {self._target.port}, {self._timeout_seconds} s)",
            f"try: ssh {self._by_hand}; if it is only slow, raise {SETTING} in the inventory",
        )

    @property
    def _by_hand(self) -> str:
        port = "" if self._target.port == SSH_PORT else f"-p {self._target.port} "
        jump = f"-J {self._previous.alias} " if self._previous else ""
        return f"{jump}{port}{self._target.user}@{self._target.address}"

    def missing_host_key(self, _client: SSHClient, _hostname: str, key: PKey) -> None:
        """Return if the key is trusted; raise NodeprovError with the command that accepts it if not."""
        name = self._target.known_as
        verdict = known_hosts.judge(self._trusted, name, key.asbytes())
        if verdict is Verdict.TRUSTED:
            return
        fingerprint = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        shown = f"{key.get_name()} SHA256:{fingerprint}"
        path = shlex.quote(self._target.known_hosts[0]) if self._target.known_hosts else "~/.ssh/known_hosts"
        if verdict is Verdict.UNKNOWN:
            raise NodeprovError(
                f"its host key is not known: {shown} ({name} is not in {path})",
                f"compare it with the machine's own, then: {self._scan} >> {path}",
            )
        if verdict is Verdict.REVOKED:
            raise NodeprovError(
                f"its host key is revoked: {shown}", "give the machine a new one, and find out why"
            )
        holder = shlex.quote(next(entry.path for entry in self._trusted if not entry.revoked))
        raise NodeprovError(
            f"the host key has changed: {shown} ({name} has another in {holder})",
            f"find out why; if it is right: ssh-keygen -f {holder} -R {shlex.quote(name)}, "
            f"and then: {self._scan} >> {holder}",
        )

    @property
    def _scan(self) -> str:
        command = self._target.keyscan
        if self._previous:
            command = f"ssh {self._previous.alias} {command}"
        if self._target.host_key_alias:
            command += f" | sed 's/^[^ ]*/{self._target.host_key_alias}/'"
        return command


def _abandon(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        connection.client.close()


def _algorithms(kind: str) -> tuple[str, ...]:
    """Name the signatures that a kind of key can make (RFC 8332)."""
    return ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if kind == "ssh-rsa" else (kind,)
