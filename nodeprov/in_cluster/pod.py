"""The pod that does a node's run on the node itself."""

import hashlib
from dataclasses import dataclass
from typing import Any

from nodeprov.in_cluster.assignment import Assignment

RUN_LABEL, ACTION_LABEL = "nodeprov.io/run", "nodeprov.io/action"
NODE_ANNOTATION = "nodeprov.io/node"
NAMESPACE, CONFIG_MAP = "nodeprov-system", "nodeprov"
ENGINE, RELEASE = "engine", "release"
"""The names of the two containers; the termination message is that of the first."""
MESSAGE_PATH = "/dev/termination-log"
CONFIG_FOLDER, RELEASES_FOLDER = "/etc/nodeprov", "/releases"
INVENTORY, LOCK = "inventory.toml", "nodeprov.lock"
"""What is in the first: the keys of the ConfigMap."""
PLACED_VARIABLE = "NODEPROV_PLACED_ON"
"""On which node the pod is, as the cluster says it: it may have been sent to another one than it was made for."""
GRACE_SECONDS = 120
"""What a pod that is deleted gets to take its changes back; the node's own switch needs no pod for that."""
COMMAND = ("python3", "-m", "nodeprov.on_node")
_OF_DAEMON_SETS = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ("node.kubernetes.io/network-unavailable", "NoSchedule"),
)
"""What pods of a DaemonSet tolerate (kubernetes: pkg/controller/daemon/util/daemonset_util.go)."""


@dataclass(frozen=True, slots=True)
class PodImages:
    """The images of its containers, each by its digest; an uninstall needs no release."""

    engine: str
    release: str = ""
    pull_secrets: tuple[str, ...] = ()


def pod_name(run: str, node: str) -> str:
    """Name the pod of a run for a node: a node's name may be longer than what is left of a pod's."""
    return f"nodeprov-{run}-{hashlib.sha256(node.encode()).hexdigest()[:10]}"


def incoming(prefix: str, run: str) -> str:
    """Name the folder on the node into which the release of a run comes; `prefix` is [paths] prefix."""
    return f"{prefix}/releases/{incoming_name(run)}"


def incoming_name(run: str) -> str:
    """Name that folder inside of the one of the releases."""
    return f".incoming-{run}"


def engine_pod(
    assignment: Assignment,
    images: PodImages,
    *,
    prefix: str,
    deadline_seconds: int,
    namespace: str = NAMESPACE,
    config_map: str = CONFIG_MAP,
) -> dict[str, Any]:
    """Write the pod, as JSON has it.

    Args:
        assignment: what it is asked to do.
        images: of its containers.
        prefix: [paths] prefix of the node's settings.
        deadline_seconds: so long it may run in all, restarts included.
        namespace: where it is made.
        config_map: what has the inventory and the lock, in that namespace.
    """
    brings_release = assignment.action != "uninstall"
    spec: dict[str, Any] = {
        "nodeName": assignment.node,
        "hostPID": True,
        # So that a node is installed whose pods have no network yet; and it costs no address.
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "restartPolicy": "OnFailure",
        "activeDeadlineSeconds": deadline_seconds,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "tolerations": _tolerations(assignment),
        "containers": [_engine(assignment, images.engine)],
        "volumes": [{"name": "config", "configMap": {"name": config_map}}],
    }
    if brings_release:
        path = f"{prefix}/releases"
        spec["volumes"].append({"name": "releases", "hostPath": {"path": path, "type": "DirectoryOrCreate"}})
        spec["initContainers"] = [_copier(assignment, images.release)]
    if images.pull_secrets:
        spec["imagePullSecrets"] = [{"name": each} for each in images.pull_secrets]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(assignment, namespace), "spec": spec}


def _metadata(assignment: Assignment, namespace: str) -> dict[str, Any]:
    return {
        "name": pod_name(assignment.run, assignment.node),
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/managed-by": "nodeprov",
            "app.kubernetes.io/component": "engine",
            RUN_LABEL: assignment.run,
            ACTION_LABEL: assignment.action,
        },
        "annotations": {NODE_ANNOTATION: assignment.node},
    }


def _engine(assignment: Assignment, image: str) -> dict[str, Any]:
    """Write the container that works on the node: the only one with its rights."""
    env = [{"name": name, "value": value} for name, value in assignment.environment.items()]
    releases = [{"name": "releases", "mountPath": RELEASES_FOLDER, "readOnly": True}]
    if assignment.action == "uninstall":
        releases = []
    return {
        "name": ENGINE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(COMMAND),
        "env": [*env, {"name": PLACED_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "securityContext": {"privileged": True, "readOnlyRootFilesystem": True, "runAsUser": 0},
        "terminationMessagePath": MESSAGE_PATH,
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}, *releases],
    }


def _copier(assignment: Assignment, image: str) -> dict[str, Any]:
    """Write the container that copies the release: root on the node's folder of releases, and nothing else."""
    return {
        "name": RELEASE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"{RELEASES_FOLDER}/{incoming_name(assignment.run)}"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsUser": 0,
            # Elsewhere it would be refused to write to the node's files where SELinux enforces.
            "seLinuxOptions": {"type": "spc_t"},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "releases", "mountPath": RELEASES_FOLDER}],
    }


def _tolerations(assignment: Assignment) -> list[dict[str, str]]:
    if assignment.action == "uninstall":
        return [{"operator": "Exists"}]
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _OF_DAEMON_SETS]
