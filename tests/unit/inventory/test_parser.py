from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.errors import UsageError
from nodeprov.inventory import Inventory, Settings, Ssh, parse, select
from nodeprov.inventory.schema import Faulty
from tests.support.inventories import LEAST, SHA512, anything, as_shown, as_toml, tables

ROOT = Path(__file__).parents[3]


def faults(text: str) -> str:
    with pytest.raises(Faulty) as faulty:
        parse(text, "inventory.toml")
    assert faulty.value.exit_code == 2
    return str(faulty.value)


@pytest.fixture
def lab() -> Inventory:
    return parse((ROOT / "inventory/lab.toml").read_text(), "inventory/lab.toml")


def test_the_lab_has_two_workers_and_a_master_for_kubectl(lab: Inventory) -> None:
    assert [(node.name, node.ssh.address, node.ssh.user) for node in lab.nodes] == [
        ("worker1", "10.123.0.11", "root"),
        ("worker2", "10.123.0.12", "root"),
    ]
    assert lab.ssh("master").address == "10.123.0.10"
    assert lab.ssh("worker2") == lab.nodes[1].ssh
    assert lab.nodes[0].settings.cluster.host == "master"
    with pytest.raises(KeyError):
        lab.ssh("worker3")


def test_the_example_for_production_is_valid_and_so_is_all_that_it_comments_out() -> None:
    text = (ROOT / "inventory/example.toml").read_text()
    example = parse(text, "inventory/example.toml")
    assert [node.settings.runtime.platform for node in example.nodes] == ["systrap", "kvm", "kvm"]
    assert (
        parse(as_shown(text).replace("128 hex digits", "ab" * 64), "inventory/example.toml").hosts[0].name
        == "control-plane"
    )


def test_what_is_not_said_has_its_default() -> None:
    (node,) = parse(LEAST, "i.toml").nodes
    assert node.ssh == Ssh("worker1")
    assert node.settings == Settings(node.settings.release)
    assert node.settings.release.base_url == "https://storage.googleapis.com/gvisor/releases"
    assert node.settings.runtime_class.overhead == {"memory": "64Mi", "cpu": "50m"}
    assert node.settings.label.key == "nodeprov.node-restriction.kubernetes.io/gvisor"
    assert node.settings.label.value == "true"


def test_every_key_has_a_meaning_and_every_text_a_rule() -> None:
    for table in (Ssh, *typing.get_type_hints(Settings).values()):
        hints = typing.get_type_hints(table)
        for field in dataclasses.fields(table):
            assert field.metadata["doc"].endswith("."), (table, field.name)
            assert field.metadata["rule"] or field.metadata["names"] or hints[field.name] in (bool, bool | None)


def test_a_nodes_own_keys_lie_over_those_of_all_nodes() -> None:
    text = (
        LEAST
        + "address = '10.0.0.1'\nport = 2222\n"
        + "[nodes.worker1.runtime]\nplatform = 'kvm'\n[nodes.worker1.runtime.flags]\ndebug = 'true'\n"
        + "[nodes.worker2]\n[ssh]\nport = 22\nuser = 'admin'\n"
        + "[runtime.flags]\nnetwork = 'host'\ndebug = 'false'\n"
    )
    first, second = parse(text, "i.toml").nodes
    assert (first.ssh.port, first.ssh.user, second.ssh.port) == (2222, "admin", 22)
    assert (first.settings.runtime.platform, second.settings.runtime.platform) == ("kvm", "systrap")
    assert first.settings.runtime.flags == {"network": "host", "debug": "true"}
    assert second.settings.runtime.flags == {"network": "host", "debug": "false"}


def test_an_empty_overhead_is_none_and_a_part_of_it_is_all_of_it() -> None:
    def overhead(said: str) -> typing.Mapping[str, str]:
        text = LEAST + f"[runtime_class]\noverhead = {said}\n"
        return parse(text, "i.toml").nodes[0].settings.runtime_class.overhead

    assert overhead("{}") == {}
    assert overhead("{ memory = '1Gi' }") == {"memory": "1Gi"}


def test_a_home_in_a_path_is_left_as_it_is_written() -> None:
    (node,) = parse(LEAST + "identity_file = '~/.ssh/key'\n", "i.toml").nodes
    assert node.ssh.identity_file == "~/.ssh/key"


def test_tolerations_are_kept_as_they_are_written() -> None:
    toleration = {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    said = "[{ key = 'a', operator = 'Exists', effect = 'NoExecute', tolerationSeconds = 5 }]"
    (node,) = parse(LEAST + f"[runtime_class]\ntolerations = {said}\n", "i.toml").nodes
    assert node.settings.runtime_class.tolerations == (toleration,)


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = (
        "[relase]\nversion = 'x'\n\n[ssh]\nprot = 22\n\n[runtime]\nplatform = 'kvn'\n"
        "flags.debug = true\n\n[nodes.worker1]\nport = 70000\n"
    )
    assert faults(text) == (
        'inventory.toml: [release] version is missing\nhint: say which: version = "20260905.0", or "latest"\n'
        "inventory.toml:1: [relase] is no table that is known\nhint: did you mean release?\n"
        "inventory.toml:5: [ssh] prot is no key that is known here\nhint: did you mean port?\n"
        "inventory.toml:8: [runtime] platform is 'kvn', and not a platform of gVisor: systrap, kvm or ptrace\n"
        'inventory.toml:9: [runtime.flags] debug is true, and not a string\nhint: write it as "true"\n'
        "inventory.toml:12: [nodes.worker1] port is 70000, and not a port from 1 to 65535"
    )


FAULTS = {
    "no nodes": ('[release]\nversion = "latest"\n', "it has no nodes"),
    "no release": ("[nodes.worker1]\n", "[release] version is missing"),
    "a release by its tag": (LEAST.replace("20260905.0", "release-20260905.0"), "and not a release such as"),
    "a table that is none": ("release = 1\n" + LEAST.split("\n", 2)[2], ":1: [release] is not a table"),
    "nodes that are a list": ('nodes = ["a"]\n[release]\nversion = "latest"\n', ":1: [nodes] is not a table"),
    "a node that is an address": (LEAST + "[nodes]\nworker2 = '10.0.0.2'\n", ":5: [nodes] worker2 is not a table"),
    "a node with a dot": (LEAST + "[nodes.a.example]\nport = 1\n", '[nodes."a.example"]'),
    "a node in capitals": (LEAST + "[nodes.Worker]\n", ":4: [nodes] Worker is not a name as Kubernetes has it"),
    "an address for all": (LEAST + "[ssh]\naddress = 'x'\n", ":5: [ssh] address is of one machine"),
    "an address with a user": (LEAST + "address = 'root@10.0.0.1'\n", ":4: [nodes.worker1] address is"),
    "an address that is an option": (LEAST + "address = '-oProxyCommand=x'\n", "and not a host name"),
    "a cluster of one node": (
        LEAST + "[nodes.worker1.cluster]\nhost = 'x'\n",
        ":4: [nodes.worker1] cluster is said",
    ),
    "an unknown kubectl host": (LEAST + "[cluster]\nhost = 'mastre'\n", ":5: [cluster] host names mastre"),
    "a node and host": (LEAST + "[hosts.worker1]\n", ":4: [hosts] worker1 is a node too"),
    "the handler runc": (LEAST + "[runtime]\nhandler = 'runc'\n", "not runc"),
    "a handler in capitals": (LEAST + "[runtime]\nhandler = 'gVisor'\n", "a DNS label"),
    "a flag with dashes": (
        LEAST + "[runtime.flags]\n--debug = 'true'\n",
        ":5: [runtime.flags] --debug is not a flag",
    ),
    "the platform as a flag": (LEAST + "[runtime.flags]\nplatform = 'kvm'\n", "platform is a key of [runtime]"),
    "a derived flag": (LEAST + "[runtime.flags]\nsystemd-cgroup = 'true'\n", "systemd-cgroup is derived"),
    "a number as a flag": (LEAST + "[runtime.flags]\nnum = 1\n", 'hint: write it as "1"'),
    "a relative prefix": (
        LEAST + "[paths]\nprefix = 'opt'\n",
        ":5: [paths] prefix is 'opt', and not an absolute path",
    ),
    "a prefix with dots": (LEAST + "[paths]\nprefix = '/opt/../etc'\n", "and not an absolute path"),
    "the root as prefix": (LEAST + "[paths]\nprefix = '/'\n", "and not an absolute path"),
    "a slash at the end": (LEAST + "[paths]\nstate = '/var/lib/x/'\n", "and not an absolute path"),
    "a label with a space": (LEAST + "[label]\nvalue = 'a b'\n", "and not a label's value"),
    "a label with two slashes": (LEAST + "[label]\nkey = 'a/b/c'\n", "and not a label's key"),
    "an amount with a space": (
        LEAST + "[runtime_class.overhead]\nmemory = '64 Mi'\n",
        "and not an amount such as",
    ),
    "a negative amount": (LEAST + "[runtime_class.overhead]\nmemory = '-1'\n", "and not an amount such as"),
    "a toleration misspelt": (
        LEAST + "[runtime_class]\ntolerations = [{ effct = 'x' }]\n",
        "did you mean effect?",
    ),
    "an effect unknown": (LEAST + "[runtime_class]\ntolerations = [{ effect = 'x' }]\n", "NoSchedule, Prefer"),
    "a toleration's time as text": (
        LEAST + "[runtime_class]\ntolerations = [{ tolerationSeconds = '5' }]\n",
        "and not a number of seconds",
    ),
    "a time of 0": (LEAST + "[proof]\ntimeout_seconds = 0\n", "and not a number of seconds above 0"),
    "a time in quotes": (LEAST + "[proof]\ntimeout_seconds = '9'\n", "hint: write it without quotes"),
    "a date": (LEAST + "[proof]\nimage = 2026-09-05\n", "is a date, and not a string"),
    "yes in quotes": (LEAST + "[cluster]\nenabled = 'yes'\n", "is a string, and not true or false"),
    "a digest too short": (
        LEAST + "[release.sha512.x86_64]\n'gvisor.tar.zstd' = 'ab'\n",
        "and not a SHA-512 digest",
    ),
    "an architecture of Go": (
        LEAST + f"[release.sha512.amd64]\n'gvisor.tar.zstd' = '{SHA512}'\n",
        "amd64 is not an architecture as `uname -m` prints it",
    ),
    "another release without digests of its own": (
        f"[release.sha512.x86_64]\n'gvisor.tar.zstd' = '{SHA512}'\n"
        + LEAST
        + "[nodes.worker1.release]\nversion = '20261005.0'\n",
        "[nodes.worker1.release] version is another release than the one whose digests",
    ),
    "two wishes for one RuntimeClass": (
        LEAST + "[nodes.worker2.runtime]\nhandler = 'runsc2'\n",
        "[nodes] worker2 wants another RuntimeClass gvisor than worker1 does",
    ),
}


@pytest.mark.parametrize(("text", "said"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_place_and_reason(text: str, said: str) -> None:
    assert said in faults(text)


def test_an_invalid_release_is_one_fault_and_not_a_missing_one_too() -> None:
    assert "missing" not in faults(LEAST.replace("20260905.0", "newest"))


def test_the_same_fault_of_all_nodes_is_told_once() -> None:
    assert faults("[nodes.a]\n[nodes.b]\n").count("version is missing") == 1


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"^inventory.toml:2: no valid TOML"):
        parse("[release]\nversion = latest\n", "inventory.toml")


OTHER_CLASS = "[nodes.worker2.runtime]\nhandler = 'kvm'\n[nodes.worker2.runtime_class]\nname = 'gvisor-kvm'\n"


def test_two_handlers_do_not_share_a_label() -> None:
    """Each RuntimeClass would send pods also to the nodes of the other."""
    assert "has the handler kvm and the label of worker1, whose handler is runsc" in faults(LEAST + OTHER_CLASS)


@pytest.mark.parametrize(
    "apart",
    ["[nodes.worker2.label]\nkey = 'x/kvm'\n", "[nodes.worker2.runtime_class.node_selector]\nkvm = 'yes'\n"],
)
def test_nodes_of_two_runtime_classes_may_differ(apart: str) -> None:
    first, second = parse(LEAST + OTHER_CLASS + apart, "i.toml").nodes
    assert (first.settings.runtime_class.name, second.settings.runtime_class.name) == ("gvisor", "gvisor-kvm")


def test_a_node_with_another_release_and_its_own_digests_is_fine() -> None:
    text = (
        f"[release.sha512.x86_64]\nrunsc = '{SHA512}'\n{LEAST}[nodes.worker1.release]\nversion = '20261005.0'\n"
        f"[nodes.worker1.release.sha512.x86_64]\n'gvisor.tar.zstd' = '{SHA512}'\n"
    )
    (node,) = parse(text, "i.toml").nodes
    assert node.settings.release.sha512 == {"x86_64": {"gvisor.tar.zstd": SHA512}}


FIVE = '[release]\nversion = "latest"\n' + "".join(f"[nodes.{name}]\n" for name in ("b1", "b2", "a1", "a2", "c"))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["c"], ["c"]),
        (["c", "b1"], ["b1", "c"]),
        (["a*"], ["a1", "a2"]),
        (["*"], ["b1", "b2", "a1", "a2", "c"]),
        (["?1", "a1", "b*"], ["b1", "b2", "a1"]),
    ],
)
def test_nodes_are_chosen_once_in_the_order_of_the_inventory(names: list[str], chosen: list[str]) -> None:
    assert [node.name for node in select(parse(FIVE, "i.toml"), names)] == chosen


def test_a_name_that_is_no_nodes_is_refused_with_the_nearest_one(lab: Inventory) -> None:
    with pytest.raises(
        UsageError, match=r"no node of inventory/lab.toml is called wroker1\nhint: did you mean worker1"
    ):
        select(lab, ["worker2", "wroker1"])
    with pytest.raises(UsageError, match=r"matches x\*\nhint: there are: worker1, worker2"):
        select(lab, ["x*"])


def test_a_host_that_only_runs_kubectl_cannot_be_chosen(lab: Inventory) -> None:
    with pytest.raises(UsageError, match=r"master is a host of .* and no node"):
        select(lab, ["master"])


def test_choosing_nothing_is_refused(lab: Inventory) -> None:
    with pytest.raises(UsageError, match="no node is named"):
        select(lab, [])


@given(st.dictionaries(tables, anything, max_size=4))
def test_law_whatever_a_file_says_it_is_an_inventory_or_refused(raw: dict[str, object]) -> None:
    text = "".join(f"{name} = {as_toml(value)}\n" for name, value in raw.items())
    try:
        inventory = parse(text, "i.toml")
    except UsageError:
        return
    assert inventory.nodes
