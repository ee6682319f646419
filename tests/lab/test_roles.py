"""nodeprov in a cluster with the role that it prints, which all other tests use too; and with less than that."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nodeprov import inventory
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster_read, runtime_class
from nodeprov.kubernetes.drainer import Drainer
from nodeprov.kubernetes.draining import node_pods
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.kubectl import is_forbidden
from nodeprov.kubernetes.kubectl import kubectl as calls
from nodeprov.kubernetes.node_labels import read_labels
from nodeprov.kubernetes.proof_pods import Pod, Prover
from nodeprov.kubernetes.roles import Role, ServiceAccount, manifest, roles
from nodeprov.kubernetes.runtime_class import wanted_runtime_class
from nodeprov.kubernetes.scheduling import NodeLabel
from nodeprov.states import LabelState
from tests.lab.machines import IMAGE, LEAST, WORKER, Kubectl, Machine, eventually, write_kubeconfig
from tests.lab.running import INVENTORY, nodeprov, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

NAME = f"nodeprov-short-{WORKER}"
SHORT = f"/root/{NAME}.conf"
POD = "standing-in"
NEED = {
    "the plan": ("list nodes",),  # and `list runtimeclasses`, or else `get` of the one
    "choosing nodes by labels": ("list nodes",),
    "the label": ("get nodes", "patch nodes"),
    "making the RuntimeClass": ("get runtimeclasses", "create runtimeclasses"),
    "changing the RuntimeClass": ("get runtimeclasses", "update runtimeclasses"),
    "deleting the RuntimeClass": ("list nodes", "delete runtimeclasses"),
    "creating the pod": ("create pods",),
    "sweeping a pod that was left": ("list pods", "delete pods"),
    "asking after the pod": ("get pods",),
    "waiting for the pod": ("get pods", "watch pods"),  # and list pods, before kubectl 1.35
    "the pod's log": ("get pods", "get pods/log"),
    "the probe in the pod": ("get pods", "create pods/exec"),
    "the pod's events": ("get pods", "list events"),
}
"""What each act of a run needs; the acts are the product's own functions."""
DRAINING = {
    "which pods leave": ("list runtimeclasses", "list pods"),
    "an eviction": ("create pods/eviction",),
}
PERMISSIONS = sorted({each for some in NEED.values() for each in some})


@dataclass(frozen=True)
class Acts:
    """What nodeprov does in a cluster, one by one."""

    host: Host
    settings: Settings

    def named(self) -> Mapping[str, Callable[[], object]]:
        kube, settings, host = calls(self.settings.cluster), self.settings, self.host
        made, wanted = runtime_class.of(settings, WORKER), wanted_runtime_class(settings)
        prover = Prover(host, settings, WORKER)
        pod = Pod(host, kube, settings.proof.namespace, POD, "")
        return {
            "the plan": lambda: cluster_read.read(host, settings, WORKER),
            "choosing nodes by labels": lambda: read_labels(host, settings.cluster),
            "the label": lambda: NodeLabel(kube, WORKER, settings.label.key).write(host, LabelState("true")),
            "making the RuntimeClass": lambda: made.write(host, wanted),
            "changing the RuntimeClass": lambda: made.write(host, wanted),
            "deleting the RuntimeClass": lambda: made.write(host, None),
            "creating the pod": lambda: prover.admitted(ProofImage(IMAGE, "Never", "")),
            "sweeping a pod that was left": prover.sweep,
            "asking after the pod": pod.get,
            "waiting for the pod": lambda: pod.comes_to("Succeeded", 1),
            "the pod's log": pod.log,
            "the probe in the pod": lambda: pod.execute("kernel"),
            "the pod's events": pod.trouble,
            "which pods leave": lambda: node_pods(host, settings, WORKER),
            "an eviction": lambda: Drainer(host, settings, WORKER)._evict(settings.proof.namespace, "gone"),
        }


def refusal(act: Callable[[], object]) -> str:
    """Return what the cluster forbids to an act; "" if nothing."""
    try:
        act()
    except NodeprovError as error:
        return error.message if is_forbidden(error.message) else ""
    return ""


@pytest.fixture(scope="module")
def node() -> Node:
    whole = inventory.parse(INVENTORY.read_text(), str(INVENTORY), environment=os.environ)
    return inventory.select(whole, [WORKER])[0]


class Short:
    """A service account whose role lacks one thing."""

    def __init__(self, kubectl: Kubectl, node: Node) -> None:
        self._kubectl = kubectl
        self._node = node

    def without(self, *permissions: str, drain: bool = False) -> None:
        """Give it all that `nodeprov rbac` prints but these, and wait until the API server knows."""
        given = [self._less(role, permissions) for role in roles([self._node], NAME, drain=drain)]
        self._kubectl("delete", "clusterrolebinding", f"{NAME}-drain", "--ignore-not-found")
        text = manifest(given, ServiceAccount("kube-system", NAME))
        self._kubectl("apply", "--namespace=", "-f", "-", stdin=text)
        for each in permissions:
            verb, resource = each.split()
            kind, _, sub = resource.partition("/")
            name = (f"{kind}/{WORKER}",) if kind == "nodes" and verb != "list" else (kind,)
            asked = ("auth", "can-i", verb, *name, *([f"--subresource={sub}"] if sub else []), "-n=default")
            with eventually(20) as more:
                as_who = f"--as=system:serviceaccount:kube-system:{NAME}"
                while b"no" not in self._kubectl.attempt(*asked, as_who).stdout:
                    assert more(), each

    def _less(self, role: Role, permissions: tuple[str, ...]) -> Role:
        kept = []
        for rule in role.rules:
            verbs = tuple(verb for verb in rule.verbs if f"{verb} {rule.resource}" not in permissions)
            if rule.resource == "pods/exec" and len(verbs) < len(rule.verbs):
                verbs = ()  # which of its two verbs is asked for depends on Kubernetes' version
            kept += [replace(rule, verbs=verbs)] if verbs else []
        return replace(role, rules=tuple(kept))


@pytest.fixture
def short(kubectl: Kubectl, node: Node, worker: Machine) -> Iterator[Short]:
    made = Short(kubectl, node)
    made.without()
    write_kubeconfig(NAME, SHORT)
    yield made
    both = ("clusterrole", "clusterrolebinding")
    for kind in both:
        kubectl("delete", kind, NAME, f"{NAME}-drain", "--ignore-not-found")
    kubectl("delete", "role,rolebinding", NAME, "-n=default", "--ignore-not-found")
    kubectl("delete", "serviceaccount", NAME, "-n=kube-system")


@pytest.fixture
def acts(node: Node) -> Iterator[Acts]:
    master = Machine("master")
    settings = node.settings
    yield Acts(master.host, replace(settings, cluster=replace(settings.cluster, kubeconfig=SHORT)))
    master.host.close()


def ended_pod(kubectl: Kubectl) -> None:
    """Make a pod as a run that was killed might have left it."""
    labels = {"app.kubernetes.io/managed-by": "nodeprov", "app.kubernetes.io/component": "proof"}
    container = {"name": "proof", "image": IMAGE, "imagePullPolicy": "Never", "command": ["true"]}
    spec = {
        "nodeName": WORKER, "restartPolicy": "Never", "automountServiceAccountToken": False,
        "containers": [container],
    }  # fmt: skip
    meta = {"name": f"left-over-{WORKER}", "namespace": "default", "labels": labels}
    kubectl("apply", "-n=default", "-f", "-", stdin=json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    ))  # fmt: skip
    kubectl(
        "wait", "-n=default", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{meta['name']}", "--timeout=60s"
    )


def test_without_a_permission_just_what_needs_it_is_refused_and_the_message_names_it(
    short: Short, acts: Acts, kubectl: Kubectl
) -> None:
    kubectl("delete", "pod", POD, "-n=default", "--force", "--ignore-not-found")
    kubectl("run", POD, "-n=default", f"--image={IMAGE}", "--image-pull-policy=Never", "-l=made-by=tests",
            f"--overrides={json.dumps({'spec': {'nodeName': WORKER}})}", "--", "sleep", "1000")  # fmt: skip
    kubectl("wait", "-n=default", "--for=condition=Ready", f"pod/{POD}", "--timeout=60s")
    wrong = []
    try:
        for permission in PERMISSIONS:
            short.without(permission)
            for act, needed in NEED.items():
                _prepare(act, kubectl, acts, left_over=permission == "delete pods")
                said = refusal(acts.named()[act])
                if bool(said) is not (permission in needed) or (said and not _names(permission, said)):
                    wrong.append(f"without {permission}: {act}: {said or 'was allowed'}")
    finally:
        kubectl("delete", "pod", POD, f"left-over-{WORKER}", "-n=default", "--force", "--ignore-not-found")
    assert not wrong, "\n".join(wrong)


def _names(permission: str, said: str) -> bool:
    """Tell whether a message names what is missing; for exec, which verb it is depends on Kubernetes' version."""
    verb, resource = permission.split()
    kind, _, _ = resource.partition("/")
    said = said.replace("\\", "")  # kubectl writes what it watches in quotes of its own
    return f'resource "{kind}' in said and (resource == "pods/exec" or f"cannot {verb}" in said)


def _prepare(act: str, kubectl: Kubectl, acts: Acts, *, left_over: bool) -> None:
    name = acts.settings.runtime_class.name
    if act == "the label":  # one that is there already is not set again
        kubectl("label", "node", WORKER, f"{acts.settings.label.key}-")
    if act == "making the RuntimeClass":
        kubectl("delete", "runtimeclass", name, "--ignore-not-found")
    if act in ("changing the RuntimeClass", "creating the pod") and not kubectl.classes():
        value = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}}
        kubectl("create", "-f", "-", stdin=json.dumps({**value, "handler": acts.settings.runtime.handler}))
    if act.startswith("sweeping") and left_over:
        ended_pod(kubectl)


def test_draining_needs_its_own_role(short: Short, acts: Acts) -> None:
    named = acts.named()
    for permission in sorted({each for some in DRAINING.values() for each in some}):
        short.without(permission, drain=True)
        for act, needed in DRAINING.items():
            said = refusal(named[act])
            assert bool(said) is (permission in needed), f"without {permission}: {act}: {said or 'was allowed'}"
            assert not said or f"cannot {permission.split()[0]} resource" in said, said


def test_an_install_that_may_not_patch_the_node_is_taken_back_and_says_what_it_may_not(
    short: Short, worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    before = worker.listing()
    short.without("patch nodes")
    ended = nodeprov("install", WORKER, "--yes", inventory=variant(tmp_path, cluster__kubeconfig=f'"{SHORT}"'))
    assert ended.returncode == 1
    assert f"cannot label {WORKER}" in ended.stderr
    assert 'cannot patch resource "nodes"' in ended.stderr
    assert "hint: see what nodeprov needs, and give it to that user: nodeprov rbac" in ended.stderr
    assert worker.listing() == before


def test_all_tests_run_nodeprov_with_no_more_than_that(kubectl: Kubectl, worker: Machine) -> None:
    assert f'kubeconfig = "{LEAST}"' in INVENTORY.read_text()
    for asked, allowed in {
        ("get", "secrets", "-n=default"): "no",
        ("get", "secrets", "-n=kube-system"): "no",
        ("patch", "nodes/master"): "no",
        ("create", "pods", "-n=kube-system"): "no",
        ("patch", "nodes/status"): "no",
        ("patch", f"nodes/{WORKER}"): "yes",
        ("*", "*"): "no",
    }.items():
        said = kubectl.attempt(f"--kubeconfig={LEAST}", "auth", "can-i", *asked).text
        assert said.strip().splitlines()[-1] == allowed, (asked, said)
