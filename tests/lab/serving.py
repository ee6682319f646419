"""Pods that serve on both workers, behind a budget, for tests that drain these nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.lab.machines import ADMIN, IMAGE, OTHER, WORKER, Kubectl, eventually

BOTH = (WORKER, OTHER)
PORT = 8099
SERVED = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: served}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: served}}}}
  template:
    metadata: {{labels: {{app: served}}}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      nodeSelector: {{drained: tests}}
      containers:
        - name: main
          image: {IMAGE}
          imagePullPolicy: Never
          command: [sh, -c, "mkdir -p /w && echo served > /w/index.html && exec httpd -f -p {PORT} -h /w"]
          readinessProbe: {{httpGet: {{path: /, port: {PORT}}}, periodSeconds: 1}}
          resources: {{requests: {{memory: 8Mi, cpu: 5m}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: served}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: served}}}}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec:
  selector: {{matchLabels: {{app: agent}}}}
  template:
    metadata: {{labels: {{app: agent}}}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      nodeSelector: {{drained: tests}}
      containers:
        - name: main
          image: {IMAGE}
          imagePullPolicy: Never
          command: [sh, -c, "sleep 100000"]
          volumeMounts: [{{name: cache, mountPath: /cache}}]
      volumes: [{{name: cache, emptyDir: {{}}}}]
"""
ADDRESSES = "jsonpath={range .items[*]}{.status.podIP} {end}"
ASKED = f"""
served="kubectl --kubeconfig={ADMIN} get pods -A -l app=served -o"
asked="printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
for try in 1 2 3; do
    answers=0
    for address in $($served '{ADDRESSES}'); do
        said=$(timeout 1 bash -c "exec 3<>/dev/tcp/$address/{PORT}; $asked" 2>/dev/null)
        case $said in *served*) answers=$((answers + 1)) ;; esac
    done
    [ "$answers" = 0 ] || break
done
echo "$answers"
"""
"""How many of the pods answer; who finds none asks once more, as every client does of a pod that has just gone."""


def cordoned(kubectl: Kubectl) -> list[str]:
    return [name for name in BOTH if kubectl.json("get", "node", name)["spec"].get("unschedulable")]


def pods_of(kubectl: Kubectl, app: str) -> dict[str, list[dict[str, Any]]]:
    """Return an application's pods by their nodes."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in BOTH}
    for pod in kubectl.json("get", "pods", "-l", f"app={app}")["items"]:
        if pod["spec"].get("nodeName") in found and "deletionTimestamp" not in pod["metadata"]:
            found[pod["spec"]["nodeName"]].append(pod)
    return found


@contextlib.contextmanager
def serving_in(kubectl: Kubectl) -> Iterator[None]:
    """Have both nodes serve: two pods behind a budget of one, and an agent on each node."""
    kubectl("label", "nodes", *BOTH, "drained=tests", "--overwrite")
    kubectl("apply", "-f", "-", stdin=SERVED)
    try:
        kubectl("rollout", "status", "deployment/served", "--timeout=90s")
        kubectl("rollout", "status", "daemonset/agent", "--timeout=90s")
        yield
    finally:
        kubectl("delete", "deployment,pdb,daemonset", "served", "agent", "--ignore-not-found", "--force")
        kubectl("label", "nodes", *BOTH, "drained-")


def forbid_evictions(kubectl: Kubectl) -> None:
    """Have the budget forbid every eviction."""
    kubectl("patch", "pdb", "served", "--type=merge", "--patch", '{"spec": {"minAvailable": 2}}')
    with eventually() as more:
        while kubectl.json("get", "pdb", "served")["status"].get("disruptionsAllowed") != 0:
            assert more()
