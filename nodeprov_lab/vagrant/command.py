"""The `vagrant` program: what it prints, and the way to its machines, which say who they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, check
from nodeprov.hosts.local import run_checked, run_program, run_streamed
from nodeprov_lab.access import RemoteShell, ssh_argv
from nodeprov_lab.base import Event, OnEvent
from nodeprov_lab.vagrant.state import MACHINES, VagrantState

_TIMEOUT_SECONDS = 1800.0
_MESSAGE = re.compile(r"==> (?P<machine>[\w-]+): (?P<said>.*)")
_LINES_KEPT = 15
CHOSEN = " --provider vagrant"
"""What a command of `nodeprov lab` needs to mean this lab."""
NOT_UP = "the lab is not up"
_KEYSCAN_SECONDS = 60


class Vagrant:
    """Vagrant, for the machines of one Vagrantfile."""

    def __init__(self, folder: Path) -> None:
        self._environment: Mapping[str, str] = {
            "VAGRANT_CWD": str(folder),
            "VAGRANT_CHECKPOINT_DISABLE": "1",  # it would ask whether there is a newer Vagrant
            "VAGRANT_NO_COLOR": "1",
        }

    def run(self, arguments: Sequence[str]) -> str:
        """Run a command of Vagrant's that prints something; raise CommandFailed if it fails."""
        return check(self.attempt(arguments), f"vagrant {arguments[0]}", where="localhost").text

    def attempt(self, arguments: Sequence[str], timeout_seconds: float = _TIMEOUT_SECONDS) -> Output:
        """Run a command of Vagrant's, whatever its status."""
        argv = ["vagrant", *arguments]
        return run_program(argv, environment=self._environment, timeout_seconds=timeout_seconds)

    def narrate(self, arguments: Sequence[str], on_event: OnEvent) -> None:
        """Run a command of Vagrant's that works for a while; raise NodeprovError if it fails."""
        narration = Narration(on_event)
        status = run_streamed(["vagrant", *arguments], narration.line, environment=self._environment)
        narration.close(failed=status != 0)
        if status != 0:
            said = "\n".join(narration.last)
            raise NodeprovError(f"vagrant {arguments[0]} failed:\n{said}", f"vagrant {' '.join(arguments)}")


@dataclass
class Narration:
    """Vagrant's lines as events: each line of a machine begins something, and ends what its last line began."""

    on_event: OnEvent
    begun: dict[str, str] = field(default_factory=dict)
    last: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Understand one line."""
        self.last = [*self.last[1 - _LINES_KEPT :], text]
        match = _MESSAGE.match(text)
        if match is None or match["said"].startswith(" "):
            return
        self._end(match["machine"])
        what = f"{match['machine']}: {match['said'].rstrip('.')}"
        self.begun[match["machine"]] = what
        self.on_event(Event(what, "begun"))

    def close(self, *, failed: bool) -> None:
        """End what goes on."""
        for machine in [*self.begun]:
            self._end(machine, failed=failed)

    def _end(self, machine: str, *, failed: bool = False) -> None:
        if machine in self.begun:
            self.on_event(Event(self.begun.pop(machine), "failed" if failed else "ended"))


@dataclass(frozen=True, slots=True)
class Way:
    """How Vagrant reaches a machine."""

    name: str
    address: str
    port: int
    user: str
    key: str


def parse_ssh_config(text: str) -> dict[str, Way]:
    """Understand what `vagrant ssh-config` prints: one `Host` after the other, `Keyword value`."""
    ways: dict[str, Way] = {}
    for block in re.split(r"(?m)^Host ", text)[1:]:
        name, *lines = block.splitlines()
        options = dict(line.split(None, 1) for line in lines if line.strip())
        try:
            address, port, user = options["HostName"], int(options["Port"]), options["User"]
            ways[name.strip()] = Way(name.strip(), address, port, user, options["IdentityFile"].strip('"'))
        except (KeyError, ValueError) as error:
            raise NodeprovError(f"vagrant ssh-config has no {error} for {name}", "vagrant ssh-config") from None
    return ways


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
        # Vagrant prints no machine at all if one of those that were asked for is not up.
        said = self._vagrant.attempt(["ssh-config", *name])
        return parse_ssh_config(said.text) if said.returncode == 0 else {}

    def shell(self, way: Way) -> RemoteShell:
        """Log in to a machine, whose key is asked for now: it may have been made anew."""
        file = self._state.path / f"known_hosts-{way.name}"
        file.write_text(self._key(way))
        return RemoteShell(way.name, self.argv(way, file), sudo=True)

    def argv(self, way: Way, known_hosts: Path | None = None) -> list[str]:
        """Write the command that logs in to a machine whose key is known."""
        known_hosts = known_hosts or self._state.known_hosts
        return ssh_argv(way.user, way.address, Path(way.key), known_hosts, port=way.port)

    def know(self, ways: Sequence[Way]) -> None:
        """Write down the machines' keys for everybody else."""
        self._state.known_hosts.write_text("".join(map(self._key, ways)))

    def _key(self, way: Way) -> str:
        # Nobody is between a hypervisor's host and its machines.
        argv = ["ssh-keyscan", "-T", str(_KEYSCAN_SECONDS), "-p", str(way.port), way.address]
        return run_checked(argv, f"cannot ask {way.name} for its key", timeout_seconds=2 * _KEYSCAN_SECONDS)
