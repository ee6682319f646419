"""A plain Kubernetes on a lab's machines, whoever provides them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nodeprov.errors import CommandFailed, NodeprovError
from nodeprov.hosts.base import check
from nodeprov.templates import render
from nodeprov_lab.access import RemoteShell
from nodeprov_lab.base import Machine, NodeFile, OnEvent, archive, step
from nodeprov_lab.credentials import PKI, Secrets, identity_files, issue, kubeconfig, make_secrets
from nodeprov_lab.images import PAUSE_IMAGE
from nodeprov_lab.processes import at_once

ADMIN_CONF = "/etc/kubernetes/admin.conf"
EXPENDABLE_DATA = ("--unsafe-no-fsync",)
"""etcd's arguments where nothing is lost with its data, as in a lab."""
READY_JSONPATH = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
_IMAGES = "/var/tmp/lab-images.tar"  # noqa: S108  on the machine, removed after the import
_CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
KUBELETS_ERRORS = "journalctl -q -o cat -u kubelet -n 500 | grep -E '^[EF][0-9]{4} ' | tail -n 1"
"""Print the last error of a kubelet, whose lines begin with a letter and the date (klog)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What may differ between the clusters of different labs.

    `service_subnet` is the range of the services' addresses; `etcd_arguments` are added to etcd's;
    `ready_timeout_seconds` is how long the nodes may take to become Ready. `slow`: programs take ten times
    as long as usual: what gives up after its default time would give up on everything. `chosen` is what a
    command of `nodeprov lab` needs to mean this lab.
    """

    service_subnet: str = "10.96.0.0/16"
    cni_folder: str = "/usr/lib/cni"
    etcd_arguments: tuple[str, ...] = ()
    ready_timeout_seconds: int = 120
    slow: bool = False
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine and the way to it. The programs of Kubernetes and containerd are in its PATH already."""

    machine: Machine
    shell: RemoteShell


def units(machine: Machine) -> tuple[str, ...]:
    """Name what systemd starts on every machine like this one, besides a control plane."""
    return ("pod-routes", "containerd", "kubelet") if machine.has_kubelet else ("containerd",)


def bare_files() -> list[NodeFile]:
    """Write what a machine needs that is no node of the cluster."""
    return [NodeFile("/etc/systemd/system/containerd.service", render("lab/containerd.service.j2").encode())]


def node_files(
    machine: Machine, machines: Sequence[Machine], secrets: Secrets, settings: Settings
) -> list[NodeFile]:
    """Write what every machine of the cluster needs."""
    names = [machine.name, machine.address]
    identity = issue(secrets.authority, f"system:node:{machine.name}", "system:nodes", names=names)
    others = [other for other in machines if other != machine and other.has_kubelet]
    rendered = {
        "/etc/systemd/system/containerd.service": render("lab/containerd.service.j2"),
        "/etc/systemd/system/kubelet.service": render("lab/kubelet.service.j2", machine=machine),
        "/etc/systemd/system/pod-routes.service": render("lab/pod-routes.service.j2", others=others),
        "/var/lib/kubelet/config.yaml": render(
            "lab/kubelet.yaml.j2", machine=machine, pki=PKI, slow=settings.slow
        ),
        "/etc/cni/net.d/10-lab.conflist": render("lab/cni.conflist.j2", machine=machine),
    }
    return [
        *(NodeFile(path, text.encode()) for path, text in rendered.items()),
        NodeFile("/etc/kubernetes/kubelet.conf", kubeconfig(secrets, identity, machines[0]), 0o600),
        NodeFile(f"{PKI}/ca.crt", secrets.authority.certificate),
        *identity_files("kubelet", identity),
    ]


def master_files(master: Machine, secrets: Secrets, settings: Settings) -> list[NodeFile]:
    """Write what the control plane needs besides."""
    values = {"master": master, "settings": settings, "pki": PKI}
    units = [
        NodeFile(f"/etc/systemd/system/{unit}.service", render(f"lab/{unit}.service.j2", **values).encode())
        for unit in _CONTROL_PLANE
    ]
    clients = {
        "admin": secrets.admin,
        "controller-manager": secrets.controller_manager,
        "scheduler": secrets.scheduler,
    }
    return [
        *units,
        *(
            NodeFile(f"/etc/kubernetes/{name}.conf", kubeconfig(secrets, identity, master), 0o600)
            for name, identity in clients.items()
        ),
        NodeFile(f"{PKI}/sa.key", secrets.service_accounts.private, 0o600),
        NodeFile(f"{PKI}/sa.pub", secrets.service_accounts.public),
        *identity_files("apiserver", secrets.apiserver),
        *identity_files("apiserver-kubelet-client", secrets.kubelet_client),
    ]


def install(nodes: Sequence[Node], images: bytes, settings: Settings, on_event: OnEvent) -> bytes:
    """Make the machines, the master first, a cluster of Ready nodes; return the administrator's kubeconfig.

    `images` is an archive for `ctr images import`.
    """
    machines = [node.machine for node in nodes]
    secrets = make_secrets(machines[0], settings.service_subnet)
    members = [node for node in nodes if node.machine.has_kubelet]
    at_once(
        [
            *(partial(install_node, node, machines, images, secrets, settings, on_event) for node in members),
            partial(install_bare, [node for node in nodes if node not in members], settings, on_event),
        ]
    )
    try:
        wait_ready(nodes[0].shell, [node.machine for node in members], settings, on_event)
    except CommandFailed as error:
        said = [f"kubelet on {node.machine.name}: {words}" for node in members if (words := _last_error(node))]
        raise NodeprovError("; ".join([error.message, *said]), error.hint, where=error.where) from None
    return kubeconfig(secrets, secrets.admin, machines[0])


def _last_error(node: Node) -> str:
    """Find what kubelet complained of last, such as `inotify_init: too many open files`."""
    return node.shell.run(KUBELETS_ERRORS).text.strip()


def install_node(
    node: Node,
    machines: Sequence[Machine],
    images: bytes,
    secrets: Secrets,
    settings: Settings,
    on_event: OnEvent,
) -> None:
    """Put the files on a machine and start its services, in one round trip."""
    machine = node.machine
    is_master = machine.role == "master"
    control_plane = _CONTROL_PLANE if is_master else ()
    files = [
        *node_files(machine, machines, secrets, settings),
        *(master_files(machine, secrets, settings) if is_master else []),
        NodeFile(_IMAGES, images),
    ]
    with step(on_event, f"starting Kubernetes on {machine.name}"):
        _unpack_and_start(node, files, settings, control_plane=control_plane, images=_IMAGES)


def install_bare(nodes: Sequence[Node], settings: Settings, on_event: OnEvent) -> None:
    """Start containerd on machines that are no nodes of the cluster, some at the same time."""
    if not nodes:
        return
    with step(on_event, f"starting containerd on {len(nodes)} more machines"):
        at_once([partial(_unpack_and_start, node, bare_files(), settings) for node in nodes])


def _unpack_and_start(
    node: Node,
    files: Sequence[NodeFile],
    settings: Settings,
    *,
    control_plane: Sequence[str] = (),
    images: str = "",
) -> None:
    machine = node.machine
    script = render(
        "lab/install-node.sh.j2",
        machine=machine,
        units=[*control_plane, *units(machine)],
        control_plane=control_plane,
        images=images,
        pause_image=PAUSE_IMAGE,
        cni_folder=settings.cni_folder,
        admin_conf=ADMIN_CONF,
        slow=settings.slow,
    )
    output = node.shell.run(script, stdin=archive(files), timeout_seconds=settings.ready_timeout_seconds)
    check(
        output,
        f"cannot start {'Kubernetes' if machine.has_kubelet else 'containerd'}",
        where=machine.name,
        hint=f"nodeprov lab ssh{settings.chosen} {machine.name} -- journalctl",
    )


def wait_ready(master: RemoteShell, machines: Sequence[Machine], settings: Settings, on_event: OnEvent) -> None:
    """Wait until pods can be created: every node is Ready and the default service account exists."""
    script = render(
        "lab/wait-cluster.sh.j2",
        nodes=[machine.name for machine in machines],
        admin_conf=ADMIN_CONF,
        timeout_seconds=settings.ready_timeout_seconds,
    )
    with step(on_event, "waiting for the nodes to be Ready"):
        output = master.run(script, timeout_seconds=2 * settings.ready_timeout_seconds)
        check(
            output,
            "the cluster does not become ready",
            where=machines[0].name,
            hint=f"nodeprov lab kubectl{settings.chosen} -- get nodes,pods -A",
        )


def parse_ready_nodes(text: str) -> set[str]:
    """Understand lines of `name=status of the condition Ready`."""
    return {line.removesuffix("=True") for line in text.splitlines() if line.endswith("=True")}
