"""The way to a machine, begun before it is needed: its route, and the TCP connection to it.

To import paramiko takes as long as all of that; and a server answers a connection by starting a process of its
own, which it does meanwhile too.
"""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

from nodeprov.hosts.route import Target, lookup_by, route
from nodeprov.inventory import Ssh

_UNREAD_SECONDS = 120
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}

Dial = Callable[[Target], socket.socket]
"""Opens a TCP connection; raises OSError."""


class Approach:
    """The way to one machine, on which a thread sets out at once; it serves one login."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh
        self._route: Future[tuple[Target, ...]] = Future()
        self._connection: Future[socket.socket | None] | None = Future()
        threading.Thread(target=self._go, args=(self._connection,), daemon=True).start()

    def route(self) -> tuple[Target, ...]:
        """Wait for the route; raise NodeprovError if there is none."""
        return self._route.result()

    def dial(self, target: Target) -> socket.socket:
        """Wait for the connection that was begun; open one if that was taken, or is none; raise OSError."""
        begun, self._connection = self._connection, None
        return (begun and begun.result()) or dialled(target, self._ssh.connect_timeout_seconds)

    def close(self) -> None:
        """Close the connection, if nobody has taken it."""
        if self._connection is not None:
            self._connection.add_done_callback(_close)

    def _go(self, connection: Future[socket.socket | None]) -> None:
        try:
            found = route_of(self._ssh)
        except BaseException as error:  # raised for whoever asks
            connection.set_result(None)
            self._route.set_exception(error)
            return
        self._route.set_result(found)
        is_direct = len(found) == 1 and not found[0].proxy_command
        # A jump host may have many to let in; sshd counts those that have not logged in yet (MaxStartups).
        try:
            connection.set_result(dialled(found[0], self._ssh.connect_timeout_seconds) if is_direct else None)
        except BaseException as error:
            connection.set_exception(error)


def _close(connection: Future[socket.socket | None]) -> None:
    if connection.exception() is None and (found := connection.result()) is not None:
        found.close()


def route_of(ssh: Ssh) -> tuple[Target, ...]:
    """Find the route to a machine by the user's ssh_config; raise NodeprovError if there is none."""
    return route(ssh, lookup_by(ssh.config_file))


def dialled(target: Target, timeout_seconds: int) -> socket.socket:
    """Open a TCP connection by the first of its addresses that answers; raise OSError."""
    family = _FAMILIES.get(target.address_family, socket.AF_UNSPEC)
    error: OSError | None = None
    for kind, _, _, _, address in socket.getaddrinfo(target.address, target.port, family, socket.SOCK_STREAM):
        made = socket.socket(kind, socket.SOCK_STREAM)
        try:
            made.settimeout(timeout_seconds)
            if target.bind_address:
                made.bind((target.bind_address, 0))
            made.connect(address)
        except OSError as problem:
            made.close()
            error = problem
            continue
        # Without this every further command on the connection waits some 45 ms for a delayed ACK.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a peer that reads no more ends what is being sent
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1000)
        return made
    raise error or OSError("it has no address")
