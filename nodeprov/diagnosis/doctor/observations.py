"""What only an examination asks of a node; a plan has no need of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.hosts.base import Output
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class Observations:
    """What was found. `proxies` is of containerd's environment, with names in capitals and without passwords."""

    now: float
    """The node's clock, in seconds since the epoch."""
    fapolicyd: bool
    proxies: Mapping[str, str]
    config: str | None
    """The text of the current generation's configuration; None where none is in force."""

    def skew_seconds(self, asked_at: float, answered_at: float) -> float:
        """Say how far the node's clock is from ours; what lay between question and answer counts for it."""
        return max(0.0, asked_at - self.now, self.now - answered_at)


@dataclass(frozen=True, slots=True)
class ObservationsQuery:
    """The one question from which they come: `config` is a path, and `pid` containerd's."""

    config: str
    pid: int | None

    @property
    def script(self) -> str:
        """The script that reads them."""
        return render("node/doctor.sh.j2", pid=self.pid or 0, config=self.config)

    def parse(self, output: Output) -> Observations:
        """Understand what the script printed."""
        return parse_observations(output.text)


def parse_observations(text: str) -> Observations:
    """Parse the script's output: `name=value` lines; a name that ends in `:` has a base64 value."""
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        values[name.removesuffix(":")] = _decoded(value) if name.endswith(":") else value
    proxies = (line.partition("=") for line in values.get("proxies", "").splitlines())
    return Observations(
        now=float(values["now"]),
        fapolicyd=values.get("fapolicyd") == "active",
        proxies={name.upper(): value for name, _, value in proxies if value},
        config=values.get("config"),
    )


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")
