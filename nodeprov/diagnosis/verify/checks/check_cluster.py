"""The cluster sends sandboxed pods to this node, and only to nodes like it."""

from typing import Any

from nodeprov.diagnosis.verify.subject import Subject, because, needs, skip
from nodeprov.kubernetes.runtime_class import declared_fields, wanted_runtime_class
from nodeprov.node.state import ClusterState


def check_label(subject: Subject, cluster: ClusterState) -> None:
    """The node has the label that sandboxed pods ask for."""
    label = subject.state.settings.label
    found = cluster.labels.get(label.key)
    said = "is missing" if found is None else f"is {found!r}, not {label.value!r}"
    assert found == label.value, because(f"the label {label.key} {said}", subject.install)


def check_runtime_class(subject: Subject, cluster: ClusterState) -> None:
    """The RuntimeClass exists, and names nodeprov's handler."""
    name, handler = subject.state.settings.runtime_class.name, subject.layout.handler
    found = cluster.runtime_class
    assert found is not None, because(f"there is no RuntimeClass {name}", subject.install)
    assert found["handler"] == handler, because(
        f"RuntimeClass {name} names the handler {found['handler']!r}, not {handler!r}, and that cannot be edited",
        f"kubectl delete runtimeclass {name}; {subject.install}",
    )


@needs("runtime_class")
def check_runtime_class_overhead(subject: Subject, runtime_class: dict[str, Any]) -> None:
    """The RuntimeClass accounts for the sandbox's own memory and CPU."""
    wanted = wanted_runtime_class(subject.state.settings).value.get("overhead")
    found = declared_fields(runtime_class).value.get("overhead")  # the API server writes quantities in its own way
    assert found == wanted, because(f"its overhead is {found}, not {wanted}", subject.install)


@needs("runtime_class")
def check_runtime_class_scheduling(subject: Subject, runtime_class: dict[str, Any]) -> None:
    """The RuntimeClass sends its pods to labelled nodes only."""
    wanted = wanted_runtime_class(subject.state.settings).value["scheduling"]
    found = runtime_class.get("scheduling")
    said = "it has no nodeSelector" if not found else f"its scheduling is {found}, not {wanted}"
    assert found == wanted, because(f"{said}: pods are sent to nodes that cannot run them", subject.install)


@needs("loaded")
def check_reported_handler(subject: Subject, cluster: ClusterState) -> None:
    """The node's kubelet reports the handler (Node.status.runtimeHandlers)."""
    if cluster.handlers is None:
        skip("this Kubernetes does not report runtime handlers (1.30 and later do)")
    said = ", ".join(filter(None, cluster.handlers)) or "none"
    assert subject.layout.handler in cluster.handlers, because(
        f"the handlers that it reports are {said}",
        "kubelet asks containerd every few seconds: systemctl status kubelet, on the node",
    )
