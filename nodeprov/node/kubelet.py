"""The kubelet of a node: which socket it talks to, who says so, and how it drives cgroups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nodeprov.containerd.distributions.profiles import PROFILES

_ENDPOINTS = ("containerRuntimeEndpoint", "container-runtime-endpoint")
_DRIVERS = ("cgroupDriver", "cgroup-driver")


@dataclass(frozen=True, slots=True)
class Kubelet:
    """A kubelet that runs; `said_by` tells where its socket is said, and `cgroup_driver` is None if nothing is."""

    pid: int
    program: str
    socket: str
    said_by: str
    cgroup_driver: str | None


def parse_kubelet(pid: int, program: str, arguments: Sequence[str], config: str, default: str) -> Kubelet:
    """Read where a kubelet talks to: its command line wins over its configuration, that over the default.

    KUBELET_EXTRA_ARGS of a unit is in the command line by then.
    """
    on_command_line = dict(_flags(arguments))
    in_config = dict(_keys(config))
    found = _first(on_command_line, _ENDPOINTS), _first(in_config, _ENDPOINTS)
    said_by = (
        "its command line says so" if found[0] else "its configuration says so" if found[1] else "its default"
    )
    driver = _first(on_command_line, _DRIVERS) or _first(in_config, _DRIVERS)
    return Kubelet(pid, program, plain_socket(found[0] or found[1] or default), said_by, driver)


def plain_socket(endpoint: str) -> str:
    """Write an endpoint as the path of a socket: without unix://, and below /run, which /var/run leads to."""
    path = endpoint.removeprefix("remote:").removeprefix("unix://")
    for name, value in ((name, value) for profile in PROFILES for name, value in profile.variables.items()):
        path = path.replace(f"${{{name}}}", value)
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for argument, following in pairwise([*arguments, ""]):
        if argument.startswith("-"):
            name, has_value, value = argument.lstrip("-").partition("=")
            yield name, value if has_value else following


def _keys(config: str) -> Iterator[tuple[str, str]]:
    """Read `key: value` lines of YAML or JSON; of drop-ins a later one wins, as kubelet reads them."""
    for line in config.splitlines():
        found = re.match(r"""\s*["']?([\w-]+)["']?\s*:\s*["']?([^"',#\s]*)""", line)
        if found:
            yield found[1], found[2]


def _first(values: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((values[name] for name in names if values.get(name)), None)
