"""An Ansible inventory as one of ours, from what the real ansible-inventory (2.19) has printed of two of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import Inventory, select
from nodeprov.inventory.ansible import Note, inventory_of, read_listing
from nodeprov.inventory.explanation import explanation_text
from nodeprov.inventory.faults import Faulty
from tests.support.inventories import anything
from tests.support.samples import GOLDEN

SITE = json.loads((GOLDEN / "ansible" / "site.json").read_text())
PLAIN = json.loads((GOLDEN / "ansible" / "plain.json").read_text())
VERSION = "release.version=20260905.0"


def read(value: Any, *options: str) -> tuple[Inventory, dict[str, tuple[str, ...]]]:
    found, notes = inventory_of(read_listing(value, "hosts.ini"), "hosts.ini", environment={}, options=options)
    return found, {note.what: note.hosts for note in notes}


def hosts(**variables: Any) -> Any:
    return {
        "_meta": {"hostvars": variables},
        "all": {"children": ["ungrouped"]},
        "ungrouped": {"hosts": [*variables]},
    }


def test_how_a_host_is_reached_is_taken_over() -> None:
    found, _ = read(SITE)
    ssh = {node.name: node.ssh for node in found.nodes}
    assert list(ssh) == ["gpu-1", "worker-1", "worker-2", "worker-3"]
    assert (ssh["gpu-1"].address, ssh["gpu-1"].port, ssh["gpu-1"].user) == ("10.0.0.21", 2222, None)
    assert (ssh["worker-1"].address, ssh["worker-1"].user, ssh["worker-1"].sudo) == ("worker-1", "admin", True)
    assert ssh["worker-1"].identity_file == "~/.ssh/fleet"


def test_settings_and_labels_are_those_of_the_variable() -> None:
    found, _ = read(SITE)
    gpu = found.nodes[0]
    assert (gpu.settings.release.version, gpu.settings.runtime.platform) == ("20260905.0", "kvm")
    assert [dict(node.labels) for node in found.nodes[:2]] == [{"kind": "gpu"}, {"kind": "worker"}]


def test_groups_have_the_hosts_of_those_below_them() -> None:
    value = hosts(a={}, b={}) | {"outer": {"children": ["inner"], "hosts": ["a"]}, "inner": {"hosts": ["b"]}}
    found, _ = read(value, VERSION)
    assert [node.name for node in select(found, ["@outer"])] == ["a", "b"]
    assert found.groups.keys() == {"outer", "inner"}


def test_what_is_not_taken_over_is_named() -> None:
    assert read(SITE)[1] == {
        "hosts without the variable nodeprov are not nodes": (
            "bastion.example.com",
            "cp-1",
            "DB_1",
            "local-1",
            "tmpl-1",
        ),
        "ansible_become_password is not taken over": ("gpu-1", "worker-1", "worker-2", "worker-3"),
        "ansible_password is not taken over": ("gpu-1",),
        "ansible_ssh_common_args is not taken over": ("gpu-1",),
        "groups that @ cannot name": ("k8s.cluster",),
    }
    assert read(PLAIN, VERSION)[1] == {
        "hosts left out, as no node of Kubernetes has such a name": ("DB_1",),
        "hosts left out, as ansible_connection is 'local'": ("local-1",),
        "hosts left out, as their ansible_host is a template or a secret": ("tmpl-1",),
        "ansible_become_method is not taken over": ("worker-2",),
        "ansible_become_user is not taken over": ("worker-2",),
    }


def test_no_secret_is_in_a_note_or_in_what_is_explained() -> None:
    found, notes = inventory_of(read_listing(SITE, "hosts.ini"), "hosts.ini", environment={}, options=())
    said = f"{[str(note) for note in notes]} {explanation_text(found, found.nodes)}"
    assert "hunter2" not in said
    assert "ANSIBLE_VAULT" not in said


def test_where_no_host_has_settings_all_are_nodes() -> None:
    found, _ = read(PLAIN, VERSION)
    assert [(node.name, node.ssh.address, node.ssh.sudo) for node in found.nodes] == [
        ("worker-1", "10.0.0.11", False),
        ("worker-2", "10.0.0.12", None),
    ]


@pytest.mark.parametrize(
    ("given", "meant"), [("true", True), ("yes", True), (True, True), ("no", False), (False, False), ("1", True)]
)
def test_become_is_read_as_ansible_reads_it(given: Any, meant: bool) -> None:
    assert read(hosts(a={"ansible_become": given}), VERSION)[0].nodes[0].ssh.sudo is meant


def test_a_plugin_of_ansibles_own_may_have_its_full_name() -> None:
    full = {"ansible_connection": "ansible.builtin.ssh", "ansible_become_method": "ansible.builtin.sudo"}
    assert read(hosts(a=full), VERSION)[1] == {}


def test_what_only_a_play_could_say_is_named_and_not_guessed() -> None:
    vault = {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n3033\n"}
    found, notes = read(hosts(a={"ansible_user": "{{ who }}", "ansible_port": vault}), VERSION)
    assert (found.nodes[0].ssh.user, found.nodes[0].ssh.port) == (None, None)
    assert notes == {
        "ansible_port is a template or a secret, and not read": ("a",),
        "ansible_user is a template or a secret, and not read": ("a",),
    }


def test_a_table_for_all_is_said_by_each_host_alike() -> None:
    one = {"nodeprov": {"cluster": {"context": "production"}}}
    assert read(hosts(a=one, b=one), VERSION)[0].nodes[0].settings.cluster.context == "production"
    other = {"nodeprov": {"cluster": {"context": "staging"}}}
    with pytest.raises(UsageError, match=r"b has another \[cluster\] than a, and it is one for all nodes"):
        read(hosts(a=one, b=other), VERSION)


def test_without_a_release_it_is_said_where_to_write_it() -> None:
    with pytest.raises(
        Faulty, match=r"version is missing\nhint: --set release.version=20260905.0, or in group_vars"
    ):
        read(PLAIN)


def test_faults_name_the_host_and_no_line_of_a_text_that_nobody_has_seen() -> None:
    value = hosts(a={"nodeprov": {"runtime": {"platform": "kvn"}}, "ansible_port": "many"})
    with pytest.raises(Faulty) as faulty:
        read(value, VERSION)
    assert str(faulty.value).splitlines()[0] == "hosts.ini: [nodes.a] port is a string, and not a whole number"
    assert "hosts.ini: [nodes.a.runtime] platform is 'kvn'" in str(faulty.value)


def test_where_a_setting_comes_from_is_told_without_a_line() -> None:
    found, _ = read(SITE)
    lines = explanation_text(found, found.nodes[:1]).splitlines()
    assert next(line for line in lines if "platform" in line).split()[-2:] == ["[nodes.gpu-1]", "hosts.ini"]


def test_an_inventory_without_nodes_says_where_to_look() -> None:
    with pytest.raises(
        Faulty, match=r"it has no nodes\nhint: look at what Ansible knows: ansible-inventory --graph"
    ):
        read({"_meta": {"hostvars": {}}, "all": {"children": ["ungrouped"]}}, VERSION)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"_meta": 1},
        {"_meta": {"hostvars": []}},
        {"_meta": {"hostvars": {"a": 1}}},
        {"_meta": {"hostvars": {}}, "all": 1},
        {"_meta": {"hostvars": {}}, "x": {"children": ["y"]}, "y": {"children": ["x"]}},
    ],
)
def test_another_form_is_not_understood(value: Any) -> None:
    with pytest.raises(
        UsageError, match=r"not understood.*\nhint: look at it: ansible-inventory -i hosts.ini --list"
    ):
        read(value)


def test_a_variable_of_settings_that_is_no_table_is_refused() -> None:
    with pytest.raises(UsageError, match="the variable nodeprov of a is not a table"):
        read(hosts(a={"nodeprov": "20260905.0"}))


def test_a_note_of_many_hosts_is_short() -> None:
    note = Note("x is not taken over", tuple(f"n{number}" for number in range(9)), "write y")
    assert str(note) == "x is not taken over: n0, n1, n2, n3, n4 and 4 more; write y"


names = st.sampled_from(
    ["nodeprov", "ansible_host", "ansible_port", "ansible_user", "ansible_become", "ansible_x"]
)


@given(st.dictionaries(st.text(max_size=8), st.dictionaries(names, anything | st.none(), max_size=4), max_size=4))
def test_law_whatever_variables_say_it_is_an_inventory_or_a_refusal(variables: dict[str, Any]) -> None:
    try:
        found, _ = read(json.loads(json.dumps(hosts(**variables))), VERSION)
    except UsageError:
        return
    assert {node.name for node in found.nodes} <= variables.keys()
