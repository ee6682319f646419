"""What is said for one run: environment variables and --set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import parse
from nodeprov.inventory.explanation import explanation_text
from nodeprov.inventory.settings import TABLES, keys_of, variable
from tests.support.inventories import read_layered


def test_the_environment_lies_over_the_file_and_set_over_both() -> None:
    environment = {"NODEPROV_SSH_PORT": "2022", "NODEPROV_SSH_USER": "ci", "NODEPROV_RUNTIME_PLATFORM": "systrap"}
    inventory = read_layered(["ssh.port=2200", "nodes.gpu-1.user=root"], environment)
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
        inventory = read_layered(ordered)
        assert [each.ssh.port for each in inventory.nodes] == [4, 1, 3]
        assert inventory.ssh("master").port == 5


@pytest.mark.parametrize(
    ("options", "overhead"),
    [
        (["runtime_class.overhead.memory=9Mi"], {"memory": "9Mi", "cpu": "50m"}),
        (["runtime_class.overhead.memory=9Mi", "runtime_class.overhead.cpu=1"], {"memory": "9Mi", "cpu": "1"}),
        (["nodes.worker-1.runtime_class.overhead.memory=9Mi"], {"memory": "9Mi", "cpu": "50m"}),
        (['runtime_class.overhead={memory="9Mi"}'], {"memory": "9Mi"}),
        (['runtime_class.overhead={memory="1Mi"}', "runtime_class.overhead.memory=9Mi"], {"memory": "9Mi"}),
    ],
)
def test_a_name_in_a_table_that_is_set_alone_leaves_the_others_of_the_default(
    options: list[str], overhead: dict[str, str]
) -> None:
    text = '[release]\nversion = "20260905.0"\n[nodes.worker-1]\n'
    inventory = parse(text, "i.toml", options=options)
    assert inventory.nodes[0].settings.runtime_class.overhead == overhead
    assert "default" in explanation_text(inventory, inventory.nodes)


def test_a_name_that_is_set_alone_lies_over_the_files_table_which_has_taken_the_defaults_place() -> None:
    text = '[release]\nversion = "20260905.0"\n[runtime_class.overhead]\nmemory = "1Mi"\n[nodes.worker-1]\n'
    for option, overhead in (("memory=9Mi", {"memory": "9Mi"}), ("cpu=1", {"memory": "1Mi", "cpu": "1"})):
        inventory = parse(text, "i.toml", options=[f"runtime_class.overhead.{option}"])
        assert inventory.nodes[0].settings.runtime_class.overhead == overhead


def test_of_two_options_for_one_key_the_last_is_meant() -> None:
    assert read_layered(["ssh.port=1", "ssh.port=2"]).nodes[0].ssh.port == 2


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
        ("runtime_class.overhead.cpu=1", ("runtime_class", "overhead"), {"cpu": "1", "memory": "64Mi"}),
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
    table = getattr(read_layered([option]).nodes[0].settings, path[0])
    assert getattr(table, path[1]) == value


def test_a_node_with_dots_in_its_name_is_quoted_as_in_the_file() -> None:
    text = '[release]\nversion = "latest"\n[nodes."a.example.com"]\n'
    assert read_layered(['nodes."a.example.com".port=22'], text=text).nodes[0].ssh.port == 22


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
    assert read_layered(environment=environment) == read_layered()


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
        inventory = read_layered(written, environment)
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
        explanation_text(inventory, [each])
