"""The way to the virtual machines: Vagrant says where they are, and they say who they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_checked
from nodeprov_lab.access import RemoteShell, ssh_argv
from nodeprov_lab.vagrant.command import Vagrant, Way, parse_ssh_config
from nodeprov_lab.vagrant.machines import MACHINES
from nodeprov_lab.vagrant.state import VagrantState

CHOSEN = " --provider vagrant"
"""What a command of `nodeprov lab` needs to mean this lab."""
NOT_UP = "the lab is not up"
_KEYSCAN_SECONDS = 60


class Reach:
    """Logs in to machines that are up."""

    def __init__(self, vagrant: Vagrant, state: VagrantState) -> None:
        self._vagrant = vagrant
        self._state = state

    def way(self, name: str) -> Way:
        """Ask Vagrant for the way to one machine; raise NodeprovError if it is not up."""
        ways = self._ways(name)
        if name not in ways:
            raise NodeprovError(f"{name} is not up", f"nodeprov lab up{CHOSEN}, or: vagrant up {name}")
        return ways[name]

    def ways(self) -> Mapping[str, Way]:
        """Ask Vagrant for the way to every machine; raise NodeprovError if one is not up."""
        ways = self._ways()
        if any(machine.name not in ways for machine in MACHINES):
            raise NodeprovError(NOT_UP, f"nodeprov lab up{CHOSEN}, or: vagrant up")
        return ways

    def _ways(self, *name: str) -> Mapping[str, Way]:
        # Vagrant says nothing of any machine where one of those that were asked for is not up.
        said = self._vagrant.attempt(["ssh-config", *name])
        return parse_ssh_config(said.text) if said.returncode == 0 else {}

    def shell(self, way: Way) -> RemoteShell:
        """Log in to a machine, whose key is asked for now: it may have been made anew."""
        file = self._state.path / f"known_hosts-{way.name}"
        file.write_text(self._key(way))
        return RemoteShell(way.name, self._login(way, file), sudo=True)

    def argv(self, way: Way) -> list[str]:
        """Write the command that logs in to a machine whose key is known."""
        return self._login(way, self._state.known_hosts)

    def know(self, ways: Sequence[Way]) -> None:
        """Write down the machines' keys for everybody else."""
        self._state.known_hosts.write_text("".join(map(self._key, ways)))

    def _key(self, way: Way) -> str:
        # Nobody is between a hypervisor's host and its machines.
        argv = ["ssh-keyscan", "-T", str(_KEYSCAN_SECONDS), "-p", str(way.port), way.address]
        return run_checked(argv, f"cannot ask {way.name} for its key", timeout_seconds=2 * _KEYSCAN_SECONDS)

    def _login(self, way: Way, known_hosts: Path) -> list[str]:
        return ssh_argv(way.user, way.address, Path(way.key), known_hosts, port=way.port)
