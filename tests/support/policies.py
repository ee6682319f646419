"""A cluster with the policies of `nodeprov policy`, and people in it who may do this and not that."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from tests.support.command_line import nodeprov
from tests.support.control_plane import ControlPlane, control_plane

CLASS = "gvisor"
ADMIN, ONCALL, DEVELOPER = "", "oncall", "developer"
AUDIT = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n"
PATIENCE_SECONDS = 60
WAIT_SECONDS = 0.2
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1", "labels": {"sandboxes": "true"}},
    "status": {"capacity": {"pods": "200", "cpu": "64", "memory": "64Gi"}},
}
RULE = re.compile(r"rule ([a-z-]+):")
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": CLASS},
    "handler": "runsc",
    "overhead": {"podFixed": {"cpu": "50m", "memory": "64Mi"}},
    "scheduling": {"nodeSelector": {"sandboxes": "true"}},
}


def until(done: Callable[[], bool], what: str = "it") -> None:
    """Wait for something that the cluster comes to by itself."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline, f"{what} did not come to be"
        time.sleep(WAIT_SECONDS)


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str, annotations: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Write a pod that keeps every rule, but where `spec` has something else."""
    given = {"runtimeClassName": CLASS, "containers": [{"name": "main", "image": "x"}], **spec}
    metadata = {"name": name, "annotations": dict(annotations or {})}
    kept = {key: value for key, value in given.items() if value is not None}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": kept}


class Cluster:
    """An API server with the controllers of Kubernetes, and no node."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.write_inventory("nodeprov.toml")
        self._session = requests.Session()
        for name, text in (("crt", plane.access.certificate), ("key", plane.access.key)):
            (folder / f"admin.{name}").write_text(str(text))
        self._session.cert = (str(folder / "admin.crt"), str(folder / "admin.key"))
        self._session.verify = str(plane.folder / "ca.crt")
        self._session.trust_env = False

    def write_inventory(self, name: str, user: str = ADMIN, more: str = "") -> None:
        text = f'[release]\nversion = "20260905.0"\n[cluster]\nkubeconfig = "{self.config(user)}"\n{more}\n'
        (self.folder / name).write_text(f"{text}[nodes.worker1]\n")

    def config(self, user: str) -> Path:
        return self.plane.kubeconfig_of(user) if user else self.plane.kubeconfig

    def kubectl(self, *arguments: str, user: str = ADMIN, value: Any = None) -> Output:
        """Call kubectl as somebody; `value` is its standard input, as JSON."""
        stdin = b"" if value is None else json.dumps(value).encode()
        argv = ["kubectl", "--kubeconfig", str(self.config(user)), *arguments]
        return run_program(argv, stdin=stdin, timeout_seconds=60)

    def make(self, value: Any, where: str = "", user: str = ADMIN) -> Output:
        return self.kubectl(*(["-n", where] if where else []), "create", "-f", "-", user=user, value=value)

    def made(self, *values: Any, where: str = "") -> None:
        for value in values:
            output = self.make(value, where)
            assert output.returncode == 0, output.said

    def get(self, *arguments: str) -> Any:
        output = self.kubectl("get", *arguments, "-o", "json")
        assert output.returncode == 0, output.said
        return json.loads(output.text)

    def nodeprov(self, *arguments: str) -> Output:
        return nodeprov(*arguments, folder=self.folder)

    def policy(self, *arguments: str) -> str:
        output = self.nodeprov("policy", *arguments)
        assert output.returncode == 0, output.stderr.decode()
        return output.text

    def dry_run(self, where: str, value: Mapping[str, Any]) -> tuple[int, list[str], str]:
        """Ask the API server for a pod without making it: the status, the rules that it warns of, what it says."""
        url = f"{self.plane.address}/api/v1/namespaces/{where}/pods"
        answer = self._session.post(url, json=value, params={"dryRun": "All"}, timeout=60)
        said = "" if answer.ok else str(answer.json().get("message"))
        return answer.status_code, RULE.findall(answer.headers.get("Warning", "")), said

    def seconds_to_admit(self, where: str, value: Mapping[str, Any]) -> float:
        """Make a pod and delete it; return how long the making took."""
        url = f"{self.plane.address}/api/v1/namespaces/{where}/pods"
        began = time.perf_counter()
        answer = self._session.post(url, json=value, timeout=60)
        seconds = time.perf_counter() - began
        assert answer.ok, answer.text
        name = answer.json()["metadata"]["name"]
        self._session.delete(f"{url}/{name}", params={"gracePeriodSeconds": "0"}, timeout=60)
        return seconds

    def in_force(self, where: str) -> None:
        """Wait until the policy holds in a namespace: an API server learns of it within seconds."""
        bad = pod("probe", runtimeClassName=None)

        def holds() -> bool:
            _, warned, said = self.dry_run(where, bad)
            return bool(warned or RULE.search(said))

        until(holds, f"the policy in {where}")

    def may(self, user: str, *rules: Mapping[str, Any]) -> None:
        """Let somebody do something in the whole cluster."""
        api, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
        role = {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": user}, "rules": list(rules)}
        reference = {"apiGroup": group, "kind": "ClusterRole", "name": user}
        subject = {"apiGroup": group, "kind": "User", "name": user}
        binding = {**role, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}
        del binding["rules"]
        self.made(role, binding)

    def audit_log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.plane.folder / "audit.log").read_text().splitlines()]


def rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


@contextmanager
def cluster(folder: Path, *options: str, has_controllers: bool = True, syncs: bool = False) -> Iterator[Cluster]:
    """Have a cluster, with a RuntimeClass and people; `options` are for its API server."""
    (folder / "plane").mkdir()
    (folder / "audit.yaml").write_text(AUDIT)
    audit = f"--audit-policy-file={folder}/audit.yaml", f"--audit-log-path={folder}/plane/audit.log"
    with control_plane(folder / "plane", [*audit, *options], syncs=syncs) as plane:
        if has_controllers:
            plane.start_controllers()
        found = Cluster(plane, folder)
        found.made(RUNTIME_CLASS)
        workloads = [
            rule("", "pods", "create", "get", "list", "delete"),
            rule("", "pods/ephemeralcontainers", "get", "patch"),
            rule("apps", "deployments", "create", "patch", "get", "update"),
            rule("", "namespaces", "get", "patch"),
            rule("node.k8s.io", "runtimeclasses", "get", "patch", "delete"),
        ]
        found.may(DEVELOPER, *workloads)
        found.may(ONCALL, *workloads, rule("nodeprov.io", "sandboxexemptions", "use"))
        yield found
