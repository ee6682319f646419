from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.admission import pod_manifest
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.proof_pods import Pod, Prover
from tests.support.samples import settings


@pytest.mark.parametrize(
    ("said", "is_waited_for"),
    [
        ("Unable to connect to the server: net/http: TLS handshake timeout", True),
        ("The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?", True),
        ('Error from server (NotFound): pods "x" not found', False),
    ],
)
def test_an_api_server_that_is_out_of_reach_for_a_moment_is_asked_again(
    tmp_path: Path, said: str, *, is_waited_for: bool
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"#!/bin/sh\n[ -e {tmp_path}/asked ] && echo seen && exit\n"
        f": > {tmp_path}/asked; echo '{said}' >&2; exit 1\n"
    )
    kubectl.chmod(0o755)
    rests: list[float] = []
    prover = Prover(LocalHost(), settings(cluster=ClusterSettings(kubectl=str(kubectl))), "worker1", rests.append)
    if is_waited_for:
        assert prover._run("get", "pods", doing="cannot look") == "seen\n"
        assert len(rests) == 1
    else:
        with pytest.raises(NodeprovError, match="NotFound"):
            prover._run("get", "pods", doing="cannot look")


def test_a_pod_whose_making_was_answered_to_nobody_is_the_one_that_was_made(tmp_path: Path) -> None:
    """kubectl says that it cannot connect also when a connection breaks after the API server has done its part."""
    calls = tmp_path / "calls"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"""#!/bin/sh
echo "$*" >> {calls}
pod() {{ echo "{{\\"metadata\\": {{\\"uid\\": \\"u1\\"}}, \\"status\\": {{\\"phase\\": \\"Running\\"}}}}"; }}
case "$*" in
    create*) name=$(grep -o 'nodeprov-proof-[0-9a-f]*' | head -n 1)
             said='Unable to connect to the server: EOF'
             [ ! -e {tmp_path}/made ] || said="Error from server (AlreadyExists): pods \\"$name\\" already exists"
             : > {tmp_path}/made; echo "$said" >&2; exit 1 ;;
    get*) pod ;;
esac
""")
    kubectl.chmod(0o755)
    wanted = settings(cluster=ClusterSettings(kubectl=str(kubectl)))
    prover = Prover(LocalHost(), wanted, "worker1", lambda _seconds: None)
    with prover.running_pod(ProofImage("registry.example.com/proof", "IfNotPresent", ""), "kernel") as pod:
        assert pod.uid == "u1"
    said = calls.read_text().splitlines()
    assert [line.split()[0] for line in said].count("create") == 2
    assert said[-1].startswith(f"delete pod {pod.name}")


FORBIDDEN = (
    'pods "x" is forbidden: User "system:serviceaccount:kube-system:short" cannot watch resource "pods" '
    'in API group "" in the namespace "default"'
)
AT_ONCE = f"Error from server (Forbidden): {FORBIDDEN}"
IN_ITS_LOG = f"""\
E1129 10:01:29.620418   13323 reflector.go:227] "Failed to watch" err={json.dumps(FORBIDDEN)} \
reflector="k8s.io/client-go@v0.36.3/tools/cache/reflector.go:343" type="*unstructured.Unstructured"
error: timed out waiting for the condition on pods/x"""
"""As kubectl 1.36.3 said it on the lab to a user who may list pods and not watch them."""


@pytest.mark.parametrize("said", [AT_ONCE, IN_ITS_LOG])
def test_who_may_not_wait_for_a_pod_is_told_what_is_forbidden(tmp_path: Path, said: str) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    kubectl.chmod(0o755)
    rests: list[float] = []
    pod = Pod(LocalHost(), Kubectl((str(kubectl),)), "default", "x", "", rests.append)
    with pytest.raises(NodeprovError) as raised:
        pod.comes_to("Succeeded", 1)
    assert FORBIDDEN in raised.value.message
    assert raised.value.hint == "see what nodeprov needs, and give it to that user: nodeprov rbac"
    assert rests == []


def test_a_server_that_has_just_begun_forbids_for_a_moment_only(tmp_path: Path) -> None:
    refused = "dial tcp 10.0.0.1:6443: connect: connection refused"
    before = IN_ITS_LOG.splitlines()[0].replace(json.dumps(FORBIDDEN), json.dumps(refused))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{before}\n{IN_ITS_LOG}\nEND\nexit 1\n")
    kubectl.chmod(0o755)
    pod = Pod(LocalHost(), Kubectl((str(kubectl),)), "default", "x", "", lambda _seconds: None)
    assert not pod.comes_to("Succeeded", 0)


DNS = {
    "type": "Warning",
    "reason": "MissingClusterDNS",
    "message": "kubelet does not have ClusterDNS IP",
}
PULLED = {"type": "Normal", "reason": "Pulled", "message": "Container image is present"}


def failed(message: str, at: str = "2026-11-28") -> dict[str, str]:
    return {"type": "Warning", "reason": "FailedCreatePodSandBox", "message": message, "lastTimestamp": at}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        pytest.param([failed("no runtime"), DNS, PULLED], "no runtime", id="a cause before notices"),
        pytest.param([failed("late", "2026-11-29"), failed("early")], "early; late", id="by their times"),
        pytest.param([failed("no runtime"), failed("no runtime")], "no runtime", id="once"),
        pytest.param([failed("a\nb")], "a\nb", id="a message of two lines is one message"),
        pytest.param([PULLED], "Container image is present", id="how far it came, where nobody complains"),
        pytest.param([], "the cluster reports nothing about it; does kubelet run on the node?", id="nothing"),
    ],
)
def test_why_a_pod_makes_no_progress_is_what_is_warned_of(
    tmp_path: Path, events: list[dict[str, str]], said: str
) -> None:
    (tmp_path / "events").write_text(json.dumps({"items": events}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncase \"$*\" in *events*) cat {tmp_path}/events ;; *) echo '{{}}' ;; esac\n")
    kubectl.chmod(0o755)
    pod = Pod(LocalHost(), Kubectl((str(kubectl),)), "default", "proof", "u1")
    assert pod.trouble() == said


def test_the_proof_asks_for_no_name_server_of_the_cluster() -> None:
    """kubelet warns of each pod that asks for one where it knows none, and the proof looks nothing up."""
    manifest = pod_manifest(settings(), ProofImage("proof", "Never", ""), ("kernel",), node="worker1")
    assert json.loads(manifest)["spec"]["dnsPolicy"] == "Default"
