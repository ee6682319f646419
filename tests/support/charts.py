"""What people run in clusters: thirty workloads as their charts make them, in what matters for a sandbox."""

from __future__ import annotations

from typing import Any

CLASS = "gvisor"


def _container(name: str = "main", **fields: Any) -> dict[str, Any]:
    security: dict[str, Any] = {
        key: fields.pop(key) for key in ("privileged", "runAsUser", "readOnlyRootFilesystem") if key in fields
    }
    if capabilities := {key: fields.pop(key) for key in ("add", "drop") if key in fields}:
        security["capabilities"] = capabilities
    if ports := fields.pop("ports", ()):
        fields["ports"] = [each if isinstance(each, dict) else {"containerPort": each} for each in ports]
    return {"name": name, "image": f"registry.example/{name}:1", **fields, "securityContext": security}


def _of_node(*paths: str) -> list[dict[str, Any]]:
    return [{"name": f"node{number}", "hostPath": {"path": path}} for number, path in enumerate(paths)]


def _on_host(port: int) -> dict[str, Any]:
    return {"containerPort": port, "hostPort": port}


def _workload(kind: str, name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Write one; `boxed=False` leaves the class out, as charts do that have no value for it."""
    boxed = {"runtimeClassName": CLASS} if spec.pop("boxed", True) else {}
    annotations = spec.pop("annotations", {})
    labels = {"app.kubernetes.io/name": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {**boxed, **spec, "containers": list(containers or (_container(),))},
    }
    metadata = {"name": name, "labels": labels}
    if kind == "Pod":
        return {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {**metadata, **template["metadata"]},
            **_spec(template),
        }
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
        job: dict[str, Any] = {"template": template, "backoffLimit": 0}
        if kind == "CronJob":
            job = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": job}
    more = {"serviceName": name} if kind == "StatefulSet" else {}
    spec = {"selector": {"matchLabels": labels}, "template": template, **more}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _spec(template: dict[str, Any]) -> dict[str, Any]:
    return {"spec": template["spec"]}


CHARTS = (
    _workload("Deployment", "web", _container(ports=[8080], drop=["ALL"], runAsUser=1000)),
    _workload(
        "Deployment", "blog", _container(ports=[80]), volumes=[{"name": "uploads", "emptyDir": {}}], boxed=False
    ),
    _workload("Deployment", "ingress", _container(ports=[80, 443], drop=["ALL"], add=["NET_BIND_SERVICE"])),
    _workload("DaemonSet", "edge", _container(ports=[_on_host(80), _on_host(443)], add=["NET_BIND_SERVICE"])),
    _workload("DaemonSet", "edge-on-node", _container(ports=[80]), hostNetwork=True, boxed=False),
    _workload("Deployment", "certificates", _container(ports=[9402], drop=["ALL"], readOnlyRootFilesystem=True)),
    _workload("StatefulSet", "metrics", _container(ports=[9090]), _container("reloader"), boxed=False),
    _workload(
        "DaemonSet",
        "node-metrics",
        _container(ports=[9100]),
        hostNetwork=True,
        hostPID=True,
        volumes=_of_node("/proc", "/sys", "/"),
        boxed=False,
    ),
    _workload("DaemonSet", "logs", _container(), volumes=_of_node("/var/log", "/var/lib/docker/containers")),
    _workload("Deployment", "dashboards", _container(ports=[3000]), _container("provisioner")),
    _workload(
        "StatefulSet", "postgres", _container(ports=[5432]), initContainers=[_container("rights", runAsUser=0)]
    ),
    _workload("StatefulSet", "cache", _container(ports=[6379]), boxed=False),
    _workload(
        "StatefulSet", "search", _container(ports=[9200]), initContainers=[_container("sysctl", privileged=True)]
    ),
    _workload("StatefulSet", "search-locked", _container(add=["IPC_LOCK", "SYS_RESOURCE"])),
    _workload("StatefulSet", "queue", _container(ports=[9092], drop=["ALL"])),
    _workload("StatefulSet", "secrets", _container(ports=[8200], add=["IPC_LOCK"], drop=["ALL"]), boxed=False),
    _workload("StatefulSet", "objects", _container(ports=[9000, 9001])),
    _workload("Deployment", "runner", _container("runner"), _container("docker", privileged=True)),
    _workload("Deployment", "builds", _container(), volumes=_of_node("/var/run/docker.sock")),
    _workload(
        "DaemonSet", "network", _container(privileged=True), hostNetwork=True, volumes=_of_node("/opt/cni/bin")
    ),
    _workload("DaemonSet", "addresses", _container(ports=[7472], add=["NET_RAW"]), hostNetwork=True),
    _workload("DaemonSet", "disks", _container(privileged=True), volumes=_of_node("/dev"), hostIPC=True),
    _workload("DaemonSet", "watchdog", _container(privileged=True), hostPID=True, volumes=_of_node("/boot")),
    _workload(
        "DaemonSet", "devices", _container(drop=["ALL"]), volumes=_of_node("/var/lib/kubelet/device-plugins")
    ),
    _workload(
        "Deployment", "meshed", _container(), initContainers=[_container("redirect", add=["NET_ADMIN", "NET_RAW"])]
    ),
    _workload("Deployment", "names", _container(ports=[{"containerPort": 53, "protocol": "UDP"}])),
    _workload("Job", "migration", _container()),
    _workload("CronJob", "backup", _container(), boxed=False),
    _workload("CronJob", "clean-up", _container(), volumes=[{"name": "work", "emptyDir": {"medium": "Memory"}}]),
    _workload("Pod", "shell", _container(), boxed=False),
)
