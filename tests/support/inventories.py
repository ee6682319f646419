"""Inventories for tests: the least one, one of each layer, every bad one that we thought of, and any at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st

from nodeprov.inventory import Inventory, parse
from nodeprov.inventory.faults import Faulty

LEAST = '[release]\nversion = "20260905.0"\n[nodes.worker1]\n'
SHA512 = "ab" * 64


def as_shown(text: str) -> str:
    """Take what is commented out for said."""
    return "\n".join(_shown(line) for line in text.splitlines())


def _shown(line: str) -> str:
    """Take the `#` away from a line that is TOML but for it."""
    bare = line.removeprefix("# ")
    is_setting = bare.startswith(("[", '"')) or (" = " in bare and bare.split(" = ")[0].isidentifier())
    return bare if is_setting else line


keys = st.sampled_from(
    ["version", "port", "flags", "overhead", "tolerations", "host", "key", "prefix", "enabled", "x"]
)
scalars = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.just(1.5))
anything = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(keys, inner, max_size=3))
)
tables = st.sampled_from(
    ["release", "ssh", "runtime", "paths", "label", "runtime_class", "handlers", "cluster", "nodes", "hosts"]
)


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = {as_toml(each)}' for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08X}" for letter in value) + '"'
    return str(value)


@dataclass(frozen=True)
class Bad:
    """An inventory that must be refused, with what is laid over it."""

    text: str = LEAST
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def table(name: str, line: str) -> Bad:
    return Bad(f"{LEAST}[{name}]\n{line}\n")


BAD: Mapping[str, Bad] = {
    # The text
    "an empty file": Bad(""),
    "a version without quotes": Bad("[release]\nversion = latest\n[nodes.worker1]\n"),
    "an address without quotes": Bad(f"{LEAST}address = 10.0.0.1  # the first\n"),
    "a key without a sign": Bad(f"{LEAST}port 22\n"),
    "a string that is not closed": Bad(f'{LEAST}address = "10.0.0.1\n'),
    "a list that is not closed": Bad(f"{LEAST}[runtime_class]\ntolerations = [\n"),
    "a header that is not closed": Bad(f"{LEAST}[nodes.worker2\n"),
    "a value that is no date either": Bad(f"{LEAST}[proof]\nimage = busybox:1.37\n"),
    "the same node twice": Bad(f"{LEAST}port = 22\n[nodes.worker1]\naddress = '10.0.0.1'\n"),
    "the same node twice, once inline": Bad("[nodes]\nworker1 = {}\n[nodes.worker1]\n"),
    "the same key twice": Bad(f"{LEAST}port = 22\nuser = 'root'\nport = 2222\n"),
    "the same key twice, at the top": Bad("hosts = 1\nhosts = 2\n"),
    "the same key twice, the second in several lines": Bad(
        f"{LEAST}user = 'a'\nuser = '''\nport = 1'''\nport 2\n"
    ),
    "a key in what is not a table": Bad(f"{LEAST}[hosts]\nmaster = 1\nmaster.port = 2\n"),
    # Tables and keys
    "no nodes": Bad('[release]\nversion = "latest"\n'),
    "no release": Bad("[nodes.worker1]\n[nodes.worker2]\n"),
    "an unknown table": Bad(f"[relase]\nversion = 'x'\n{LEAST}"),
    "an unknown key, and a near one": table("ssh", "prot = 22"),
    "an unknown key, and none near": table("ssh", "xyzzy = 22"),
    "a table that is a number": Bad("release = 1\n[nodes.worker1]\n"),
    "nodes that are a list": Bad('nodes = ["a"]\n[release]\nversion = "latest"\n'),
    "a node that is an address": table("nodes", "worker2 = '10.0.0.2'"),
    "a node with an unquoted dot": table("nodes.a.example", "port = 1"),
    "a node in capitals": table("nodes.Worker", ""),
    "a node with a table that is for all": table("nodes.worker2.cluster", "host = 'worker1'"),
    "a node with a table of ssh": table("nodes.worker2.ssh", "port = 22"),
    "a host with a table of settings": table("hosts.master.runtime", "platform = 'kvm'"),
    "an address for all": table("ssh", "address = '10.0.0.1'"),
    "labels that are a list": Bad(f"{LEAST}labels = ['zone=a']\n"),
    "a label that is a number": Bad(f"{LEAST}labels = {{ rack = 1 }}\n"),
    "a label with a blank": Bad(f"{LEAST}labels = {{ zone = 'a b' }}\n"),
    "a label's key with two slashes, of a group": table("groups.gpu", "nodes = ['*']\nlabels = { 'a/b/c' = '1' }"),
    "labels for all": table("labels", "zone = 'a'"),
    "labels of a host": table("hosts.master", "labels = { zone = 'a' }"),
    # Values
    "a port out of range": Bad(f"{LEAST}port = 70000\n"),
    "a port in quotes": Bad(f"{LEAST}port = '22'\n"),
    "a port that is true": Bad(f"{LEAST}port = true\n"),
    "an address with a user": Bad(f"{LEAST}address = 'root@10.0.0.1'\n"),
    "a release by its tag": Bad(LEAST.replace("20260905.0", "release-20260905.0")),
    "a release as a number": Bad(LEAST.replace('"20260905.0"', "20260905.0")),
    "the handler runc": table("runtime", "handler = 'runc'"),
    "an unknown platform": table("runtime", "platform = 'kvn'"),
    "a flag with dashes": table("runtime.flags", "--debug = 'true'"),
    "a flag that is a number": table("runtime.flags", "num-network-channels = 1"),
    "a flag with a key of its own": table("runtime.flags", "platform = 'kvm'"),
    "a relative prefix": table("paths", "prefix = 'opt'"),
    "a label's key with two slashes": table("label", "key = 'a/b/c'"),
    "an amount with a space": table("runtime_class.overhead", "memory = '64 Mi'"),
    "a toleration's key, and a near one": table("runtime_class", "tolerations = [{ effct = 'NoSchedule' }]"),
    "a toleration's effect": table("runtime_class", "tolerations = [{ effect = 'Never' }]"),
    "a time of 0": table("proof", "timeout_seconds = 0"),
    "a date": table("proof", "image = 2026-09-05"),
    "yes in quotes": table("cluster", "enabled = 'yes'"),
    "a digest that is too short": table("release.sha512.x86_64", "'gvisor.tar.zstd' = 'ab'"),
    "an architecture as Go says it": table("release.sha512.amd64", f"'gvisor.tar.zstd' = '{SHA512}'"),
    # Rollout
    "no canary at all": table("rollout", "canary = -1"),
    "a part of more than all": table("rollout", "max_unavailable = '120%'"),
    "a number without quotes": table("rollout", "max_unavailable = 3"),
    "a window that begins when it ends": table("rollout", "window = '02:00-02:00'"),
    "a time zone that nobody has": table("rollout", "time_zone = 'Europe/Bonn'"),
    "a day in another language": table("rollout", "days = ['sat', 'son']"),
    "a frozen day that there is not": table("rollout", "freeze = ['2026-02-30']"),
    "frozen days without quotes": table("rollout", "freeze = [2026-12-24]"),
    "a taint of another domain": table("cluster", "startup_taint = 'example.com/gvisor'"),
    "pods that nobody can select": table("rollout", "wait_for = 'app=batch,'"),
    "another end of the wait": table("rollout", "wait_then = 'kill'"),
    "no time to wait": table("rollout", "wait_timeout_seconds = 0"),
    "a rollout of one node": table("nodes.worker1.rollout", "canary = 1"),
    # Groups
    "a group without nodes": table("groups.gpu", "user = 'gpu'"),
    "a group with an empty list": table("groups.gpu", "nodes = []"),
    "a group whose glob matches nothing": table("groups.gpu", "nodes = ['worker1', 'gpu-*']"),
    "a group with an unknown node": table("groups.gpu", "nodes = ['wroker1']"),
    "a group with a node twice": table("groups.gpu", "nodes = ['worker1', 'worker1']"),
    "a group whose nodes are a string": table("groups.gpu", "nodes = 'worker1'"),
    "a group whose nodes are numbers": table("groups.gpu", "nodes = [1]"),
    "a group with a blank in a name": table("groups.gpu", "nodes = ['worker 1']"),
    "a group with a blank in its name": table('groups."a b"', "nodes = ['worker1']"),
    "a group with an unknown key": table("groups.gpu", "nodes = ['worker1']\nplatform = 'kvm'"),
    "a group with a cluster": table("groups.gpu", "nodes = ['worker1']\ncluster = { host = 'worker1' }"),
    "a group with an address": table("groups.gpu", "nodes = ['worker1']\naddress = '10.0.0.1'"),
    "a group that is a list of nodes": table("groups", "gpu = ['worker1']"),
    "groups that are a list": Bad(f"groups = ['gpu']\n{LEAST}"),
    # What cannot be true of all together
    "two nodes at one address": Bad(f"{LEAST}address = '10.0.0.1'\n[nodes.worker2]\naddress = '10.0.0.1'\n"),
    "two nodes at one address and port": Bad(
        f"{LEAST}address = '10.0.0.1'\n[nodes.worker2]\naddress = '10.0.0.1'\n[ssh]\nport = 2222\n"
    ),
    "a node at another's name": Bad(f"{LEAST}[nodes.worker2]\naddress = 'worker1'\n"),
    "a node that is a host too": table("hosts.worker1", ""),
    "an unknown host for kubectl": table("cluster", "host = 'mastre'"),
    "two wishes for one RuntimeClass": table("nodes.worker2.runtime", "handler = 'runsc2'"),
    "another release than the pinned one, of a node": Bad(
        f"[release.sha512.x86_64]\n'gvisor.tar.zstd' = '{SHA512}'\n{LEAST}[nodes.worker1.release]\n"
        "version = '20261005.0'\n"
    ),
    "another release than the pinned one, of a group": Bad(
        f"[release.sha512.x86_64]\n'gvisor.tar.zstd' = '{SHA512}'\n{LEAST}[groups.new]\nnodes = ['*']\n"
        "release.version = '20261005.0'\n"
    ),
    "another release than the pinned one, by an option": Bad(
        f"[release.sha512.x86_64]\n'gvisor.tar.zstd' = '{SHA512}'\n{LEAST}", ["release.version=20261005.0"]
    ),
    # --set
    "an option without a value": Bad(options=["release.version"]),
    "an option without a key": Bad(options=["=20260905.0"]),
    "an option whose key is not quoted": Bad(options=["nodes.worker 1.port=22"]),
    "an option for an unknown table": Bad(options=["relase.version=latest"]),
    "an option for an unknown key": Bad(options=["release.versoin=latest"]),
    "an option for a whole table": Bad(options=["release={version = 'latest'}"]),
    "an option below a string": Bad(options=["release.version.x=latest"]),
    "an option for flags that is a word": Bad(options=["runtime.flags=debug"]),
    "an option for a node with a dot": Bad(f'{LEAST}[nodes."a.example.com"]\n', ["nodes.a.example.com.port=22"]),
    "an option that is no number": Bad(options=["ssh.port=many"]),
    "an option that is no release": Bad(options=["release.version=newest"]),
    "an option that is neither true nor false": Bad(options=["cluster.enabled=maybe"]),
    "an option for a flag that is not to be set": Bad(options=["runtime.flags.systemd-cgroup=true"]),
    "an option for flags, of which one is a number": Bad(options=["runtime.flags={ a = 1 }"]),
    "an option for an address of all": Bad(options=["ssh.address=10.0.0.1"]),
    "an option for an unknown node": Bad(options=["nodes.wroker1.port=22"]),
    "an option for an unknown key of a node": Bad(options=["nodes.worker1.prot=22"]),
    "an option for an unknown key in a node's table": Bad(options=["nodes.worker1.runtime.platfrom=kvm"]),
    "an option for ssh below a node": Bad(options=["nodes.worker1.ssh.port=22"]),
    "an option for a node and no key": Bad(options=["nodes.worker1=10.0.0.1"]),
    "an option for the cluster of a node": Bad(options=["nodes.worker1.cluster.context=x"]),
    "an option for a group where there are none": Bad(options=["groups.gpu.port=22"]),
    "an option for a group's nodes": Bad(
        f"{LEAST}[groups.gpu]\nnodes = ['*']\n", ["groups.gpu.nodes=['worker1']"]
    ),
    "an option that names no host": Bad(options=["cluster.host=mastre"]),
    "an option that makes two nodes one": Bad(
        f"{LEAST}[nodes.worker2]\n", ["nodes.worker2.address=10.0.0.1", "nodes.worker1.address=10.0.0.1"]
    ),
    # The environment
    "a variable for an unknown key": Bad(environment={"NODEPROV_RELEASE_VERSOIN": "latest"}),
    "a variable for an unknown key of the longer table": Bad(environment={"NODEPROV_RUNTIME_CLASS_NAM": "x"}),
    "a variable that is no number": Bad(environment={"NODEPROV_SSH_PORT": "many"}),
    "a variable that is empty": Bad(environment={"NODEPROV_SSH_USER": ""}),
    "a variable for one flag": Bad(environment={"NODEPROV_RUNTIME_FLAGS_DEBUG": "true"}),
    "a variable for an address of all": Bad(environment={"NODEPROV_SSH_ADDRESS": "10.0.0.1"}),
    "a variable that is no release where there is none": Bad(
        "[nodes.worker1]\n", environment={"NODEPROV_RELEASE_VERSION": "newest"}
    ),
    # All at once
    "the file, a variable and an option": Bad(
        f"{LEAST}prot = 22\n",
        ["ssh.prot=22", "release.version=newest"],
        {"NODEPROV_SSH_PROT": "22", "NODEPROV_CLUSTER_ENABLED": "yes"},
    ),
}


def faults(text: str) -> str:
    with pytest.raises(Faulty) as faulty:
        parse(text, "inventory.toml")
    assert faulty.value.exit_code == 2
    return str(faulty.value)


LAYERED = """\
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


def read_layered(
    options: Sequence[str] = (), environment: Mapping[str, str] | None = None, text: str = LAYERED
) -> Inventory:
    return parse(text, "inventory.toml", options=options, environment=environment)


LATEST = """\
[release]
version = "latest"
[release.sha512.x86_64]
"gvisor.tar.zstd" = "DIGEST"
[ssh]
user = "admin"
connect_timeout_seconds = 3
[runtime.flags]
network = "sandbox"
[runtime_class]
tolerations = [{ key = "example.com/a", operator = "Exists", tolerationSeconds = 3 }]
node_selector = { "example.com/b" = "c" }
[cluster]
enabled = ENABLED
host = "master"
context = "production"
[hosts.master]
address = "10.0.0.1"
[hosts.other]
[nodes.worker1]
port = 2222
[nodes."worker2.example.com".runtime]
platform = "kvm"
"""


def read_latest(cluster: str = "false") -> Inventory:
    return parse(LATEST.replace("DIGEST", "ab" * 64).replace("ENABLED", cluster), "inventory.toml")
