"""kubectl wherever it is: found on a control-plane node, with a given kubeconfig and context; and no cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import LABEL, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

ADMIN = "/etc/kubernetes/admin.conf"


def inventory(folder: Path, cluster: str) -> Path:
    """The lab's inventory with another [cluster] table."""
    path = variant(folder)
    text = path.read_text()
    start = text.index("[cluster]")
    end = text.index("\n[", start)
    path.write_text(f"{text[:start]}[cluster]\n{cluster}\n{text[end:]}")
    return path


@pytest.fixture
def master(lab: None) -> Iterator[Machine]:
    machine = Machine("master")
    yield machine
    machine.host.close()


@pytest.fixture
def k3s(master: Machine) -> Iterator[Machine]:
    """A control-plane node as k3s makes it: its kubeconfig elsewhere, and kubectl a part of k3s."""
    kubectl = master.run("command -v kubectl").strip()
    master.run(
        f"mkdir -p /etc/rancher/k3s && mv {ADMIN} /etc/rancher/k3s/k3s.yaml && mv {kubectl} {kubectl}.away\n"
        f'printf \'#!/bin/sh\\n[ "$1" = kubectl ] && shift && exec {kubectl}.away "$@"\\n\' > /usr/local/bin/k3s\n'
        "chmod 0755 /usr/local/bin/k3s"
    )
    yield master
    master.run(f"mv /etc/rancher/k3s/k3s.yaml {ADMIN}; mv {kubectl}.away {kubectl}")
    master.run("rm -rf /etc/rancher /usr/local/bin/k3s")


def test_kubeadms_kubeconfig_is_found_in_the_same_round_trip(worker: Machine, tmp_path: Path) -> None:
    ended = nodeprov("plan", WORKER, "--verbose", inventory=inventory(tmp_path, 'host = "master"'))
    assert ended.returncode == 3, ended.stderr
    assert "cluster: https://10.123.0.10:6443 (context lab)" in ended.stdout
    # All is read at once; what the cluster would say to the proof's pod is asked once the plan has one.
    assert ended.stderr.count("master: command ") == 2


def test_k3s_is_found(worker: Machine, k3s: Machine, tmp_path: Path) -> None:
    ended = nodeprov("plan", WORKER, "--json", inventory=inventory(tmp_path, 'host = "master"'))
    assert ended.returncode == 3, ended.stderr
    assert "cluster: https://10.123.0.10:6443 (context lab)" in json.loads(ended.stdout)["plans"][0]["notes"]


def test_a_kubeconfig_and_a_context_are_obeyed(worker: Machine, master: Machine, tmp_path: Path) -> None:
    config = "kubectl --kubeconfig /root/second.conf config"
    path = "jsonpath={.contexts[0].context"
    master.run(
        f"cp {ADMIN} /root/second.conf; {config} set-context second "
        f"--cluster $({config} view -o '{path}.cluster}}') --user $({config} view -o '{path}.user}}')"
    )
    try:
        for kubeconfig in ("/root/second.conf", "~/second.conf"):
            said = f'host = "master"\nkubeconfig = "{kubeconfig}"\ncontext = '
            ended = nodeprov("plan", WORKER, inventory=inventory(tmp_path, said + '"second"'))
            assert "cluster: https://10.123.0.10:6443 (context second)" in ended.stdout, ended.stderr
        wrong = nodeprov("plan", WORKER, inventory=inventory(tmp_path, said + '"nope"'))
    finally:
        master.run("rm /root/second.conf")
    assert wrong.returncode == 1
    assert "master: kubectl cannot read the cluster" in wrong.stderr
    assert "context" in wrong.stderr
    assert "config get-contexts" in wrong.stderr


BAD_KUBECONFIGS = {
    "not there": ("rm $path", "current-context must exist"),
    "no YAML": ("printf '{' > $path", "yaml: line 1: did not find expected node content"),
    "empty": (": > $path", "current-context must exist"),
    "a list": ("printf '[]' > $path", "cannot unmarshal array"),
    "cut off in its middle": ("truncate -s 1000 $path", "illegal base64 data"),
    "a server that is not there": ("sed -i 's/10.123.0.10:6443/127.0.0.1:9/' $path", "127.0.0.1:9 was refused"),
    "a server that is not an address": (
        "sed -i 's/10:6443/10:port/' $path",
        "host must be a URL or a host:port pair",
    ),
    "another authority": (
        "other=$(sed -n 's/.*client-certificate-data: //p' $path); "
        'sed -i "s|certificate-authority-data: .*|certificate-authority-data: $other|" $path',
        "x509: certificate signed by unknown authority",
    ),
    "a client's certificate that is none": (
        "sed -Ei 's/(client-certificate-data): .*/\\1: bm9uZQ==/' $path",
        "tls: failed to find any PEM data in certificate input",
    ),
    "a token that is none": (
        "sed -Ei '/client-key-data/d; s/client-certificate-data: .*/token: x/' $path",
        "You must be logged in to the server",
    ),
    "a program that prints escapes": (
        "printf '#!/bin/sh\\nprintf \"\\\\033[2Jhint: rm -rf /\" >&2; exit 1\\n' > $path.sh; chmod 0755 $path.sh\n"
        'exec="{apiVersion: client.authentication.k8s.io/v1, command: $path.sh, interactiveMode: Never}"\n'
        'sed -Ei "/client-key-data/d; s|client-certificate-data: .*|exec: $exec|" $path',
        "getting credentials: ",
    ),
}
"""How an administrator's kubeconfig is spoilt, and what kubectl itself says of it."""


@pytest.mark.rotates(4)
@pytest.mark.parametrize("name", BAD_KUBECONFIGS)
def test_a_kubeconfig_that_is_no_good_is_said_in_kubectls_words_and_changes_nothing(
    worker: Machine, master: Machine, tmp_path: Path, name: str
) -> None:
    spoil, said = BAD_KUBECONFIGS[name]
    path = f"/root/{worker.name}.conf"
    master.run(f"path={path}; cp {ADMIN} $path; {spoil}")
    listing = worker.listing()
    try:
        where = inventory(tmp_path, f'host = "master"\nkubeconfig = "{path}"')
        ended = nodeprov("install", WORKER, "--yes", inventory=where)
    finally:
        master.run(f"rm -f {path} {path}.*")
    assert ended.returncode == 1
    assert "master: kubectl cannot read the cluster" in ended.stderr
    assert said in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "\x1b" not in ended.stderr
    assert worker.listing() == listing


def test_without_a_cluster_the_nodes_part_is_done_proven_and_taken_back(
    worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    alone = inventory(tmp_path, "enabled = false")
    listing = worker.listing()
    planned = nodeprov("plan", WORKER, "--verbose", inventory=alone)
    assert planned.returncode == 3
    assert "RuntimeClass" not in planned.stdout
    assert "master: command" not in planned.stderr
    assert "a sandbox runs through `current`" in installed(WORKER, inventory=alone).stdout
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert not kubectl.classes()
    verified = nodeprov("verify", WORKER, inventory=alone)
    assert verified.returncode == 0, verified.stdout
    assert nodeprov("uninstall", WORKER, "--yes", inventory=alone).returncode == 0
    assert worker.listing() == listing
