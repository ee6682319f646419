"""A link of 200 ms: what a run with nothing to do takes in round trips, and an install from nothing."""

import subprocess  # noqa: TID251  the relay is a process
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import measure
from benchmarks.contenders import TOGETHER, installed_everywhere, nodeprov, ssh_true
from benchmarks.measure import Result
from benchmarks.site import Site, make
from nodeprov.inventory import Node

ROUND_TRIP_SECONDS = 0.2
INSTALLS = 3
"""So many installs are tried."""


@contextmanager
def far_away(site: Site) -> Iterator[Site]:
    """Reach the same nodes by a relay that delays what it hands on."""
    targets = [f"{node.ssh.address}:{node.ssh.port or 22}" for node in site.nodes]
    argv = [sys.executable, "-m", "benchmarks.relay", str(ROUND_TRIP_SECONDS / 2), *targets]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        ports = [int(each) for each in relay.stdout.readline().split()]
        folder = site.folder / "far"
        folder.mkdir()
        (folder / "known_hosts").write_text("\n".join(_keys(site.nodes, ports)))
        inventory = folder / "far.toml"
        inventory.write_text(_inventory(site, ports, folder / "known_hosts"))
        yield make(folder / "site", inventory, len(site.nodes))
        relay.communicate("")


def _keys(nodes: Sequence[Node], ports: Sequence[int]) -> Iterator[str]:
    for node, port in zip(nodes, ports, strict=True):
        for each in Path(str(node.ssh.known_hosts)).read_text().splitlines():
            name, _, key = each.partition(" ")
            if node.ssh.address in name.split(","):
                yield f"[127.0.0.1]:{port} {key}"


def _inventory(site: Site, ports: Sequence[int], known_hosts: Path) -> str:
    first = site.nodes[0]
    release = first.settings.release
    nodes = "".join(
        f'[nodes."{node.name}"]\naddress = "127.0.0.1"\nport = {port}\n'
        for node, port in zip(site.nodes, ports, strict=True)
    )
    return f"""\
[ssh]
user = "{first.ssh.user}"
identity_file = "{first.ssh.identity_file}"
known_hosts = "{known_hosts}"
[release]
version = "{release.version}"
base_url = "{release.base_url}"
[cluster]
enabled = false
{nodes}"""


def nothing_to_do(far: Site, rounds: int) -> list[Result]:
    """Measure runs with nothing to do."""
    for _ in ("installed", "found so, and remembered"):
        measure.once(installed_everywhere(far))
    own = nodeprov(far, "install", *far.names, "--yes", name="nodeprov install, nothing to do")
    return measure.in_turn((ssh_true(far), own), rounds)


def from_nothing(far: Site, rounds: int) -> list[Result]:
    """Measure installs from nothing; each must end well."""
    undo = nodeprov(far, "uninstall", *far.names, *TOGETHER, name="nodeprov uninstall")
    return measure.in_turn((replace(installed_everywhere(far), before=(undo,)),), rounds)
