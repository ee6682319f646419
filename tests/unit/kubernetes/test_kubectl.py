"""How kubectl is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, Place
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.hosts.provider import SshHosts, kubectl_host
from nodeprov.inventory import ClusterSettings, parse
from nodeprov.kubernetes.cluster_read import ClusterQuery
from nodeprov.kubernetes.kubectl import kubectl
from tests.support.clusters import (
    WANTED,
    answer,
    stub,
)
from tests.support.samples import node as node_of
from tests.support.samples import settings

NODE = node_of(WANTED)


QUERY = ClusterQuery(WANTED.cluster, (WANTED.runtime_class.name,))


def test_a_kubectl_that_fails_is_quoted_with_what_to_try() -> None:
    wanted = settings(cluster=ClusterSettings(kubeconfig="/etc/a b.conf", context="production"))
    with pytest.raises(NodeprovError, match="cannot read the cluster: connection refused") as caught:
        ClusterQuery(wanted.cluster, ("gvisor",)).parse(answer("", 1, b"connection refused\n"))
    assert "kubectl --kubeconfig '/etc/a b.conf' --context production get nodes" in caught.value.hint


def test_a_cluster_that_does_not_answer_is_waited_for_as_long_as_its_setting_says(tmp_path: Any) -> None:
    wanted, host = stub(tmp_path, "exec sleep 30"), kubectl_host(timeout_seconds=1)
    late = re.escape("it did not end within 1 s and was ended (to wait longer: [cluster] timeout_seconds)")
    with pytest.raises(NodeprovError, match=f"cannot get node worker1: .*{late}"):
        kubectl(wanted.cluster).get_json(host, "node", "worker1")
    with pytest.raises(NodeprovError, match=f"cannot be read: {late}"):
        host.ask([ClusterQuery(wanted.cluster, ("gvisor",))])


def test_kubectl_on_this_machine_is_as_patient_as_the_inventory_says() -> None:
    text = '[release]\nversion = "20260905.0"\n[nodes.w]\naddress = "10.0.0.1"\n[cluster]\ntimeout_seconds = 7\n'
    whole = parse(text, "nodes.toml")
    with SshHosts(whole) as connections:
        host = connections.of(whole.nodes[0])[Place.CLUSTER]
        assert getattr(host, "command_timeout_seconds", None) == 7


def test_a_command_that_fails_in_between_fails_all_of_them(tmp_path: Any) -> None:
    body = 'case "$*" in config*) echo "{}" ;; *) echo "forbidden" >&2; exit 1 ;; esac'
    with pytest.raises(NodeprovError, match="cannot read the cluster: forbidden"):
        LocalHost().ask([ClusterQuery(stub(tmp_path, body).cluster, ("gvisor",))])


def test_kubectl_is_called_as_the_settings_say() -> None:
    assert kubectl(ClusterSettings()).line("get", "nodes") == "kubectl get nodes"
    every = ClusterSettings(kubectl="k3s kubectl", kubeconfig="/etc/k.conf", context="a b", host="master")
    assert kubectl(every).line("get") == "k3s kubectl --kubeconfig /etc/k.conf --context 'a b' get"


def test_a_tilde_is_the_home_of_who_runs_kubectl(tmp_path: Path) -> None:
    line = kubectl(ClusterSettings(kubectl="echo", kubeconfig="~/my kube/config")).line("get")
    output = run_program(["sh", "-c", line], environment={"HOME": str(tmp_path)})
    assert output.text == f"--kubeconfig {tmp_path}/my kube/config get\n"


def elsewhere(folder: Path, programs: Sequence[str], *files: str, **environment: str) -> Output:
    """Call kubectl as on a control-plane node that has these programs in PATH, and these files."""
    for name in programs:
        program = folder / name
        program.write_text('#!/bin/sh\necho "${0##*/} $* with ${KUBECONFIG-none}"; cat\n')
        program.chmod(0o755)
    for name in ("sh", "cat"):
        (folder / name).symlink_to(f"/bin/{name}")
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    kube = replace(
        kubectl(ClusterSettings(host="master")),
        kubeconfigs=tuple(str(folder / name) for name in ("admin", "k3s.yaml")),
    )
    environment = {"PATH": str(folder), "HOME": str(folder), "KUBECONFIG": "", **environment}
    return run_program(["/bin/sh", "-c", kube.line("get", "it's")], stdin=b"in", environment=environment)


@pytest.mark.parametrize(
    ("programs", "called"),
    [
        (("kubectl", "k3s"), "kubectl get it's"),
        (("k3s", "k0s"), "k3s kubectl get it's"),
        (("k0s", "microk8s"), "k0s kubectl get it's"),
        (("microk8s",), "microk8s kubectl get it's"),
    ],
)
def test_on_a_control_plane_node_the_distributions_kubectl_is_found(
    tmp_path: Path, programs: tuple[str, ...], called: str
) -> None:
    assert elsewhere(tmp_path, programs).text == f"{called} with \nin"


@pytest.mark.parametrize(
    ("files", "environment", "expected"),
    [
        ((), {}, ""),
        (("admin", "k3s.yaml"), {}, "/admin"),
        (("k3s.yaml", ".kube/config"), {}, "/k3s.yaml"),
        ((".kube/config",), {}, "/.kube/config"),
        (("admin", "mine"), {"KUBECONFIG": "mine"}, "/mine"),
        (("admin",), {"KUBECONFIG": "gone"}, "/admin"),
    ],
)
def test_on_a_control_plane_node_the_first_kubeconfig_that_is_there_is_taken(
    tmp_path: Path, files: tuple[str, ...], environment: dict[str, str], expected: str
) -> None:
    environment = {name: str(tmp_path / value) for name, value in environment.items()}
    wanted = f"{tmp_path}{expected}" if expected else ""
    output = elsewhere(tmp_path, ("kubectl",), *files, **environment)
    assert output.text == f"kubectl get it's with {wanted}\nin"


def test_a_list_of_kubeconfigs_in_the_environment_stays() -> None:
    script = kubectl(ClusterSettings(host="master", kubectl="printenv KUBECONFIG #")).line("get")
    assert run_program(["sh", "-c", script], environment={"KUBECONFIG": "/a:/b"}).text == "/a:/b\n"


def test_where_there_is_no_kubectl_that_is_said_with_the_ways_out(tmp_path: Path) -> None:
    output = elsewhere(tmp_path, ())
    with pytest.raises(NodeprovError, match="kubectl is not found, nor k3s") as caught:
        QUERY.parse(output)
    assert "[cluster] host" in caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        'error: context "nope" does not exist',
        "error: current-context was not found for specified context: nope",
        "error: cannot locate context nope",
    ],
)
def test_a_wrong_context_says_how_to_see_the_right_ones(said: str) -> None:
    wanted = settings(cluster=ClusterSettings(context="nope"))
    with pytest.raises(NodeprovError) as caught:
        ClusterQuery(wanted.cluster, ("gvisor",)).parse(answer("", 1, said.encode()))
    assert caught.value.hint.startswith("see which there are: kubectl --context nope config get-contexts")


def test_hints_name_kubectl_as_a_person_types_it() -> None:
    assert (
        kubectl(ClusterSettings(host="master", context="c")).typed("get", "nodes")
        == "kubectl --context c get nodes"
    )
