"""The `vagrant` program, and what it prints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, check
from nodeprov.hosts.local import run_program, run_streamed
from nodeprov_lab.base import Event, OnEvent

_TIMEOUT_SECONDS = 1800.0
_MESSAGE = re.compile(r"==> (?P<machine>[\w-]+): (?P<said>.*)")
_LINES_TOLD = 15


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

    def tell(self, arguments: Sequence[str], on_event: OnEvent) -> None:
        """Run a command of Vagrant's that works for a while; raise NodeprovError if it fails."""
        narration = Narration(on_event)
        status = run_streamed(["vagrant", *arguments], narration.line, environment=self._environment)
        narration.close(failed=status != 0)
        if status != 0:
            said = "\n".join(narration.last)
            raise NodeprovError(f"vagrant {arguments[0]} failed:\n{said}", f"vagrant {' '.join(arguments)}")


@dataclass
class Narration:
    """Vagrant's lines as events: what a machine says begins something, and ends what it said before."""

    on_event: OnEvent
    begun: dict[str, str] = field(default_factory=dict)
    last: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Understand one line."""
        self.last = [*self.last[1 - _LINES_TOLD :], text]
        match = _MESSAGE.match(text)
        if match is None or match["said"].startswith(" "):
            return
        self._end(match["machine"], "ended")
        what = f"{match['machine']}: {match['said'].rstrip('.')}"
        self.begun[match["machine"]] = what
        self.on_event(Event(what, "begun"))

    def close(self, *, failed: bool) -> None:
        """End what goes on."""
        for machine in [*self.begun]:
            self._end(machine, "failed" if failed else "ended")

    def _end(self, machine: str, state: str) -> None:
        what = self.begun.pop(machine, None)
        if what is not None:
            self.on_event(Event(what, "failed" if state == "failed" else "ended"))


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
            ways[name.strip()] = Way(
                name.strip(),
                options["HostName"],
                int(options["Port"]),
                options["User"],
                options["IdentityFile"].strip('"'),
            )
        except (KeyError, ValueError) as error:
            raise NodeprovError(
                f"vagrant ssh-config says nothing of {error} for {name}", "vagrant ssh-config"
            ) from None
    return ways
