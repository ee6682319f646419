from __future__ import annotations

import io
import tarfile
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov_lab.access import RemoteShell
from nodeprov_lab.base import NodeFile, archive, write_below
from nodeprov_lab.cluster import (
    KUBELETS_ERRORS,
    Node,
    Settings,
    install,
    master_files,
    node_files,
    parse_ready_nodes,
)
from nodeprov_lab.credentials import Secrets, kubeconfig, make_secrets
from nodeprov_lab.nspawn.lab import MACHINES

MASTER, WORKER, OTHER = MACHINES


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    return make_secrets(MASTER, "10.96.0.0/16")


def texts(files: list[NodeFile]) -> dict[str, str]:
    return {file.path: file.content.decode() for file in files}


def test_a_kubeconfig_carries_its_identity(secrets: Secrets) -> None:
    text = kubeconfig(secrets, secrets.admin, MASTER).decode()
    assert "server: https://10.123.0.10:6443\n" in text
    (data,) = [line.split()[1] for line in text.splitlines() if "client-certificate-data" in line]
    assert b64decode(data) == secrets.admin.certificate


def test_a_machine_routes_to_the_pods_of_the_others(secrets: Secrets) -> None:
    unit = texts(node_files(WORKER, MACHINES, secrets, Settings()))["/etc/systemd/system/pod-routes.service"]
    assert "ip route replace 10.244.10.0/24 via 10.123.0.10\n" in unit
    assert "ip route replace 10.244.12.0/24 via 10.123.0.12\n" in unit
    assert "10.244.11.0" not in unit


@pytest.mark.parametrize("able", [True, False])
def test_a_kubelet_is_lenient_only_where_it_must_be(secrets: Secrets, able: bool) -> None:
    machine = replace(WORKER, may_lower_oom_score=able, unified_cgroups=able)
    config = texts(node_files(machine, MACHINES, secrets, Settings()))["/var/lib/kubelet/config.yaml"]
    assert ("KubeletInUserNamespace" in config) is not able
    assert ("failCgroupV1: false" in config) is not able


def test_private_keys_are_private(secrets: Secrets) -> None:
    files = [*node_files(MASTER, MACHINES, secrets, Settings()), *master_files(MASTER, secrets, Settings())]
    private = [file for file in files if b"PRIVATE KEY" in file.content or b"client-key-data" in file.content]
    assert len(private) == 8
    assert {file.mode for file in private} == {0o600}


def test_etcds_settings_are_the_labs(secrets: Secrets) -> None:
    settings = Settings(etcd_arguments=("--heartbeat-interval=1000", "--election-timeout=10000"))
    unit = texts(master_files(MASTER, secrets, settings))["/etc/systemd/system/etcd.service"]
    assert " \\\n    --heartbeat-interval=1000 \\\n    --election-timeout=10000\nRestart=always\n" in unit
    plain = texts(master_files(MASTER, secrets, Settings()))["/etc/systemd/system/etcd.service"]
    assert "--advertise-client-urls=http://127.0.0.1:2379\nRestart=always\n" in plain


def test_the_same_files_arrive_by_archive_and_by_folder(tmp_path: Path) -> None:
    files = [NodeFile("/etc/a", b"one", 0o600), NodeFile("/etc/b/c", b"two")]
    write_below(tmp_path / "folder", files)
    with tarfile.open(fileobj=io.BytesIO(archive(files))) as tar:
        tar.extractall(tmp_path / "archive", filter="data")
    for file in files:
        for root in ("folder", "archive"):
            path = tmp_path / root / file.path.lstrip("/")
            assert (path.read_bytes(), path.stat().st_mode & 0o777) == (file.content, file.mode)


def test_only_ready_nodes_are_ready() -> None:
    assert parse_ready_nodes("master=True\nworker1=Unknown\nworker2=\n\n") == {"master"}


class Shell:
    """A machine that does not become ready, and whose kubelet's log has a text."""

    def __init__(self, log: str) -> None:
        self._log = log

    def run(self, script: str, *, stdin: bytes = b"", timeout_seconds: float = 0) -> Output:
        if "kubectl wait" in script:
            return Output(1, b"", b"timed out waiting for the condition on nodes/worker1")
        if script == KUBELETS_ERRORS:
            played = script.replace("journalctl -q -o cat -u kubelet -n 500", "cat")
            return run_program(["sh", "-c", played], stdin=self._log.encode())
        return Output(0, b"", b"")


@pytest.mark.trouble(
    "kubelet ends with `inotify_init: too many open files` on a machine of the lab",
    "seen by `lab up` before it starts; if it happens all the same, kubelet's last error is shown",
)
def test_what_keeps_a_kubelet_from_being_ready_is_said() -> None:
    log = """\
I1128 09:00:00.1 1 server.go:1] "Starting"
E1128 09:00:00.2 1 kubelet.go:1] "Failed to start cAdvisor" err="inotify_init: too many open files"
kubelet.service: Main process exited
"""
    logs = {MASTER: "", WORKER: log, OTHER: "I1128 all is well"}
    nodes = [Node(machine, cast(RemoteShell, Shell(logs[machine]))) for machine in MACHINES]
    with pytest.raises(NodeprovError) as raised:
        install(nodes, b"", Settings(), lambda _event: None)
    said = str(raised.value)
    assert "does not become ready" in said
    assert "kubelet on worker1: E1128" in said
    assert "inotify_init: too many open files" in said
    assert "kubelet on worker2" not in said
