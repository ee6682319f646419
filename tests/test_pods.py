from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.proof.pods import Prover
from tests.samples import settings


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
