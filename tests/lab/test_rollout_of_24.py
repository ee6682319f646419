"""A rollout over 24 nodes with containerd and no cluster: what stops it, and how the same command goes on."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from nodeprov.cli.journal import Journal, journal_folder
from nodeprov.hosts.local import run_checked
from nodeprov_lab.nspawn.requirements import INOTIFY, INSTANCES_LIMIT
from tests.lab.conftest import QUICKER, prepare
from tests.lab.machines import OLD, STATE, Machine
from tests.lab.running import Ended, nodeprov, started
from tests.support.sampling import by_turns

pytestmark = [by_turns, pytest.mark.timeout(900)]
T = TypeVar("T")
NODES = tuple(f"worker{number}" for number in range(1, 25))
CANARIES, A, B, C, D = NODES[:2], NODES[2:6], NODES[6:12], NODES[12:18], NODES[18:]
"""Zones of six nodes each; the canaries are of the first."""
FAILING, SLOW = "worker9", "worker21"
RECEIPTS = "/var/lib/nodeprov/receipts"
LEFT = """
cd / && ls -d run/nodeprov-switch etc/systemd/system/nodeprov-* etc/containerd/.*nodeprov* opt/nodeprov/.[!.]* \
    2>/dev/null
ctr -n nodeprov containers ls -q
ctr -n nodeprov tasks ls -q
"""
"""What a run that was killed may leave, and the next one must not."""


def lab(*arguments: str) -> None:
    run_checked([sys.executable, "-m", "nodeprov", "lab", *arguments], f"lab {arguments[0]}", timeout_seconds=600)


def at_once(call: Callable[[T], object], values: Sequence[T]) -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(call, values):
            pass


class Fleet:
    """The nodes, and what each was before all."""

    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory
        self.nodes = {name: Machine(name) for name in NODES}
        at_once(lambda name: self.nodes[name].run(QUICKER), NODES)
        self.before = self.listings()

    def listings(self) -> dict[str, str]:
        """Describe all that nodeprov may touch on each node."""
        found: dict[str, str] = {}
        at_once(lambda name: found.update({name: self.nodes[name].listing()}), NODES)
        return found

    def left(self) -> dict[str, str]:
        """Name on which nodes there is something that no finished run leaves."""
        found: dict[str, str] = {}
        at_once(lambda name: found.update({name: self.nodes[name].try_run(LEFT).text}), NODES)
        return {name: said for name, said in found.items() if said}

    def untouched(self, listings: dict[str, str]) -> list[str]:
        """Name the nodes that are byte for byte as before."""
        return [name for name in NODES if listings[name] == self.before[name]]

    def insist(self, *installed: str) -> None:
        """See that these nodes are installed, all alike, the others as before, and that nothing is left."""
        listings = self.listings()
        assert self.untouched(listings) == [name for name in NODES if name not in installed]
        assert len({listings[name] for name in installed}) == 1
        assert self.left() == {}

    def close(self) -> None:
        at_once(lambda machine: machine.host.close(), [*self.nodes.values()])


@pytest.fixture
def fleet(pristine_configs: dict[str, bytes], tmp_path: Path) -> Iterator[Fleet]:
    """A lab of 24 workers in place of the usual one, which is there again afterwards."""
    limit = INOTIFY.read_text()
    INOTIFY.write_text(str(max(int(limit), INSTANCES_LIMIT)))
    try:
        lab("down")
        lab("up", "--workers", str(len(NODES)), "--bare")
        inventory = tmp_path / "fleet.toml"
        inventory.write_text(in_zones((Path(STATE) / "bare.toml").read_text()))
        fleet = Fleet(inventory)
        yield fleet
        fleet.close()
    finally:
        lab("down")
        INOTIFY.write_text(limit)
        lab("up")
        prepare()


def in_zones(text: str) -> str:
    """Give each node of an inventory the label of its zone."""

    def zone(found: re.Match[str]) -> str:
        letter = "abcd"[(int(found[1]) - 1) // 6]
        return f'{found[0]}\nlabels = {{ "topology.kubernetes.io/zone" = "{letter}" }}'

    return re.sub(r"(?m)^\[nodes\.worker([0-9]+)\]$", zone, text.replace("20260905.0", OLD))


def window(opened: timedelta, closes: timedelta) -> tuple[str, str]:
    now = datetime.now(UTC)
    return "--window", f"{now - opened:%H:%M}-{now + closes:%H:%M}"


WIDE = window(timedelta(hours=1), timedelta(hours=6))
ROLLOUT = ("install", "--all", "--canary", "2", "--soak", "2", "--max-unavailable", "25%", "--yes")


def results(ended: Ended) -> dict[str, str]:
    """Read the table at the end: what came of each node."""
    rows = [line.split() for line in ended.stdout.splitlines() if re.match(r"worker\d+ +\w", line)]
    return {row[0]: row[1] for row in rows}


def waves(ended: Ended) -> list[list[str]]:
    """Read which waves were begun."""
    return [found.split(", ") for found in re.findall(r"(?m)^wave \d+ of \d+, [^:]*: (.*)$", ended.stderr)]


def test_it_stops_at_a_failure_and_goes_on_after_that_and_after_a_kill_until_all_nodes_are_done(
    fleet: Fleet, tmp_path: Path
) -> None:
    slow(fleet)

    choose = "grep -q runtimes.runsc /etc/containerd/config.toml && exec false; exec containerd"
    fleet.nodes[FAILING].drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{choose}'")
    report = tmp_path / "report.md"
    ended = nodeprov(*ROLLOUT, *WIDE, "--report", str(report), inventory=fleet.inventory)
    assert ended.returncode == 1, ended.stderr
    assert waves(ended) == [[*CANARIES], [*A], [*B]]
    assert f"not begun, because {FAILING} failed: {', '.join([*C, *D])}" in ended.stderr
    done = [name for name in (*CANARIES, *A, *B) if name != FAILING]
    outcome = dict.fromkeys(done, "done") | {FAILING: "failed"} | dict.fromkeys((*C, *D), "untouched")
    assert results(ended) == outcome
    fleet.insist(*done)
    text = report.read_text()
    assert f"Left untouched: {', '.join([*C, *D])}." in text
    assert text.count("\n| ") > len(NODES)

    fleet.nodes[FAILING].run("rm -r /etc/systemd/system/containerd.service.d && systemctl daemon-reload")
    second = (FAILING, C[0])
    with started(*ROLLOUT, *WIDE, inventory=fleet.inventory) as running:
        running.wait_for(f"wave 3 of 4, 5 nodes: {', '.join(C[1:])}")
        running.wait_for("restarting containerd.service")
        running.process.kill()
        killed = running.end()
    assert waves(killed) == [[second[0]], [second[1]], [*C[1:]]]
    at_once(Machine.settled, [fleet.nodes[name] for name in C])
    assert {*fleet.untouched(fleet.listings())} >= {*D}

    ended = nodeprov(*ROLLOUT, *window(timedelta(minutes=1), timedelta(minutes=5)), inventory=fleet.inventory)
    assert ended.returncode == 3, ended.stderr
    assert SLOW in ended.stderr.partition("left for another window: ")[2].partition("\n")[0].split(", ")
    assert results(ended)[SLOW] == "untouched"
    fleet.insist(*(name for name in NODES if name != SLOW))

    ended = nodeprov(*ROLLOUT, *WIDE, inventory=fleet.inventory)
    assert ended.returncode == 0, ended.stderr
    fleet.insist(*NODES)
    assert nodeprov("plan", "--all", inventory=fleet.inventory).returncode == 0
    noted, _ = Journal(journal_folder()).read()
    states = [entry.value["state"] for entry in noted if len(entry.nodes) == len(NODES)]
    assert states == ["ended", "begun", "ended", "ended"]


def slow(fleet: Fleet) -> None:
    """Have a node know of a run that took an hour: it was installed once, and is as before by now."""
    for command in ("install", "uninstall"):
        ended = nodeprov(command, SLOW, "--yes", inventory=fleet.inventory)
        assert ended.returncode == 0, ended.stderr
    path = f"{RECEIPTS}/000001-install.json"
    machine = fleet.nodes[SLOW]
    receipt = json.loads(machine.run(f"cat {path}"))
    receipt["began"] = (datetime.fromisoformat(receipt["ended"]) - timedelta(hours=1)).isoformat()
    machine.host.sh(f"cat > {path}", stdin=json.dumps(receipt).encode())
    assert machine.listing() == fleet.before[SLOW]
