"""Where a run gets its hosts from: over SSH, or on the node itself."""

import contextlib
import resource
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self

from nodeprov.errors import UsageError
from nodeprov.hosts.approach import Approach
from nodeprov.hosts.at_once import MOST_AT_ONCE
from nodeprov.hosts.base import COMMAND_SETTING, COMMAND_TIMEOUT_SECONDS, Host, Hosts, Place
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.namespaces import NamespacesHost
from nodeprov.hosts.passwords import Passwords
from nodeprov.hosts.shell import OnCommand, OnEnded, ShellHost
from nodeprov.hosts.timings import Timings
from nodeprov.inventory import Inventory, Node, Ssh

CLUSTER_SETTING = "[cluster] timeout_seconds"
"""What gives kubectl on this machine more time."""
FILES_BESIDES = 512
"""Open files that are no connections to nodes: programs that are run, uploads, the terminal."""


class HostProvider(Protocol):
    """Knows the hosts that a run against a node needs."""

    def of(self, node: Node) -> Hosts:
        """Return them; a run of several nodes asks in several threads."""


def kubectl_host(timeout_seconds: float = COMMAND_TIMEOUT_SECONDS) -> LocalHost:
    """Return this machine as the one that runs kubectl."""
    return LocalHost(timeout_seconds=timeout_seconds, setting=CLUSTER_SETTING)


class _HostCache:
    """Makes a host when it is first asked for one, and closes them all."""

    def __init__(
        self, on_command: OnCommand | None, timings: Timings | None = None, on_ended: OnEnded | None = None
    ) -> None:
        self.on_command = on_command or (lambda _host, _script: None)
        self.on_ended = on_ended or (lambda _host, _what: None)
        self.timings = timings
        self._hosts: dict[str, ShellHost] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts.values():
            host.close()

    def _host(self, name: str, make: Callable[[], ShellHost]) -> Host:
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = make()
                self._hosts[name].on_command = self.on_command
                self._hosts[name].on_ended = self.on_ended
                self._hosts[name].timings = self.timings
            return self._hosts[name]

    def _kubectl(self, node: Node) -> Host:
        return self._host("", lambda: kubectl_host(node.settings.cluster.timeout_seconds))


class SshHosts(_HostCache):
    """The nodes of an inventory over SSH; kubectl runs on this machine, or on a host that the inventory names."""

    def __init__(
        self,
        whole: Inventory,
        on_command: OnCommand | None = None,
        passwords: Passwords | None = None,
        timings: Timings | None = None,
        on_ended: OnEnded | None = None,
    ) -> None:
        super().__init__(on_command, timings, on_ended)
        self.whole = whole
        self.passwords = passwords or Passwords()
        self._known: dict[str, Ssh] = {host.name: host.ssh for host in whole.hosts}
        self._known |= {node.name: node.ssh for node in whole.nodes}
        self._approaches: dict[str, Approach] = {}

    def __exit__(self, *error: object) -> None:
        for each in self._approaches.values():
            each.close()
        super().__exit__(*error)

    def begin(self, nodes: Sequence[Node]) -> None:
        """Set out for those nodes that are asked first, and for what runs kubectl; nothing is raised here."""
        _allow_open_files(FILES_BESIDES + len(nodes))
        clusters = [node.settings.cluster.host for node in nodes if node.settings.cluster.enabled]
        for name in dict.fromkeys([*filter(None, clusters), *(node.name for node in nodes[:MOST_AT_ONCE])]):
            with contextlib.suppress(KeyError):  # it is told where that host is asked
                self._approaches[name] = Approach(self._known[name])

    def of(self, node: Node) -> Hosts:
        """Return a node, and what runs kubectl for it.

        Raises UsageError when the inventory names a kubectl host that it does not describe.
        """
        hosts: dict[Place, Host] = {Place.NODE: self._ssh(node.name)}
        if node.settings.cluster.enabled:
            name = node.settings.cluster.host
            hosts[Place.CLUSTER] = self._ssh(name) if name else self._kubectl(node)
        return hosts

    def _ssh(self, name: str) -> Host:
        try:
            ssh = self._known[name]
        except KeyError:
            raise UsageError(
                f"{self.whole.path}: [cluster] host names {name!r}, which is neither a node nor a host",
                f"describe it under [hosts.{name}], or leave host out to use kubectl on this machine",
            ) from None

        def make() -> ShellHost:
            from nodeprov.hosts.ssh.host import SshHost  # with paramiko

            return SshHost(name, ssh, self.passwords, self._approaches.pop(name, None))

        return self._host(name, make)


def _allow_open_files(count: int) -> None:
    """Have the system allow so many open files, as far as it does: 1024 are usual, and each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < count:
        with contextlib.suppress(OSError, ValueError):
            wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class LocalNode(_HostCache):
    """This machine, which is the one node of this name; kubectl runs here too.

    In a pod on the node, with its process namespace, `enter` is what leads out of the container:
    ("nsenter", "--target=1", "--mount", "--pid", "--"). kubectl then runs in the container. `mounted` are folders
    of the node that the container has, and where they lie there: what is in them need not be sent.
    """

    def __init__(
        self,
        name: str,
        *,
        enter: Sequence[str] = (),
        mounted: Mapping[Path, str] = MappingProxyType({}),
        on_command: OnCommand | None = None,
    ) -> None:
        super().__init__(on_command)
        self._name = name
        self._enter = enter
        self._mounted = mounted

    def of(self, node: Node) -> Hosts:
        """Return this machine; raise UsageError for a node that it is not."""
        elsewhere = node.settings.cluster.host if node.settings.cluster.enabled else None
        for name, hint in ((node.name, "reach that one by SSH"), (elsewhere, "leave [cluster] host out")):
            if name not in (self._name, None):
                raise UsageError(f"this machine is {self._name}, and not {name}", hint)
        hosts = {Place.NODE: self._host(node.name, lambda: self._here(node))}
        return {**hosts, Place.CLUSTER: self._kubectl(node)} if node.settings.cluster.enabled else hosts

    def _here(self, node: Node) -> LocalHost:
        timeout_seconds = float(node.ssh.command_timeout_seconds)
        return NamespacesHost(
            node.name,
            timeout_seconds=timeout_seconds,
            setting=COMMAND_SETTING,
            enter=self._enter,
            mounted=self._mounted,
        )
