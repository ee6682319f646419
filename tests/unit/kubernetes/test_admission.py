"""What a cluster makes of the pod that proves a runtime: it is asked before anything is touched, and compared."""

import copy
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import TIMED_OUT, Output, Place
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.admission import Admission, AdmissionQuery, Admissions, mutations, pod_manifest
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.proof_pods import Prover
from tests.support.clusters import answer, stub
from tests.support.samples import FakeReader, settings

WANTED = settings()
OWN = ProofImage("localhost/nodeprov-proof:1", "Never", "")
NAMED = ProofImage("registry.example.com/proof:1", "IfNotPresent", "")
QUERY = AdmissionQuery(WANTED, "worker1", OWN, has_class=True)


def spec(image: ProofImage = OWN) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(pod_manifest(WANTED, image, ("kernel",), node="worker1"))
    return value


def defaulted(value: dict[str, Any]) -> dict[str, Any]:
    """What an API server without any policy sends back."""
    came = copy.deepcopy(value)
    came["spec"] |= {
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "overhead": {"memory": "64Mi"},
        "nodeSelector": {"x": "y"},
        "imagePullSecrets": [{"name": "pull"}],
    }
    came["spec"]["tolerations"].append({"key": "node.kubernetes.io/not-ready", "operator": "Exists"})
    (container,) = came["spec"]["containers"]
    container |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    container["readinessProbe"] |= {"timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}
    return came


def container(came: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = came["spec"]["containers"][0]
    return found


def sidecar(came: dict[str, Any]) -> None:
    came["spec"]["containers"].append({"name": "istio-proxy", "image": "istio"})


def always(came: dict[str, Any]) -> None:
    container(came)["imagePullPolicy"] = "Always"


def mirror(came: dict[str, Any]) -> None:
    container(came)["image"] = "mirror.example.com/" + container(came)["image"]


def other_user(came: dict[str, Any]) -> None:
    came["spec"]["securityContext"]["runAsUser"] = 1000650000


def environment(came: dict[str, Any]) -> None:
    container(came)["env"] = [{"name": "HTTP_PROXY", "value": "http://p"}]


def first(came: dict[str, Any]) -> None:
    came["spec"]["initContainers"] = [{"name": "first"}]


def other_class(came: dict[str, Any]) -> None:
    came["spec"]["runtimeClassName"] = "kata"


def no_class(came: dict[str, Any]) -> None:
    del came["spec"]["runtimeClassName"]


def no_node(came: dict[str, Any]) -> None:
    del came["spec"]["nodeName"]


def command(came: dict[str, Any]) -> None:
    container(came)["command"] = ["/agent", "/probe", "kernel"]


def capabilities(came: dict[str, Any]) -> None:
    container(came)["securityContext"]["capabilities"]["drop"] = ["NET_RAW"]


def changed(how: Callable[[dict[str, Any]], None], image: ProofImage = OWN) -> Admission:
    came = defaulted(spec(image))
    how(came)
    return AdmissionQuery(WANTED, "worker1", image, has_class=True).parse(answer(json.dumps(came)))


def test_what_an_api_server_adds_by_itself_is_no_change() -> None:
    assert mutations(spec(), defaulted(spec())) == ()
    assert mutations(spec(), spec()) == ()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (sidecar, "spec.containers[istio-proxy] was added"),
        (always, 'spec.containers[proof].imagePullPolicy: "Never" became "Always"'),
        (mirror, 'image: "localhost/nodeprov-proof:1" became "mirror.example.com/localhost/nodeprov-proof:1"'),
        (other_class, 'spec.runtimeClassName: "gvisor" became "kata"'),
        (no_class, 'spec.runtimeClassName: "gvisor" became nothing'),
        (no_node, 'spec.nodeName: "worker1" became nothing'),
        (command, "spec.containers[proof].command"),
    ],
)
def test_a_change_by_which_the_pod_proves_nothing_stands_against_an_install(
    how: Callable[[dict[str, Any]], None], said: str
) -> None:
    (problem,) = changed(how).problems(WANTED, OWN)
    assert said in problem.message
    assert "nodeprov image FILE" in problem.hint
    assert "[proof] namespace" in problem.hint
    assert list(changed(how).warnings(OWN)) == []


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (other_user, "spec.securityContext.runAsUser: 65534 became 1000650000"),
        (environment, "spec.containers[proof].env was added"),
        (first, "spec.initContainers was added"),
        (capabilities, 'capabilities.drop: ["ALL"] became ["NET_RAW"]'),
    ],
)
def test_any_other_change_is_named_and_the_proof_is_tried(
    how: Callable[[dict[str, Any]], None], said: str
) -> None:
    assert list(changed(how).problems(WANTED, OWN)) == []
    (warning,) = changed(how).warnings(OWN)
    assert said in warning.message


@pytest.mark.parametrize("how", [always, mirror])
def test_an_image_that_may_be_pulled_may_come_from_elsewhere(how: Callable[[dict[str, Any]], None]) -> None:
    assert list(changed(how, NAMED).problems(WANTED, NAMED)) == []
    assert list(changed(how, NAMED).warnings(NAMED))


DENIED = 'Error from server: admission webhook "validate.kyverno.svc-fail" denied the request'
NO_ROLE = 'Error from server (Forbidden): pods is forbidden: User "ann" cannot create resource "pods"'


@pytest.mark.parametrize(
    ("said", "is_refusal"),
    [
        (DENIED, True),
        ('Error from server (Forbidden): pods "x" is forbidden: violates PodSecurity "restricted:latest"', True),
        ('Error from server (Forbidden): pods "x" is forbidden: exceeded quota: pods=0', True),
        ('Error from server (NotFound): namespaces "proofs" not found', True),
        (NO_ROLE, False),
        ('Error from server (BadRequest): admission webhook "w" does not support dry run', False),
        ("Unable to connect to the server: EOF", False),
    ],
)
def test_a_refusal_is_told_from_a_question_that_could_not_be_asked(said: str, *, is_refusal: bool) -> None:
    found = QUERY.parse(Output(1, b"", said.encode()))
    problems, warnings = list(found.problems(WANTED, OWN)), list(found.warnings(OWN))
    assert (len(problems), len(warnings)) == ((1, 0) if is_refusal else (0, 1))
    assert said in (*problems, *warnings)[0].message


def test_a_cluster_that_does_not_answer_in_time_has_not_refused() -> None:
    assert QUERY.parse(Output(TIMED_OUT, b"", b"it did not end within 60 s")).refusal == ""


@pytest.mark.parametrize("text", ["", "[]", "{", '{"spec": 3}', "null"])
def test_an_answer_that_is_no_pod_ends_nothing(text: str) -> None:
    found = QUERY.parse(answer(text))
    assert found.refusal == ""
    assert found.unknown or found.mutations


def test_it_is_asked_without_making_anything(tmp_path: Path) -> None:
    body = f'echo "$*" > {tmp_path}/call; cat > {tmp_path}/sent; cat {tmp_path}/sent'
    query = AdmissionQuery(stub(tmp_path, body), "worker1", OWN, has_class=False)
    (found,) = LocalHost().ask([query])
    assert found == Admission()
    assert (tmp_path / "call").read_text() == "create --dry-run=server -o json -f -\n"
    sent = json.loads((tmp_path / "sent").read_text())
    assert "runtimeClassName" not in sent["spec"], "a class that is not there yet would be refused"


def test_a_pod_on_a_node_stays_whatever_taints_it_has() -> None:
    assert spec()["spec"]["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    anywhere = json.loads(pod_manifest(WANTED, OWN, ("kernel",), node=None))
    assert "tolerations" not in anywhere["spec"]


def test_a_proof_that_fails_names_what_was_changed_on_its_way(tmp_path: Path) -> None:
    came = defaulted(spec())
    other_user(came)
    (tmp_path / "came.json").write_text(json.dumps(came | {"status": {"phase": "Failed", "message": "no"}}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n[ $3 != wait ] || exit 1\ncat {tmp_path}/came.json\n")
    kubectl.chmod(0o755)
    prover = Prover(
        LocalHost(), settings(cluster=ClusterSettings(kubectl=str(kubectl))), "worker1", lambda _seconds: None
    )
    expected = "is Failed, not Running: no; on its way the cluster changed it: spec.securityContext.runAsUser"
    with pytest.raises(NodeprovError, match=expected), prover.running_pod(OWN, "kernel"):
        pass


class Counting(FakeReader):
    """A cluster that answers slowly, and by what it is asked."""

    def _answer(self, query: Any) -> Any:
        time.sleep(0.02)
        if query.settings.proof.namespace == "closed":
            raise NodeprovError("no answer")
        return Admission(refusal=query.settings.proof.namespace)


def test_for_many_nodes_a_cluster_is_asked_once_for_pods_that_differ_in_the_node_alone() -> None:
    cluster, admissions = Counting(), Admissions()
    other = replace(WANTED, proof=replace(WANTED.proof, namespace="other"))
    readers = admissions.through({Place.NODE: FakeReader(), Place.CLUSTER: cluster})
    queries = [replace(QUERY, node=f"worker{n}", settings=each) for n in range(12) for each in (WANTED, other)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda query: readers[Place.CLUSTER].ask([query])[0], queries))
    assert [each.refusal for each in found] == ["default", "other"] * 12
    assert len(cluster.asked) == 2


def test_what_asking_raises_is_raised_for_each_node() -> None:
    closed = replace(WANTED, proof=replace(WANTED.proof, namespace="closed"))
    readers = Admissions().through({Place.CLUSTER: Counting()})
    for node in ("worker1", "worker2"):
        with pytest.raises(NodeprovError, match="no answer"):
            readers[Place.CLUSTER].ask([replace(QUERY, node=node, settings=closed)])
