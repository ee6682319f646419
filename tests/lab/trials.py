"""Workloads that are tried, and the pods of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.machines import IMAGE, WORKER, Kubectl, write_kubeconfig
from tests.lab.running import nodeprov, variant

PROBER = f"/root/nodeprov-prober-{WORKER}.conf"

SERVES = (
    "swapoff /nothing; mkdir -p /tmp/web && echo hello > /tmp/web/index.html && exec httpd -f -p 8080 -h /tmp/web"
)
"""It makes a call that gVisor notes, and is ready when it serves."""


def inventory_of_a_prober(kubectl: Kubectl, folder: Path) -> Path:
    """Write the lab's inventory with a user who may do what `nodeprov rbac --probe` prints, and no more."""
    account = ("--service-account", "kube-system/nodeprov-prober", "--name", f"nodeprov-prober-{WORKER}")
    kubectl("apply", "--namespace=", "-f", "-", stdin=nodeprov("rbac", "--probe", *account).stdout)
    write_kubeconfig("nodeprov-prober", PROBER)
    return variant(folder, cluster__kubeconfig=f'"{PROBER}"')


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "web",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", SERVES],
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "token"}}}],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    labels = {"made-by": "tests", "app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"made-by": "tests"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}},
        },
    }


def shadows(kubectl: Kubectl) -> list[str]:
    return kubectl("get", "pods", "-l", "nodeprov.io/try", "-o", "name").split()
