"""The hosts of one invocation: each node's own, and the one that runs kubectl, shared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from nodeprov.errors import UsageError
from nodeprov.hosts.base import Host, Place
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.shell import Progress, ShellHost
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.hosts.ssh.passwords import Passwords
from nodeprov.inventory import Inventory, Node

OnCommand = Callable[[str, str], None]
"""Called with a host's name and the script that is about to run there."""


def quietly(_name: str, _script: str) -> None:
    """Show nothing of what runs on a host."""


class Connections:
    """Makes a host when it is first asked for one, and closes them all."""

    def __init__(self, whole: Inventory, on_command: OnCommand, passwords: Passwords | None = None) -> None:
        self.whole = whole
        self.on_command = on_command
        self.passwords = passwords or Passwords()
        self._hosts: dict[str, ShellHost] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts.values():
            host.close()

    def of(self, node: Node) -> Mapping[Place, Host]:
        """Return the hosts that a run against this node needs.

        Raises UsageError when the inventory names a kubectl host that it does not describe.
        """
        hosts: dict[Place, Host] = {Place.NODE: self._host(node.name)}
        if node.settings.cluster.enabled:
            name = node.settings.cluster.host
            hosts[Place.CLUSTER] = self._host(name) if name else self._local(node.settings.cluster.timeout_seconds)
        return hosts

    def on_upload(self, node: Node, report: Progress) -> None:
        """Report the uploads to a node."""
        self._hosts[node.name].on_upload = report

    def _host(self, name: str) -> ShellHost:
        with self._lock:
            if name not in self._hosts:
                try:
                    self._hosts[name] = SshHost(name, self.whole.ssh(name), self.passwords)
                except KeyError:
                    raise UsageError(
                        f"{self.whole.path}: [cluster] host names {name!r}, which is neither a node nor a host",
                        f"describe it under [hosts.{name}], or leave host out to use kubectl on this machine",
                    ) from None
                self._hosts[name].on_command = self.on_command
            return self._hosts[name]

    def _local(self, timeout_seconds: float) -> ShellHost:
        with self._lock:
            host = self._hosts.setdefault("", LocalHost(timeout_seconds=timeout_seconds))
            host.on_command = self.on_command
            return host
