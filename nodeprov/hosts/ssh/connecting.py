"""Logging in to a node, through its jump hosts; each error names the machine, and what to type."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from paramiko import (  # noqa: TID251
    ChannelException,
    MissingHostKeyPolicy,
    PKey,
    SSHClient,
    SSHException,
    Transport,
)
from paramiko.ssh_exception import IncompatiblePeer  # noqa: TID251

from nodeprov.errors import NodeprovError, said_by_system
from nodeprov.hosts.approach import Dial
from nodeprov.hosts.local import Relay
from nodeprov.hosts.passwords import Passwords
from nodeprov.hosts.route import SSH_PORT, Target
from nodeprov.hosts.ssh.again import trying
from nodeprov.hosts.ssh.host_keys import HostKeys
from nodeprov.hosts.ssh.keys import Login
from nodeprov.hosts.ssh.sessions import Sessions
from nodeprov.hosts.ssh.words import Listening, quoted
from nodeprov.inventory.ssh_config import Stage, not_followed

if TYPE_CHECKING:
    import tenacity

_OTHER_SERVER = re.compile(r"HTTP/|<|\d{3}[ -]|\+OK|\* ")
"""How servers of HTTP (or its page of an error alone), SMTP, FTP, POP3 and IMAP begin what they say."""
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
DROPS = 5
"""How often a connection is made that the server drops before it has shown its key."""
AFTER_A_DROP = {"multiplier": 0.5, "min": 0.2, "max": 4.0}
"""Seconds between them, by chance and more each time: some 4 s in all."""
KEEPALIVE_SECONDS = 15
# What goes wrong is raised; paramiko logs it besides, with a traceback.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

SETTING = "[ssh] connect_timeout_seconds"


@dataclass
class Connections:
    """Open connections, each through the one before it; the node's is the last."""

    clients: list[SSHClient] = field(default_factory=list)

    @property
    def transport(self) -> Transport:
        """What carries the node's channels."""
        return _transport_of(self.clients[-1])

    @cached_property
    def sessions(self) -> Sessions:
        """The node's sessions."""
        return Sessions(self.transport)

    def close(self) -> None:
        """Close the connections, the node's first."""
        for client in reversed(self.clients):
            client.close()


def connect(
    route: Sequence[Target], node: str, passwords: Passwords, *, dial: Dial, timeout_seconds: int
) -> Connections:
    """Connect to each machine through the one before it.

    Args:
        route: the jump hosts, and the node at the end.
        dial: opens the connection to the first of them, if that is one by TCP.
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
            previous = route[len(made.clients) - 1] if made.clients else None
            connector = _Connector(target, previous, passwords, dial, timeout_seconds)
            try:
                made.clients.append(connector.open(made.transport if made.clients else None))
            except NodeprovError as error:
                error.message += connector.not_followed()
                raise error.at(where) from None
    except BaseException:
        made.close()
        raise
    return made


class _Dropped(NodeprovError):
    """The server has closed the connection before it has shown its key; it may take the next one."""


class _Connector(MissingHostKeyPolicy):
    """Connects to one machine.

    It decides about every host key: paramiko is given none of the known ones, as it keeps one of a kind only.
    """

    def __init__(
        self, target: Target, previous: Target | None, passwords: Passwords, dial: Dial, timeout_seconds: int
    ) -> None:
        self._target = target
        self._previous = previous
        self._passwords = passwords
        self._dial = dial
        self._timeout_seconds = timeout_seconds
        self._host_keys = HostKeys(target, previous)
        self._login = Login(target, passwords, connect_timeout_seconds=timeout_seconds)
        self._stage = Stage.REACHING
        self._refusal: NodeprovError | None = None

    def open(self, through: Transport | None) -> SSHClient:
        """Connect, and again after a moment where the server drops us: with MaxStartups it does so by chance."""

        def with_pauses() -> tenacity.Retrying:
            import tenacity

            return tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(_Dropped),
                wait=tenacity.wait_random_exponential(**AFTER_A_DROP),
                stop=tenacity.stop_after_attempt(DROPS),
                reraise=True,
            )

        return trying(lambda: self._open(through), lambda error: isinstance(error, _Dropped), with_pauses)

    def not_followed(self) -> str:
        """Name what the ssh configuration says, is not followed, and may be why this failed."""
        named = not_followed(self._target.options, self._stage)
        return f"; not followed of the ssh configuration: {', '.join(named)}" if named else ""

    def _open(self, through: Transport | None) -> SSHClient:
        """Connect once, see that the host's key is trusted, and log in."""
        target, seconds = self._target, self._timeout_seconds
        self._stage = Stage.REACHING
        carrier = self._reached(through)
        options: dict[str, Any] = {
            "sock": carrier,
            "banner_timeout": seconds,
            "auth_timeout": seconds,
            "auth_strategy": self._login,
            "transport_factory": self._transport,
            "compress": target.algorithms.compression,
        }
        client = SSHClient()
        client.set_missing_host_key_policy(self)
        with self._problems(client, carrier):
            client.connect(target.address, target.port, target.user, timeout=seconds, **options)
        _transport_of(client).set_keepalive(KEEPALIVE_SECONDS)
        return client

    def _reached(self, through: Transport | None) -> Any:
        """Open what the SSH connection runs over, as often as ConnectionAttempts says."""

        def each_second() -> tenacity.Retrying:
            import tenacity

            return tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(NodeprovError),
                wait=tenacity.wait_fixed(1),
                stop=tenacity.stop_after_attempt(self._target.attempts),
                reraise=True,
            )

        return trying(lambda: self._socket(through), lambda error: isinstance(error, NodeprovError), each_second)

    def _socket(self, through: Transport | None) -> Any:
        target = self._target
        try:
            if through is not None:
                return through.open_channel(
                    "direct-tcpip", (target.address, target.port), ("", 0), timeout=self._timeout_seconds
                )
            if target.proxy_command:
                # A Ctrl-C is for us alone: what was begun is taken back over this connection.
                return Relay(["sh", "-c", f"trap '' INT; exec {target.proxy_command}"])
            return self._dial(target)
        except TimeoutError:
            raise self._late("no answer") from None
        except ChannelException as error:
            raise self._not_forwarded(error) from None
        except (SSHException, OSError) as error:
            if "imeout" in str(error):
                raise self._late("no answer") from None
            said = said_by_system(error) or type(error).__name__
            raise NodeprovError(
                f"cannot be reached: {said}", f"are address and port right? try: ssh {self._by_hand}"
            ) from None

    def _not_forwarded(self, error: ChannelException) -> NodeprovError:
        assert self._previous is not None
        hint = f"try: ssh {self._by_hand}"
        if error.code == 1:  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED in RFC 4254, 5.1
            hint = f"let {self._previous.user} forward there: AllowTcpForwarding and PermitOpen in its sshd_config"
        return NodeprovError(f"cannot be reached from {self._previous.alias}: {error.text}", hint)

    def _transport(self, sock: Any, **options: Any) -> Transport:
        """Offer what the ssh configuration says."""
        wanted = self._target.algorithms
        if wanted.user_keys:
            options["disabled_algorithms"] = {"pubkeys": [kind for kind in _RSA if kind not in wanted.user_keys]}
        transport = Listening(sock, self._offer, **options)
        offered = transport.get_security_options()
        offered.ciphers = _fast_first(self._chosen("Ciphers", wanted.ciphers, offered.ciphers), wanted.ciphers)
        offered.digests = self._chosen("MACs", wanted.macs, offered.digests)
        offered.kex = self._chosen("KexAlgorithms", wanted.key_exchange, offered.kex)
        offered.key_types = self._chosen("HostKeyAlgorithms", wanted.host_keys, offered.key_types)
        return transport

    def _offer(self, transport: Transport) -> None:
        """Prefer the types of the host keys that we know, as OpenSSH does: a host may have several.

        Not before the server has spoken: a ProxyCommand may write known_hosts as it connects, as sssd's does.
        """
        self._stage = Stage.HOST_KEY
        try:
            known = self._host_keys.kinds()
        except NodeprovError as error:
            self._refusal = error  # paramiko would make another one of it
            raise
        offered = transport.get_security_options()
        offered.key_types = sorted(offered.key_types, key=lambda kind: kind not in known)

    def _chosen(self, directive: str, wanted: Sequence[str], offered: Sequence[str]) -> Sequence[str]:
        """Take those of the wanted algorithms that paramiko has."""
        ours = {_plain(name): name for name in offered}
        found = list(dict.fromkeys(ours[name] for name in map(_plain, wanted) if name in ours))
        if wanted and not found:
            raise NodeprovError(
                f"{directive} of the ssh configuration names none that nodeprov has: {', '.join(wanted)}",
                f"add one for this machine: {', '.join(offered)}",
            )
        return found or offered

    @contextlib.contextmanager
    def _problems(self, client: SSHClient, carrier: Any) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except NodeprovError:
            _abandon(client)
            raise
        except (SSHException, EOFError, OSError) as error:
            transport = client.get_transport()
            _abandon(client)
            late = time.monotonic() - began > 0.9 * self._timeout_seconds
            raise self._broken(transport, error, carrier, late=late) from None

    def _broken(self, transport: Transport | None, error: Exception, carrier: Any, *, late: bool) -> NodeprovError:
        """Say why there is no connection, by what the server says itself if it says anything."""
        relay = carrier.ended() if isinstance(carrier, Relay) else None
        if self._refusal:
            return self._refusal
        if not isinstance(transport, Listening):
            return NodeprovError(f"the connection broke: {said_by_system(error)}", f"try: ssh {self._by_hand}")
        if relay is not None and relay.returncode > 0 and not transport.remote_version:
            said = relay.said or f"exit status {relay.returncode}"
            return NodeprovError(f"its ProxyCommand ended: {said}", f"try: ssh {self._by_hand}")
        if transport.remote_version:
            return self._broken_off(transport, error, late=late)
        return self._not_greeted(transport, error, late=late)

    def _broken_off(self, transport: Listening, error: Exception, *, late: bool) -> NodeprovError:
        if late:
            return self._late("it stopped answering")
        said = quoted("it says", transport.farewell) or said_by_system(error) or "it was closed"
        kind = NodeprovError if self._stage is Stage.LOGIN or isinstance(error, IncompatiblePeer) else _Dropped
        return kind(f"the connection broke: {said}", f"try: ssh {self._by_hand}")

    def _not_greeted(self, transport: Listening, error: Exception, *, late: bool) -> NodeprovError:
        said, by_hand = transport.preface, f"try: ssh {self._by_hand}"
        if _OTHER_SERVER.match(said) or (said and not transport.has_hung_up):
            return NodeprovError(f'what answers is not an SSH server: it says "{said}"', by_hand)
        if transport.has_hung_up:
            what = f'it refuses the connection: it says "{said}"' if said else "it closes the connection at once"
            return _Dropped(
                f"{what} (port {self._target.port}, tried {DROPS} times)",
                "sshd does so while many log in at once (MaxStartups), and for a while after failed logins from "
                f"this address (PerSourcePenalties, fail2ban): wait a minute; its log says why; {by_hand}",
            )
        if late:
            return self._late("it accepted the connection and sent nothing")
        return NodeprovError(
            f"what answers is not an SSH server: {said_by_system(error) or 'it was closed'}", by_hand
        )

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
        """Return if the key is trusted; raise NodeprovError if not."""
        self._host_keys.check(key)
        self._stage = Stage.LOGIN


def _transport_of(client: SSHClient) -> Transport:
    transport = client.get_transport()
    assert transport is not None, "it has connected"
    return transport


def _abandon(client: SSHClient) -> None:
    with contextlib.suppress(Exception):
        client.close()


def _fast_first(ciphers: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    """Put AES-GCM first where the ssh configuration prefers what paramiko lacks, as it does by default.

    paramiko is twice as fast with it as with AES-CTR and a MAC: an upload has hundreds of MB.
    """
    if not wanted or _plain(wanted[0]) in map(_plain, ciphers):
        return ciphers
    return sorted(ciphers, key=lambda name: "-gcm@" not in name)


def _plain(algorithm: str) -> str:
    """Name an algorithm as RFC 8731 does; of curve25519-sha256 paramiko has the older name."""
    return algorithm.removesuffix("@libssh.org")
