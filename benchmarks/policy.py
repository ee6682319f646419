"""What `nodeprov policy` adds to the admission of a pod: two API servers side by side, one without it.

The pods keep all rules, so that all of them are evaluated. The servers take turns at each pod: what else the
machine does meets both. Their etcds write to disk, as those of clusters do.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.policies import Cluster, cluster, namespace, pod

PODS, ROUNDS = 500, 5
WHERE = "shop"
CONTAINERS = [
    {"name": f"c{number}", "image": "x", "securityContext": {"capabilities": {"drop": ["ALL"]}}, "ports": [port]}
    for number, port in enumerate({"containerPort": each} for each in (80, 443, 9090))
]


def main(pods: int, rounds: int) -> str:
    """Admit so many pods by each server, in so many rounds; write the medians of the rounds and their ratio.

    A busy machine hits a request now and then: the median pod says what it takes, the time of the processor what
    it costs.
    """
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        servers = {name: stack.enter_context(_server()) for name in ("without", "with")}
        servers["with"].policy("apply", "--required", WHERE, "--yes")
        servers["with"].in_force(WHERE)
        _round(servers, pods // 5)  # what is compiled and connected when it is first needed
        found = [_round(servers, pods) for _ in range(rounds)]
    lines = [_compared(f"{what} for {pods} pods", [each[what] for each in found]) for what in found[0]]
    return "\n".join([*lines, f"{rounds} rounds, load of the machine before it {load:.1f}"])


def _round(servers: Mapping[str, Cluster], pods: int) -> dict[str, tuple[float, float]]:
    cpu = {name: server.plane.cpu_seconds() for name, server in servers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(pods):
        value = pod(f"p{number}", containers=CONTAINERS)
        for name in sorted(servers, reverse=bool(number % 2)):
            seconds[name].append(servers[name].seconds_to_admit(WHERE, value))
    spent = [server.plane.cpu_seconds() - cpu[name] for name, server in servers.items()]
    totals, medians = ([of(each) for each in seconds.values()] for of in (sum, statistics.median))
    return {
        "seconds": (totals[0], totals[1]),
        "pods x the median": (medians[0] * pods, medians[1] * pods),
        "seconds of the processor": (spent[0], spent[1]),
    }


def _compared(what: str, rounds: Sequence[tuple[float, float]]) -> str:
    without, with_them = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratios = [after / before for before, after in rounds]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return f"{what}: {without:.2f} without, {with_them:.2f} with: {statistics.median(ratios):.3f} x ({spread})"


@contextmanager
def _server() -> Iterator[Cluster]:
    """Have an API server with a namespace whose account the controllers need not make."""
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder), has_controllers=False, syncs=True) as found,
    ):
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        found.made(namespace(WHERE))
        found.made(account, where=WHERE)
        yield found
