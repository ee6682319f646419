"""Each fault of a table is told with its place, its reason and what to write."""

from __future__ import annotations

import pytest

from tests.support.inventories import LEAST, SHA512, faults


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = (
        "[relase]\nversion = 'x'\n\n[ssh]\nprot = 22\n\n[runtime]\nplatform = 'kvn'\n"
        "flags.debug = true\n\n[nodes.worker1]\nport = 70000\n"
    )
    assert faults(text) == (
        'inventory.toml: [release] version is missing\nhint: set one: version = "20260905.0", or "latest"\n'
        "inventory.toml:1: [relase] is not a known table\nhint: did you mean release?\n"
        "inventory.toml:5: [ssh] prot is not a known key here\nhint: did you mean port?\n"
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
        ":4: [nodes.worker1] cluster cannot be set",
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
    "a time of 0": (LEAST + "[proof]\ntimeout_seconds = 0\n", "from 1 to 604800, a week"),
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
        "[nodes.worker1.release] version is not the release that [release.sha512] pins",
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
