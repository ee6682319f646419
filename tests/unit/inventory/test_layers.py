"""Which value wins, and where it is said to come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodeprov.inventory import Inventory, Node
from nodeprov.toml import Lines
from tests.support.inventories import LAYERED, read_layered

SHA512 = "ab" * 64


def node(inventory: Inventory, name: str) -> Node:
    return next(each for each in inventory.nodes if each.name == name)


def origin(inventory: Inventory, name: str, *path: str) -> str:
    return node(inventory, name).source(*path).text(inventory.path, Lines(LAYERED))


def test_a_group_lies_over_all_a_later_group_over_it_and_a_nodes_own_over_both() -> None:
    inventory = read_layered()
    settings = {each.name: each.settings for each in inventory.nodes}
    assert [(each.ssh.user, each.ssh.port) for each in inventory.nodes] == [
        ("admin", None),
        ("gpu", 22),
        ("gpu", 2222),
    ]
    assert [each.runtime.platform for each in settings.values()] == ["systrap", "ptrace", "kvm"]
    assert settings["worker-2"].release.version == "20260518.0"
    assert settings["worker-2"].runtime.flags == {"network": "sandbox", "debug": "true"}
    assert settings["gpu-1"].runtime.flags == {"network": "host", "debug": "true"}


def test_each_value_says_where_it_came_from() -> None:
    inventory = read_layered(["ssh.sudo=true"], {"NODEPROV_RUNTIME_CLASS_NAME": "sandbox"})
    assert origin(inventory, "worker-1", "ssh", "user") == "inventory.toml:5"
    assert origin(inventory, "worker-1", "ssh", "port") == "default"
    assert origin(inventory, "worker-1", "ssh", "sudo") == "--set ssh.sudo"
    assert origin(inventory, "worker-1", "runtime_class", "name") == "environment NODEPROV_RUNTIME_CLASS_NAME"
    assert origin(inventory, "worker-1", "runtime", "flags", "network") == "inventory.toml:8"
    assert origin(inventory, "worker-2", "ssh", "user") == "[groups.gpu] inventory.toml:12"
    assert origin(inventory, "worker-2", "ssh", "port") == "[nodes.worker-2] inventory.toml:27"
    assert origin(inventory, "worker-2", "runtime", "platform") == "[groups.old] inventory.toml:22"
    assert origin(inventory, "worker-2", "runtime", "flags", "debug") == "[groups.gpu] inventory.toml:17"
    assert origin(inventory, "gpu-1", "runtime", "flags", "network") == "[nodes.gpu-1] inventory.toml:33"


def test_another_release_brings_its_own_digests_and_forgets_those_of_the_one_below() -> None:
    own = f"{{ aarch64 = {{ 'gvisor.tar.zstd' = '{SHA512}' }} }}"
    pins = f"sha512.x86_64 = {{ 'gvisor.tar.zstd' = '{SHA512}' }}"
    text = f"[release]\nversion = '20260905.0'\n{pins}\n[nodes.a]\n"

    def pinned(*options: str) -> Mapping[str, Any]:
        return read_layered(options, text=text).nodes[0].settings.release.sha512

    assert list(pinned("release.version=20260101.0", f"release.sha512={own}")) == ["aarch64"]
    assert pinned("release.version=20260101.0", "release.sha512={}") == {}
    assert list(pinned("release.version=20260905.0")) == ["x86_64"]


PORTS = st.one_of(st.none(), st.integers(1, 65535))


@given(st.lists(PORTS, min_size=6, max_size=6))
def test_law_the_last_layer_that_says_something_wins(ports: list[int | None]) -> None:
    of_all, group, own, variable_, option, option_of_node = ports

    def line(value: int | None) -> str:
        return "" if value is None else f"port = {value}\n"

    text = (
        f'[release]\nversion = "latest"\n[ssh]\n{line(of_all)}[groups.g]\nnodes = ["a"]\n{line(group)}'
        f"[nodes.a]\n{line(own)}"
    )
    environment = {} if variable_ is None else {"NODEPROV_SSH_PORT": str(variable_)}
    options = [] if option is None else [f"ssh.port={option}"]
    options += [] if option_of_node is None else [f"nodes.a.port={option_of_node}"]
    (only,) = read_layered(options, environment, text).nodes
    assert only.ssh.port == next((port for port in reversed(ports) if port is not None), None)
