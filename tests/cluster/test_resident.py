"""The dispatcher as it runs in the cluster: with the token of its service account, until it is ended."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from nodeprov.dispatch.__main__ import Resident
from nodeprov.dispatch.applying import apply, plan
from nodeprov.dispatch.objects import ACCOUNT, Place, objects, path_of
from nodeprov.dispatch.serving import serve
from nodeprov.dispatch.wanted import Members
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.pod import NAMESPACE
from tests.support.control_plane import ControlPlane
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import Fakes, inventory

WISH = wanted(inventory(max_unavailable="100%", max_failures=100))


@pytest.fixture
def resident(fakes: Fakes, plane: ControlPlane, tmp_path: Path) -> Iterator[Resident]:
    """A dispatcher with its own rights and no others."""
    values = [each for each in objects(WISH, Members(WISH), Place()) if each["kind"] != "Deployment"]
    list(apply(fakes.api, plan(fakes.api, values)))
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    token = fakes.api.create(f"{accounts}/{ACCOUNT}/token", {"spec": {"expirationSeconds": 3600}})
    (tmp_path / "token").write_text(token["status"]["token"])
    (tmp_path / "ca.crt").write_bytes(plane.secrets.authority.certificate)
    environment = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(plane.port),
        "NODEPROV_NAMESPACE": NAMESPACE,
        "NODEPROV_IDENTITY": "dispatcher-1",
    }
    yield Resident(environment, fakes.stop, tmp_path, look_seconds=0.5)
    fakes.stop.set()
    for each in reversed(values):
        if each["kind"] != "Namespace":
            fakes.api.delete(path_of(each))


def _page(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_it_answers_at_addresses_of_both_families() -> None:
    """A pod of a cluster with IPv6 has such an address, and kubelet asks there."""
    with serve({"/healthz": lambda: (200, "ok\n")}, 0) as server:
        hosts = ["127.0.0.1", *(["[::1]"] if socket.has_dualstack_ipv6() else [])]
        assert [_page(server.server_port, "/healthz", host) for host in hosts] == [(200, "ok\n")] * len(hosts)


def test_it_installs_says_so_in_numbers_and_takes_what_is_wanted_next(fakes: Fakes, resident: Resident) -> None:
    fakes.add("n1", "bad")
    pages = {"/readyz": resident.readiness, "/metrics": resident.metrics}
    with serve(pages, 0) as server:
        port = server.server_port
        assert _page(port, "/readyz") == (503, "waiting; nobody leads\n")
        thread = threading.Thread(target=resident.run, daemon=True)
        thread.start()
        fakes.until(lambda: fakes.labelled() == ["n1"] and not fakes.pods() and fakes.last("bad") is not None)
        assert _page(port, "/readyz") == (200, "ready\n")
        status, numbers = _page(port, "/metrics")
        assert status == 200
        for line in (
            "nodeprov_leads 1",
            'nodeprov_nodes{state="done"} 1',
            'nodeprov_nodes{state="failed"} 1',
            'nodeprov_node_runs_total{action="install",result="done"} 1',
            "nodeprov_restarts_total 2",
            'nodeprov_api_calls_total{verb="PATCH",status="200"} 4',
            'nodeprov_lists_total{kind="nodes"} 1',
        ):
            assert line in numbers.splitlines()
        assert _page(port, "/")[0] == 404
        away = wanted(WISH.inventory.replace("pool=sandboxes", "pool=other"), run="r2")
        values = [each for each in objects(away, Members(away), Place()) if each["kind"] == "ConfigMap"]
        list(apply(fakes.api, plan(fakes.api, values)))
        fakes.until(lambda: fakes.labelled() == [])
        fakes.stop.set()
        thread.join(30)
        assert not thread.is_alive()
    lease = fakes.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nodeprov-dispatcher")
    assert lease["spec"]["holderIdentity"] == ""


def test_without_anything_wanted_it_says_what_to_type(plane: ControlPlane, fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(plane.secrets.authority.certificate)
    (tmp_path / "token").write_text("no token")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(plane.port)}
    with pytest.raises(NodeprovError, match="Unauthorized"):
        Resident(environment, fakes.stop, tmp_path)
