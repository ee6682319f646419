from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.proof_pods import Prover
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
