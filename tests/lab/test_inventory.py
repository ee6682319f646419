"""A first inventory of a real cluster, and layers of settings on real connections."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov.inventory import parse
from tests.lab.machines import NEW, STATE, WORKER, Machine
from tests.lab.running import nodeprov

MIRROR = "http://10.123.0.1:8080/gvisor/releases"
KEYS = ("--user", "root", "--identity-file", f"{STATE}/id_ed25519", "--known-hosts", f"{STATE}/known_hosts")
KUBECTL = ("--from-cluster", "--kubectl-host", "10.123.0.10", "--kubeconfig", "/etc/kubernetes/admin.conf")


def init(folder: Path, *arguments: str) -> Output:
    output = run_program([sys.executable, "-m", "nodeprov", "init", *arguments], folder=folder)
    assert b"Traceback" not in output.stderr, output.stderr
    return output


def test_an_inventory_of_the_cluster_is_one_that_can_be_planned_with(
    worker: Machine, other: Machine, tmp_path: Path
) -> None:
    output = init(tmp_path, *KUBECTL, *KEYS, "--version", NEW, "--base-url", MIRROR)
    assert output.returncode == 0, output.said
    assert output.text == (
        f"wrote nodeprov.toml: 2 nodes (worker1, worker2), gVisor {NEW}\n"
        "next: nodeprov plan '*' --inventory nodeprov.toml\n"
    )
    path = tmp_path / "nodeprov.toml"
    inventory = parse(path.read_text(), str(path))
    assert [(node.name, node.ssh.address) for node in inventory.nodes] == [
        ("worker1", "10.123.0.11"),
        ("worker2", "10.123.0.12"),
    ]
    assert (inventory.ssh("master").address, inventory.nodes[0].settings.cluster.host) == ("10.123.0.10", "master")
    planned = nodeprov("plan", "*", "--json", inventory=path)
    assert planned.returncode == 3, planned.stderr
    assert [plan["node"] for plan in json.loads(planned.stdout)["plans"]] == ["worker1", "worker2"]


def test_a_cluster_that_kubectl_cannot_reach_from_there_is_told_and_nothing_is_written(
    lab: None, tmp_path: Path
) -> None:
    output = init(tmp_path, *KUBECTL[:-1], "/nowhere.conf", *KEYS, "--version", NEW)
    assert output.returncode == 1
    assert output.stderr.startswith(b"10.123.0.10: kubectl get nodes: exit status 1: ")
    assert b"/nowhere.conf" in output.stderr
    assert list(tmp_path.iterdir()) == []


def test_settings_of_a_group_the_environment_and_one_run_reach_the_plan(worker: Machine, tmp_path: Path) -> None:
    init(tmp_path, *KUBECTL, *KEYS, "--version", NEW, "--base-url", MIRROR)
    path = tmp_path / "nodeprov.toml"
    group = f'\n[groups.first]\nnodes = ["*{WORKER[-1]}"]\nruntime.flags = {{ debug = "true" }}\n'
    path.write_text(path.read_text() + group)
    planned = nodeprov("plan", "@first", "--set", "paths.bin=", "--json", inventory=path)
    assert planned.returncode == 3, planned.stderr
    (plan,) = json.loads(planned.stdout)["plans"]
    assert plan["node"] == WORKER
    assert "/usr/local/bin" not in planned.stdout
    assert '+debug = \\"true\\"' in planned.stdout
