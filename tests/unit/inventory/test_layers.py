"""Which value wins, and where it is said to come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import Inventory, Node, parse, select
from nodeprov.inventory.explanation import explanation_json, explanation_text, values
from nodeprov.inventory.key_names import TABLES, keys_of, variable
from nodeprov.toml import Lines
from tests.support.samples import golden

SHA512 = "ab" * 64
FILE = """\
[release]
version = "20260905.0"

[ssh]
user = "admin"

[runtime.flags]
network = "sandbox"

[groups.gpu]
nodes = ["gpu-*", "worker-2"]
user = "gpu"
port = 2222

[groups.gpu.runtime]
platform = "kvm"
flags = { debug = "true" }

[groups.old]
nodes = ["worker-2"]
release.version = "20260518.0"
runtime.platform = "ptrace"

[nodes.worker-1]

[nodes.worker-2]
port = 22

[nodes.gpu-1]
address = "10.0.0.21"

[nodes.gpu-1.runtime.flags]
network = "host"

[hosts.master]
address = "10.0.0.10"
"""


def read(options: Sequence[str] = (), environment: Mapping[str, str] | None = None, text: str = FILE) -> Inventory:
    return parse(text, "inventory.toml", options=options, environment=environment)


def node(inventory: Inventory, name: str) -> Node:
    return next(each for each in inventory.nodes if each.name == name)


def origin(inventory: Inventory, name: str, *path: str) -> str:
    return node(inventory, name).source(*path).text(inventory.path, Lines(FILE))


def test_a_group_lies_over_all_a_later_group_over_it_and_a_nodes_own_over_both() -> None:
    inventory = read()
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
    inventory = read(["ssh.sudo=true"], {"NODEPROV_RUNTIME_CLASS_NAME": "sandbox"})
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


def test_the_environment_lies_over_the_file_and_set_over_both() -> None:
    environment = {"NODEPROV_SSH_PORT": "2022", "NODEPROV_SSH_USER": "ci", "NODEPROV_RUNTIME_PLATFORM": "systrap"}
    inventory = read(["ssh.port=2200", "nodes.gpu-1.user=root"], environment)
    assert [(each.ssh.user, each.ssh.port) for each in inventory.nodes] == [
        ("ci", 2200),
        ("ci", 2200),
        ("root", 2200),
    ]
    assert {each.settings.runtime.platform for each in inventory.nodes} == {"systrap"}
    assert inventory.ssh("master").user == "ci"


def test_of_what_is_set_that_for_one_node_lies_over_a_group_and_a_group_over_all_in_any_order() -> None:
    options = [
        "nodes.worker-2.port=1",
        "groups.old.port=2",
        "groups.gpu.port=3",
        "ssh.port=4",
        "hosts.master.port=5",
    ]
    for ordered in (options, options[::-1]):
        inventory = read(ordered)
        assert [each.ssh.port for each in inventory.nodes] == [4, 1, 3]
        assert inventory.ssh("master").port == 5


def test_of_two_options_for_one_key_the_last_is_meant() -> None:
    assert read(["ssh.port=1", "ssh.port=2"]).nodes[0].ssh.port == 2


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("release.version=20260101.0", ("release", "version"), "20260101.0"),
        ('release.version="20260101.0"', ("release", "version"), "20260101.0"),
        ("release . version = latest", ("release", "version"), "latest"),
        ("label.value=true", ("label", "value"), "true"),
        ("label.value=", ("label", "value"), ""),
        ("paths.bin=", ("paths", "bin"), ""),
        ("cluster.enabled=false", ("cluster", "enabled"), False),
        ("cluster.context=kind-a=b", ("cluster", "context"), "kind-a=b"),
        ("proof.timeout_seconds=5", ("proof", "timeout_seconds"), 5),
        ("proof.image=example.com/a@sha256:ab#c", ("proof", "image"), "example.com/a@sha256:ab#c"),
        ("runtime.flags.debug=true", ("runtime", "flags"), {"network": "sandbox", "debug": "true"}),
        ('runtime.flags={ debug = "1" }', ("runtime", "flags"), {"network": "sandbox", "debug": "1"}),
        ("runtime_class.overhead.cpu=1", ("runtime_class", "overhead"), {"cpu": "1"}),
        (
            'runtime_class.node_selector."example.com/a"=b',
            ("runtime_class", "node_selector"),
            {"example.com/a": "b"},
        ),
        (
            "runtime_class.tolerations=[{ key = 'a', tolerationSeconds = 1 }]",
            ("runtime_class", "tolerations"),
            ({"key": "a", "tolerationSeconds": 1},),
        ),
    ],
)
def test_a_value_is_read_as_toml_or_as_it_stands_where_a_string_is_wanted(
    option: str, path: tuple[str, str], value: Any
) -> None:
    table = getattr(read([option]).nodes[0].settings, path[0])
    assert getattr(table, path[1]) == value


def test_a_node_with_dots_in_its_name_is_quoted_as_in_the_file() -> None:
    text = '[release]\nversion = "latest"\n[nodes."a.example.com"]\n'
    assert read(['nodes."a.example.com".port=22'], text=text).nodes[0].ssh.port == 22


def test_variables_of_others_are_no_settings() -> None:
    others = (
        "CACHE",
        "INVENTORY",
        "LAB_STATE",
        "TEST_STAGES",
        "RELEASE",
        "LABELS_KEY",
        "SET",
        "NODES_WORKER_1_PORT",
    )
    environment = {f"NODEPROV_{name}": "x" for name in others} | {"nodeprov_ssh_port": "1", "SSH_PORT": "1"}
    assert read(environment=environment) == read()


def test_every_key_has_a_variable_of_its_own() -> None:
    names = [variable(table, key) for table in TABLES for key in keys_of(table)]
    assert len(set(names)) == len(names)
    assert "NODEPROV_RUNTIME_CLASS_NODE_SELECTOR" in names


def test_another_release_brings_its_own_digests_and_forgets_those_of_the_one_below() -> None:
    own = f"{{ aarch64 = {{ 'gvisor.tar.zstd' = '{SHA512}' }} }}"
    pins = f"sha512.x86_64 = {{ 'gvisor.tar.zstd' = '{SHA512}' }}"
    text = f"[release]\nversion = '20260905.0'\n{pins}\n[nodes.a]\n"

    def pinned(*options: str) -> Mapping[str, Any]:
        return read(options, text=text).nodes[0].settings.release.sha512

    assert list(pinned("release.version=20260101.0", f"release.sha512={own}")) == ["aarch64"]
    assert pinned("release.version=20260101.0", "release.sha512={}") == {}
    assert list(pinned("release.version=20260905.0")) == ["x86_64"]


def test_nodes_are_chosen_by_the_name_of_a_group() -> None:
    inventory = read()
    assert [each.name for each in select(inventory, ["@gpu"])] == ["worker-2", "gpu-1"]
    assert [each.name for each in select(inventory, ["@old", "worker-1", "@gpu"])] == [
        "worker-1",
        "worker-2",
        "gpu-1",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("@gpus", "no group of inventory.toml is called gpus\nhint: did you mean @gpu?"),
        ("gpu", "gpu is a group of inventory.toml and no node\nhint: write @gpu for its nodes"),
        ("cpu-*", "no node of inventory.toml matches cpu-*\nhint: there are: worker-1, worker-2, gpu-1"),
    ],
)
def test_a_choice_of_nothing_says_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        select(read(), [name])
    assert str(refused.value) == said


def test_a_group_is_asked_for_where_there_are_none() -> None:
    with pytest.raises(UsageError, match=r"hint: describe one: \[groups.NAME\]"):
        select(read(text='[release]\nversion = "latest"\n[nodes.a]\n'), ["@a"])


def test_the_settings_of_several_nodes_are_told_once_where_they_agree() -> None:
    inventory = read(["nodes.gpu-1.runtime.flags.strace=true"], {"NODEPROV_PROOF_IMAGE": "busybox:1.37"})
    common, _, own = explanation_text(inventory, inventory.nodes, FILE).partition("\n\n")
    assert common.startswith("all 3 nodes\n  [ssh]\n")
    assert [line.split(maxsplit=2) for line in common.splitlines() if " image " in line] == [
        ["image", '"busybox:1.37"', "environment NODEPROV_PROOF_IMAGE"]
    ]
    golden("inventory/explained.txt", own + "\n")


def test_the_settings_of_one_node_are_told_together() -> None:
    inventory = read()
    text = explanation_text(inventory, inventory.nodes[:1], FILE)
    assert text.startswith("worker-1\n  [ssh]\n    address ")
    assert len([line for line in text.splitlines() if line.startswith("    ")]) == len(
        list(values(inventory.nodes[0]))
    )


def test_a_long_value_moves_only_its_own_place_aside() -> None:
    inventory = read([f"runtime.flags.debug-log=/var/log/{'x' * 80}"])
    lines = explanation_text(inventory, inventory.nodes[:1], FILE).splitlines()
    assert max(len(line) for line in lines if "debug-log" not in line) < 110


def test_the_settings_as_json_have_each_value_and_its_place() -> None:
    inventory = read(["ssh.port=2200"])
    (shown,) = json.loads(json.dumps(explanation_json(inventory, select(inventory, ["gpu-1"]), FILE)))["nodes"]
    assert (shown["node"], shown["groups"]) == ("gpu-1", ["gpu"])
    by_key = {(each["table"], each["key"]): each for each in shown["settings"]}
    assert by_key["runtime", "flags.network"] == {
        "table": "runtime",
        "key": "flags.network",
        "value": "host",
        "layer": "node",
        "from": "[nodes.gpu-1] inventory.toml:33",
        "line": 33,
    }
    assert (by_key["ssh", "port"]["layer"], by_key["ssh", "port"]["line"]) == ("option", None)
    assert by_key["proof", "image"]["value"] is None


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
    (only,) = read(options, environment, text).nodes
    assert only.ssh.port == next((port for port in reversed(ports) if port is not None), None)


PARTS = [
    *TABLES,
    "nodes",
    "groups",
    "hosts",
    "worker-1",
    "gpu",
    "master",
    "version",
    "port",
    "flags",
    "overhead",
    "x",
]
keys = st.lists(st.sampled_from([*PARTS, '"a.b"', "'", "nodes", "sha512", "tolerations"]), min_size=1, max_size=5)
said = st.one_of(
    st.text(max_size=6), st.sampled_from(["", "{}", "[]", "1", "true", "'a'", "{ a = 1 }", "[{ a = 1 }]", "[[]]"])
)
variables = st.dictionaries(
    st.sampled_from([variable(table, key) for table in TABLES for key in (*keys_of(table), "x", "")]),
    said,
    max_size=2,
)


@given(st.lists(st.tuples(keys, said), max_size=3), variables)
def test_law_whatever_is_set_it_is_laid_over_the_file_or_refused(
    options: list[tuple[list[str], str]], environment: dict[str, str]
) -> None:
    written = [f"{'.'.join(key)}={value}" for key, value in options]
    try:
        inventory = read(written, environment)
    except UsageError:
        return
    for each in inventory.nodes:
        assert {source.kind.value for source in each.sources.values()} <= {
            "file",
            "group",
            "node",
            "environment",
            "option",
        }
        explanation_text(inventory, [each], FILE)
