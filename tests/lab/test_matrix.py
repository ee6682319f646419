"""Each containerd in the field, with each kind of file that it accepts: the whole life of an installation.

What comes of each is in docs/compatibility.md; UPDATE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nodeprov.runtimes.gvisor.shim import kernel_line
from tests.lab.machines import CONFIG, WORKER, Kubectl, Machine
from tests.lab.running import Ended, nodeprov, variant
from tests.lab.swapping import a_pod_on, config_files, swapped
from tests.support.matrix import FOR_PODS, ROWS, Row, keep

SECTIONS = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")


@pytest.fixture(params=ROWS, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
def served(row: Row, worker: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    """A node that runs the row's containerd with the row's file."""
    files = config_files(row.file, row.daemon, worker.config().decode())
    with swapped(worker, row.daemon, files):
        yield worker
    # Its kubelet did not run meanwhile, and for a minute at most nobody minds.
    kubectl("wait", "--for=condition=Ready", f"node/{WORKER}", "--timeout=60s")


@pytest.mark.rotates(4)
def test_the_whole_life_under_a_containerd(row: Row, served: Machine, tmp_path: Path) -> None:
    began = time.monotonic()
    inventory = variant(tmp_path, cluster__enabled="false", release__version=f'"{row.release}"')
    before, pid = Seen.on(served), served.pid()
    stated = tomllib.loads(served.config().decode()).get("version", 0)
    ended = nodeprov("install", WORKER, "--yes", inventory=inventory)
    if ended.returncode:
        assert served.pid() == pid, "a refusal touches nothing"
        result = f"refused: {reason(ended)}"
    else:
        pod = row.file in FOR_PODS
        live(served, inventory, before, pod=pod)
        result = f"installed, {'a pod, ' * pod}the same again, verified, uninstalled"
    assert Seen.on(served) == before
    keep(row, stated, result, time.monotonic() - began)


def live(machine: Machine, inventory: Path, before: Seen, *, pod: bool) -> None:
    """See all that comes after an install."""
    after = rest_of(machine)
    differing = {path: (before.dump.get(path), after.get(path)) for path in before.dump.keys() | after.keys()}
    assert {path: pair for path, pair in differing.items() if pair[0] != pair[1]} == {}, "nothing else differs"
    if pod:
        assert kernel_line(a_pod_on(machine))
    pid = machine.pid()
    again = nodeprov("install", WORKER, "--yes", inventory=inventory)
    assert "nothing to do" in again.stdout, again.stdout + again.stderr
    assert machine.pid() == pid
    verified = nodeprov("verify", WORKER, inventory=inventory)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    gone = nodeprov("uninstall", WORKER, "--yes", inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr


@dataclass(frozen=True)
class Seen:
    """What must be there again at the end: the bytes of all files, and what containerd makes of them."""

    listing: str
    files: str
    dump: Mapping[str, Any]

    @classmethod
    def on(cls, machine: Machine) -> Seen:
        """Look at a machine."""
        files = machine.run("find /etc/containerd -type f -exec sha256sum {} + | sort")
        return cls(machine.listing(), files, rest_of(machine))


def rest_of(machine: Machine) -> Mapping[str, Any]:
    """Return the effective configuration without our handlers, and what the mere existence of a file changes."""
    dump = tomllib.loads(machine.run(f"[ -e {CONFIG} ] && containerd config dump || containerd config default"))
    for section in SECTIONS:
        containerd = dump["plugins"].get(section, {}).get("containerd", {})
        for handler in ("runsc", "runsc-next"):
            containerd.get("runtimes", {}).pop(handler, None)
    dump["imports"] = sorted({*dump.get("imports", ())} - {CONFIG})  # 1.x names itself, and all in no order
    return dict(said(dump, ""))


def said(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """List all that is said; in Go what is empty or zero is the same as what is not said."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from said(inner, f"{path} {key}")
    elif value:
        yield path, value


def reason(ended: Ended) -> str:
    """Return why it was refused, without the node's name."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "hint: " in ended.stderr, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith(f"{WORKER}: ")]
    assert lines, ended.stderr
    return "; ".join(line.removeprefix(f"{WORKER}: ") for line in lines)
