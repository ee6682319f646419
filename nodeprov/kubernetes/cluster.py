"""The reasons in a cluster not to begin."""

from collections.abc import Iterator

from nodeprov.containerd.distributions.profiles import kubelet_units, kubelets
from nodeprov.errors import Problem
from nodeprov.inventory import Node
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.node.state import ClusterState, Machine

CONDITIONS = {"Ready": "True", "DiskPressure": "False", "PIDPressure": "False"}
"""The conditions of a node by which kubelet takes pods that have requests, and what each must be."""
RUNTIME_WAS_DOWN = "container runtime is down"
"""The whole message of a node whose containerd did not serve for 30 s (runtimeErrors() in pkg/kubelet/runtime.go).

It stays for some 15 s after that: whether containerd serves now is asked of the node itself.
"""


def check_identity(cluster: ClusterState, node: Node, machine: Machine) -> tuple[Problem, ...]:
    """Find out whether the cluster's node is the machine that was reached."""
    kube = kubectl(node.settings.cluster)
    if cluster.node is None:
        return (Problem(f"the cluster {cluster.server} has no node {node.name}", kube.typed("get", "nodes")),)
    machine_id = cluster.node.get("status", {}).get("nodeInfo", {}).get("machineID", "")
    if not (machine_id and machine.machine_id) or machine_id == machine.machine_id:
        return ()
    another_machine = Problem(
        f"the node {node.name} of {cluster.server} is another machine (machine-id {machine_id}) than "
        f"the one reached by SSH ({machine.machine_id})",
        "look at the node's address and at [cluster] context in the inventory",
    )
    return (another_machine,)


def check_cluster(cluster: ClusterState, node: Node, machine: Machine) -> tuple[Problem, ...]:
    """Find the reasons in the cluster not to begin an installation."""
    kubelet = tuple(_kubelet_works(cluster, node, machine)) if machine.is_root else ()
    found = (*check_identity(cluster, node, machine), *kubelet)
    settings, existing = node.settings, cluster.runtime_class
    if existing is None or existing.get("handler") == settings.runtime.handler:
        return found
    name, kube = settings.runtime_class.name, kubectl(settings.cluster)
    other_handler = Problem(
        f"RuntimeClass {name} exists with the handler {existing.get('handler')!r}, which cannot be "
        f"changed in place; pods that name it would land elsewhere",
        f"set [runtime_class] name to another one, or: {kube.typed('delete', 'runtimeclass', name)}",
    )
    return (*found, other_handler)


def _kubelet_works(cluster: ClusterState, node: Node, machine: Machine) -> Iterator[Problem]:
    """See that the node's kubelet runs, and takes pods."""
    if not machine.kubelets:
        yield Problem(
            f"kubelet does not run on this node: no process of root's is called {' or '.join(kubelets())}",
            f"systemctl status {kubelet_units()[0]}, or of the service that has it in it: k3s, k0sworker, ...",
            "kubelet reports the runtime to the cluster, and runs the pod that proves it",
        )
    elif node.settings.proof.pod:
        yield from _conditions_allow(cluster, node)


def _conditions_allow(cluster: ClusterState, node: Node) -> Iterator[Problem]:
    """See that the cluster has the node ready, and that kubelet refuses no pod (pkg/kubelet/eviction)."""
    kube = kubectl(node.settings.cluster)
    for kind, good in CONDITIONS.items():
        found = cluster.condition(kind)
        if found is None or found.get("status") == good or found.get("message") == RUNTIME_WAS_DOWN:
            continue
        said = ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key))
        what = "not ready" if kind == "Ready" else f"under {kind}"
        yield Problem(
            f"the node is {what} for the cluster: {said or found.get('status')}",
            f"{kube.typed('describe', 'node', node.name)}; journalctl -u {kubelet_units()[0]} on the node",
            "kubelet would run no pod that proves the runtime, and the install would be undone",
        )
