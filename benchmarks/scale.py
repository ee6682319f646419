"""Thousands of nodes that KWOK plays, installed by `nodeprov cluster run` on a real API server.

What a kubelet and an engine take is played: so many seconds for each pod. Measured is what the dispatcher and the
API server do for a node.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apart import run_apart
from nodeprov.dispatch.api import Api
from nodeprov.in_cluster.pod import NAMESPACE
from tests.support.control_plane import ControlPlane, control_plane, fake_node
from tests.support.locked import locked_folder
from tests.support.release_server import archived, serving
from tests.support.stages import stages

SIZES = "200,1000"
IN_FLIGHT = 500
ENGINE_MILLISECONDS, PROOF_MILLISECONDS = (5000, 10000), (1000, 2000)
"""What a pod is played to take, at least and at most."""
VERSION = "20260905.0"
IMAGES = (f"registry/engine@sha256:{'1' * 64}", f"registry/release@sha256:{'2' * 64}")
INVENTORY = """
[cluster]
select = "pool=sandboxes"
kubectl = "{kubectl}"
kubeconfig = "{kubeconfig}"
[rollout]
max_unavailable = "{most}"
max_failures = 1000
[release]
version = "{version}"
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run of so many nodes took."""

    nodes: int
    seconds: float
    server_seconds: float
    own_seconds: float
    own_mebibytes: float
    median_seconds: float
    """From a node's claim to its end."""

    @property
    def cells(self) -> list[str]:
        """Write it as a row."""
        return [
            f"{self.nodes:,}",
            f"{self.seconds:.0f} s",
            f"{self.nodes / self.seconds:.1f}",
            f"{self.median_seconds:.1f} s",
            f"{self.server_seconds / self.nodes * 1000:.0f} ms",
            f"{self.own_seconds / self.nodes * 1000:.0f} ms",
            f"{self.own_mebibytes:.0f} MiB",
        ]


HEADS = (
    *("nodes", "the whole command", "nodes/s", "median of a node"),
    *("API server's CPU, a node", "dispatcher's CPU, a node", "dispatcher's memory"),
)


def measure(size: int, in_flight: int) -> Measured:
    """Install so many nodes in a cluster of their own."""
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder)) as plane:
        plane.start_kwok(stages(milliseconds=ENGINE_MILLISECONDS, proof_milliseconds=PROOF_MILLISECONDS))
        _populate(plane, size)
        _write_inputs(plane, Path(folder), in_flight)
        before = plane.cpu_seconds()
        command = [sys.executable, "-m", "nodeprov", "cluster", "run", "--yes", "--json", "--quiet"]
        images = ("--engine-image", IMAGES[0], "--release-image", IMAGES[1])
        with (Path(folder) / "result.json").open("w+b") as result:
            code, run = run_apart([*command, *images], result, environment=_environment(), folder=folder)
            server = plane.cpu_seconds() - before
            result.seek(0)
            outcomes = json.load(result)["outcomes"]
        done = [each for each in outcomes if each["result"] == "done"]
        if code or len(done) != size:
            raise SystemExit(f"{len(done)} of {size} nodes are done, exit status {code}")
    median = statistics.median(each["seconds"] for each in done)
    return Measured(size, run.seconds, server, run.processor_seconds, run.mebibytes, median)


def main(sizes: Sequence[int], in_flight: int) -> str:
    """Measure all sizes; return a table, and how the cost grows."""
    found = []
    for size in sizes:
        found.append(measure(size, in_flight))
        print(" | ".join(found[-1].cells), flush=True)
    lines = [HEADS, ["---"] * len(HEADS), *(each.cells for each in found)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join([table, *_fits(found)])


def _fits(found: Sequence[Measured]) -> Iterator[str]:
    """Say how CPU grows with nodes: a line through what was measured, and how well it fits."""
    if len(found) < 2:
        return
    sizes = [float(each.nodes) for each in found]
    for name, values in (
        ("API server", [each.server_seconds for each in found]),
        ("dispatcher", [each.own_seconds for each in found]),
    ):
        slope, intercept = statistics.linear_regression(sizes, values)
        fits = statistics.correlation(sizes, values) ** 2
        yield f"CPU of the {name}: {intercept:.1f} s and {slope * 1000:.1f} ms a node (R² {fits:.3f})."


def _populate(plane: ControlPlane, size: int) -> None:
    api = Api(plane.access)
    for namespace in (NAMESPACE, "default"):
        if api.find(f"/api/v1/namespaces/{namespace}") is None:
            api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    names = [f"fake-{number:05}" for number in range(size)]
    with ThreadPoolExecutor(8) as threads:
        nodes = (fake_node(name, labels={"pool": "sandboxes"}) for name in names)
        list(threads.map(lambda node: api.create("/api/v1/nodes", node), nodes))
    api.close()


def _write_inputs(plane: ControlPlane, folder: Path, in_flight: int) -> None:
    with serving() as server, _folder() as locked:
        for architecture in ("x86_64", "aarch64"):
            server.publish(VERSION, archived(VERSION, architecture), architecture)
        (folder / "nodeprov.lock").write_text(locked_folder(locked, server).read_text())
    values = {"kubectl": plane.program("kubectl"), "kubeconfig": plane.kubeconfig}
    (folder / "nodeprov.toml").write_text(INVENTORY.format(**values, most=in_flight, version=VERSION))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
