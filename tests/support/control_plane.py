"""A real API server with its etcd, on loopback and without a node; KWOK plays nodes and pods."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess  # noqa: TID251  servers that are ended by their numbers
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nodeprov.dispatch.access import Access
from nodeprov.dispatch.api import Api
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov_lab.base import Machine
from nodeprov_lab.credentials import Identity, Secrets, issue, kubeconfig, make_secrets
from nodeprov_lab.gobuild import ETCD, KUBERNETES, KWOK
from tests.support import parts

SUBNET = "10.97.0.0/24"
UP_SECONDS = 120
PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
    *("kubeletVersion", "operatingSystem", "osImage", "systemUUID"),
)
FAKE = {"kwok.x-k8s.io/node": "fake"}


class ControlPlane:
    """The processes; `access` is an administrator's."""

    def __init__(
        self, folder: Path, processes: ExitStack, options: Sequence[str] = (), *, syncs: bool = False
    ) -> None:
        builder = parts.builder()
        self._builder, self._processes, self.folder = builder, processes, folder
        self._options = options
        self._programs = builder.build(KUBERNETES) / "master/usr/local/bin"
        self.etcd_port, self.peer_port, self.port = _free_ports(3)
        machine = Machine("master", "127.0.0.1", "master", "")
        self.secrets: Secrets = make_secrets(machine, SUBNET)
        self.access = self.access_of(self.secrets.admin)
        self._write_files()
        self._started(
            "etcd",
            [
                builder.build(ETCD) / "master/usr/local/bin/etcd",
                f"--data-dir={folder}/etcd",
                f"--listen-client-urls=http://127.0.0.1:{self.etcd_port}",
                f"--advertise-client-urls=http://127.0.0.1:{self.etcd_port}",
                f"--listen-peer-urls=http://127.0.0.1:{self.peer_port}",
                f"--unsafe-no-fsync={str(not syncs).lower()}",
            ],
        )
        self.server = self.start_server()

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator, for programs."""
        return self.folder / "admin.conf"

    def kubeconfig_of(self, name: str) -> Path:
        """Write a kubeconfig of somebody else."""
        path = self.folder / f"{name}.conf"
        if not path.exists():
            self._write_kubeconfig(path, issue(self.secrets.authority, name, ""))
        return path

    def access_of(self, identity: Identity) -> Access:
        authority = self.secrets.authority.certificate.decode()
        pems = identity.certificate.decode(), identity.key.decode()
        return Access(self.address, authority, certificate=pems[0], key=pems[1])

    def user(self, name: str, group: str = "") -> Access:
        """Return how somebody else reaches it."""
        return self.access_of(issue(self.secrets.authority, name, group))

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the API server, and wait until it serves."""
        folder = self.folder
        server = self._started(
            "kube-apiserver",
            [
                self._programs / "kube-apiserver",
                f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                f"--secure-port={self.port}",
                "--bind-address=127.0.0.1",
                # Without it the address is that of the default route, which a machine without a network has not.
                "--advertise-address=127.0.0.1",
                f"--service-cluster-ip-range={SUBNET}",
                "--allow-privileged=true",
                "--authorization-mode=RBAC",
                "--endpoint-reconciler-type=none",
                f"--cert-dir={folder}",
                f"--client-ca-file={folder}/ca.crt",
                f"--tls-cert-file={folder}/apiserver.crt",
                f"--tls-private-key-file={folder}/apiserver.key",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={folder}/sa.pub",
                f"--service-account-signing-key-file={folder}/sa.key",
                *self._options,
            ],
        )
        api = Api(self.access, patience_seconds=UP_SECONDS)
        deadline = time.monotonic() + UP_SECONDS
        # What the priority classes and the roles of the system are made by runs after the start.
        for path in (
            "/api/v1/namespaces/default",
            "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
        ):
            while api.find(path) is None:
                assert time.monotonic() < deadline, self.log("kube-apiserver")
                assert server.poll() is None, self.log("kube-apiserver")
                time.sleep(0.1)
        api.close()
        return server

    def kill_server(self) -> None:
        """Have the API server gone from one moment to the next."""
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def start_controllers(self) -> subprocess.Popen[bytes]:
        """Have the controllers of Kubernetes make pods of templates, each under an account of its own."""
        return self._started(
            "kube-controller-manager",
            [
                self._programs / "kube-controller-manager",
                f"--kubeconfig={self.kubeconfig}",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={self.folder}/sa.key",
                f"--root-ca-file={self.folder}/ca.crt",
                "--leader-elect=false",
                "--secure-port=0",
            ],
        )

    def start_kwok(self, stages: Sequence[dict[str, Any]]) -> subprocess.Popen[bytes]:
        """Have the nodes played that bear FAKE, and their pods as the stages say."""
        config = self.folder / "stages.json"
        config.write_text("\n---\n".join(json.dumps(each) for each in stages))
        return self._started(
            "kwok",
            [
                self._builder.build(KWOK) / "kwok",
                f"--kubeconfig={self.kubeconfig}",
                f"--config={config}",
                "--manage-all-nodes=false",
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                "--node-lease-duration-seconds=0",
            ],
        )

    def program(self, name: str) -> Path:
        """Return where a program of the control plane is."""
        return self._programs / name

    def kubectl(self, *arguments: str, stdin: bytes = b"") -> Output:
        return run_program(
            [str(self.program("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments], stdin=stdin
        )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def cpu_seconds(self) -> float:
        """Return how much the API server has worked."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _started(self, name: str, argv: Sequence[Any]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.callback(_ended, process)
        return process

    def _write_files(self) -> None:
        secrets = self.secrets
        (self.folder / "ca.crt").write_bytes(secrets.authority.certificate)
        (self.folder / "apiserver.crt").write_bytes(secrets.apiserver.certificate)
        (self.folder / "apiserver.key").write_bytes(secrets.apiserver.key)
        (self.folder / "sa.pub").write_bytes(secrets.service_accounts.public)
        (self.folder / "sa.key").write_bytes(secrets.service_accounts.private)
        self._write_kubeconfig(self.kubeconfig, secrets.admin)

    def _write_kubeconfig(self, path: Path, identity: Identity) -> None:
        text = kubeconfig(self.secrets, identity, Machine("master", "127.0.0.1", "master", "")).decode()
        path.write_text(text.replace("127.0.0.1:6443", f"127.0.0.1:{self.port}"))


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def control_plane(folder: Path, options: Sequence[str] = (), *, syncs: bool = False) -> Iterator[ControlPlane]:
    """Have one as long as it is needed; `options` are for its API server; with `syncs` etcd waits for the disk."""
    with ExitStack() as processes:
        yield ControlPlane(folder, processes, options, syncs=syncs)


def fake_node(name: str, *, labels: dict[str, str] | None = None, handlers: Sequence[str] = ("runsc", "")) -> Any:
    """Write a node that KWOK plays; its kubelet reports these runtime handlers."""
    room = {"cpu": "32", "memory": "64Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})},
            "annotations": FAKE,
        },
        "status": {
            "nodeInfo": {
                "machineID": f"{name}-machine",
                **dict.fromkeys(_INFO, "fake"),
            },
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": room,
            "capacity": room,
            "runtimeHandlers": [{"name": each} for each in handlers],
        },
    }
