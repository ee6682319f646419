from __future__ import annotations

import pytest

from nodeprov.containerd.distributions.profiles import default_socket
from nodeprov.node.kubelet import parse_kubelet

KUBEADM = """\
cgroupDriver: systemd
containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock
"""


@pytest.mark.parametrize(
    ("program", "arguments", "config", "socket", "said_by"),
    [
        ("kubelet", "", "", "/run/containerd/containerd.sock", "its default"),
        ("kubelet", "", KUBEADM, "/run/containerd/containerd.sock", "its configuration says so"),
        (
            "kubelet",
            "",
            ' "containerRuntimeEndpoint": "unix:///run/a.sock",\n',
            "/run/a.sock",
            "its configuration says so",
        ),
        ("kubelet", "", "containerRuntimeEndpoint: ''\n", "/run/containerd/containerd.sock", "its default"),
        (
            "kubelet",
            "--config=/c --container-runtime-endpoint=unix:///run/k0s/containerd.sock",
            KUBEADM,
            "/run/k0s/containerd.sock",
            "its command line says so",
        ),
        (
            "kubelet",
            "--container-runtime-endpoint /run/k3s/containerd/containerd.sock --v=2",
            "",
            "/run/k3s/containerd/containerd.sock",
            "its command line says so",
        ),
        (
            "kubelet",
            "--container-runtime-endpoint=a --container-runtime-endpoint=unix:///run/extra.sock",
            "",
            "/run/extra.sock",
            "its command line says so",
        ),
        ("k3s-server", "server", "", "/run/k3s/containerd/containerd.sock", "its default"),
        ("k3s-agent", "agent", "", "/run/k3s/containerd/containerd.sock", "its default"),
        (
            "k3s-agent",
            "agent",
            'container-runtime-endpoint: "unix:///run/containerd/containerd.sock"\n',
            "/run/containerd/containerd.sock",
            "its configuration says so",
        ),
        (
            "kubelite",
            "--kubelet-args-file=/var/snap/microk8s/1/args/kubelet "
            "--container-runtime-endpoint=${SNAP_COMMON}/run/containerd.sock",
            "",
            "/var/snap/microk8s/common/run/containerd.sock",
            "its command line says so",
        ),
        ("kubelite", "", "", "/var/snap/microk8s/common/run/containerd.sock", "its default"),
    ],
)
def test_a_kubelet_tells_its_socket(program: str, arguments: str, config: str, socket: str, said_by: str) -> None:
    found = parse_kubelet(1, program, arguments.split(), config, default_socket(program))
    assert (found.socket, found.said_by) == (socket, said_by)


def test_of_drop_ins_the_last_wins() -> None:
    assert (
        parse_kubelet(1, "kubelet", [], KUBEADM + "cgroupDriver: cgroupfs\n", "/run/x").cgroup_driver == "cgroupfs"
    )


@pytest.mark.parametrize(
    ("arguments", "config", "driver"),
    [("", KUBEADM, "systemd"), ("--cgroup-driver=cgroupfs", KUBEADM, "cgroupfs"), ("", "", None)],
)
def test_a_kubelet_tells_its_cgroup_driver_if_it_was_told(arguments: str, config: str, driver: str | None) -> None:
    assert parse_kubelet(1, "kubelet", arguments.split(), config, "/run/x").cgroup_driver == driver
