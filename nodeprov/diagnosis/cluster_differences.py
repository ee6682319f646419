"""What the cluster believes of a node that is not as the receipts say: labels, taints, RuntimeClass, handlers."""

from collections.abc import Iterator, Mapping

from nodeprov.containerd.distributions.profiles import kubelet_units
from nodeprov.diagnosis.difference import Difference, Truth
from nodeprov.inventory import Node
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.runtime_class import declared_fields, wanted_runtime_class
from nodeprov.node.state import ClusterState
from nodeprov.states import LabelState, ObjectState, State

BY_OTHERS = "something other than nodeprov changed it in the cluster"


def cluster_differences(
    node: Node, cluster: ClusterState, held: Mapping[str, State | None], mend: str
) -> Iterator[Difference]:
    """Find what the cluster believes that is not so; `mend` is the command that puts it right.

    Args:
        node: whose it is.
        cluster: what was read of the cluster.
        held: what the receipts say, by the resource's key; nothing if nothing is installed.
        mend: what to type.
    """
    kube = kubectl(node.settings.cluster)
    if cluster.node is None:
        said = f"the cluster has no node {node.name}"
        yield Difference(Truth.CLUSTER, said, "", kube.typed("get", "nodes"))
        return
    labels = {key: state for key, state in held.items() if key.startswith("label:")}
    yield from _of_labels(cluster, labels, mend)
    yield from _of_runtime_class(node, cluster, held, mend)
    if any(labels.values()):
        yield from _of_handlers(node, cluster)
    elif cluster.labels.get(node.settings.label.key) == node.settings.label.value:
        said = f"the node has the label {node.settings.label.key}, and nothing is installed on it"
        cause = "pods of the RuntimeClass are sent to it, and cannot start"
        takes = kube.typed("label", "node", node.name, f"{node.settings.label.key}-")
        yield Difference(Truth.CLUSTER, said, cause, f"{mend}, or {takes}")


def _of_labels(cluster: ClusterState, labels: Mapping[str, State | None], mend: str) -> Iterator[Difference]:
    for key, wanted in labels.items():
        label = key.split(":", 2)[2]
        found = cluster.labels.get(label)
        if not isinstance(wanted, LabelState) or found == wanted.value:
            continue
        if found is None:
            said = f"the label {label} is gone from the node: no pod of the RuntimeClass is sent to it"
        else:
            said = f"the label {label} is {found!r}, not {wanted.value!r}"
        yield Difference(Truth.CLUSTER, said, BY_OTHERS, mend)


def _of_runtime_class(
    node: Node, cluster: ClusterState, held: Mapping[str, State | None], mend: str
) -> Iterator[Difference]:
    """Look at the RuntimeClass; another node's later run may have given it what the settings say by now."""
    name = node.settings.runtime_class.name
    wanted = held.get(f"runtimeclass:{name}")
    if not isinstance(wanted, ObjectState):
        return
    if cluster.runtime_class is None:
        said = f"RuntimeClass {name} is gone: no pod that names it can be made"
        yield Difference(Truth.CLUSTER, said, BY_OTHERS, mend)
        return
    found, by_settings = declared_fields(cluster.runtime_class), wanted_runtime_class(node.settings)
    for field, value in sorted(wanted.value.items()):
        have = found.value.get(field)
        if field != "labels" and have not in (value, by_settings.value.get(field)):
            said = f"RuntimeClass {name} has another {field} than was installed: {have}"
            yield Difference(Truth.CLUSTER, said, BY_OTHERS, mend)


def _of_handlers(node: Node, cluster: ClusterState) -> Iterator[Difference]:
    handler = node.settings.runtime.handler
    if cluster.handlers and handler not in cluster.handlers:
        said = f"the node's kubelet does not report the handler {handler} (Node.status.runtimeHandlers)"
        # It asks every 5 s (updateRuntimeUp in pkg/kubelet/kubelet.go).
        cause = "kubelet has not heard of it from containerd, which it asks every 5 s"
        yield Difference(Truth.CLUSTER, said, cause, f"journalctl -u {kubelet_units()[0]} on the node")
