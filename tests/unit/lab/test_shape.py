"""A lab of more than two workers: its machines, its inventory, and what remembers it."""

from __future__ import annotations

import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from nodeprov import inventory
from nodeprov.errors import UsageError
from nodeprov.hosts.local import run_program
from nodeprov_lab.base import statuses
from nodeprov_lab.cluster import Settings, bare_files, node_files, units
from nodeprov_lab.credentials import make_secrets
from nodeprov_lab.nspawn.lab import inventory_path, inventory_text
from nodeprov_lab.nspawn.shape import MOST_WORKERS, Shape

CHECKOUT = Path(__file__).parents[3]


def test_every_machine_has_an_address_and_a_range_for_pods_of_its_own() -> None:
    machines = Shape(MOST_WORKERS).machines
    assert len({machine.name for machine in machines}) == MOST_WORKERS + 1
    assert len({ip_address(machine.address) for machine in machines}) == MOST_WORKERS + 1
    assert len({ip_network(machine.pod_subnet) for machine in machines}) == MOST_WORKERS + 1


def test_two_workers_keep_their_kubelet_and_the_others_are_bare() -> None:
    machines = Shape(4, bare=True).machines
    assert [(each.name, each.has_kubelet) for each in machines] == [
        ("master", True),
        ("worker1", True),
        ("worker2", True),
        ("worker3", False),
        ("worker4", False),
    ]
    assert [units(machine)[-1] for machine in machines[2:]] == ["kubelet", "containerd", "containerd"]
    assert [file.path for file in bare_files()] == ["/etc/systemd/system/containerd.service"]


def test_nobody_routes_to_the_pods_of_a_machine_that_has_none() -> None:
    machines = Shape(3, bare=True).machines
    secrets = make_secrets(machines[0], "10.96.0.0/16")
    files = {file.path: file.content.decode() for file in node_files(machines[1], machines, secrets, Settings())}
    routes = files["/etc/systemd/system/pod-routes.service"]
    assert "10.244.12.0/24" in routes
    assert "10.244.13.0/24" not in routes


def test_a_bare_machine_is_ready_as_soon_as_it_runs() -> None:
    machines = Shape(3, bare=True).machines
    found = statuses(machines, {"master", "worker1", "worker3"}, {"master"})
    assert [each.ready for each in found] == [True, False, False, True]


@pytest.mark.parametrize("shape", [Shape(), Shape(48), Shape(12, bare=True)])
def test_the_folder_remembers_it(shape: Shape, tmp_path: Path) -> None:
    assert Shape.read(tmp_path) is None
    shape.write(tmp_path)
    assert Shape.read(tmp_path) == shape


@pytest.mark.parametrize("text", ["", "{", "[]", '{"workers": 0}', '{"workers": "x"}', '{"other": 1}'])
def test_what_cannot_be_read_does_not_keep_the_lab_from_going_down(text: str, tmp_path: Path) -> None:
    (tmp_path / "shape.json").write_text(text)
    assert Shape.read(tmp_path) is None


@pytest.mark.parametrize("workers", [0, -1, MOST_WORKERS + 1])
def test_a_number_without_addresses_is_refused(workers: int) -> None:
    with pytest.raises(UsageError, match=f"1 to {MOST_WORKERS} workers, not {workers}"):
        Shape(workers)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bare",), "--bare is about more workers than two"),
        (("--workers", "0"), "a lab has 1 to 200 workers, not 0"),
        (("--workers", "6", "--provider", "vagrant"), "the virtual machines are three"),
    ],
)
def test_bad_input_is_refused_and_makes_nothing(arguments: tuple[str, ...], said: str) -> None:
    ended = run_program([sys.executable, "-m", "nodeprov", "lab", "up", *arguments])
    assert ended.returncode == 2
    assert said in ended.said
    assert b"Traceback" not in ended.stderr


def test_its_inventories_are_read_one_with_the_cluster_and_one_without() -> None:
    master, *workers = Shape(4, bare=True).machines
    members = inventory.parse(inventory_text(workers[:2], master), "x.toml")
    assert [(node.name, node.ssh.address, node.settings.cluster.host) for node in members.nodes] == [
        ("worker1", "10.123.0.11", "master"),
        ("worker2", "10.123.0.12", "master"),
    ]
    lab = inventory.parse((CHECKOUT / "inventory" / "lab.toml").read_text(), "lab.toml")
    assert [node.settings.release for node in members.nodes] == [node.settings.release for node in lab.nodes]
    assert members.ssh("master").address == "10.123.0.10"
    everyone = inventory.parse(inventory_text(workers, None), "x.toml")
    assert [node.name for node in everyone.nodes] == ["worker1", "worker2", "worker3", "worker4"]
    assert {node.settings.cluster.enabled for node in everyone.nodes} == {False}


def test_the_lab_of_two_workers_has_the_inventory_that_comes_with_nodeprov() -> None:
    assert inventory_path(Shape()).read_text() == (CHECKOUT / "inventory" / "lab.toml").read_text()
    assert inventory_path(Shape(6)).name == "inventory.toml"
