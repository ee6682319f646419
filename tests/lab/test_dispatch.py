"""The cluster installs its own nodes: the command from here, and the dispatcher that stays."""

from __future__ import annotations

import json
from pathlib import Path

from nodeprov.hosts.local import run_program
from tests.lab.dispatching import NODES, SYSTEM, Site, forget
from tests.lab.machines import ADMIN, CHECKOUT, CLASS, NEW, Kubectl, Machine, eventually
from tests.lab.running import nodeprov, variant
from tests.support.sampling import by_turns

pytestmark = by_turns


def _as_ssh_leaves_it(site: Site, kubectl: Kubectl) -> None:
    """See that a pod runs in a sandbox, and that neither verify nor a plan over SSH has anything to say."""
    assert site.labelled() == list(NODES)
    for name in NODES:
        kubectl.pod(f"after-{name}", name, sandboxed=True)
        assert "Starting gVisor" in kubectl("exec", f"after-{name}", "--", "dmesg")
        kubectl("delete", "pod", f"after-{name}", "--now")
    verified = nodeprov("verify", *NODES)
    assert verified.returncode == 0, verified.stdout
    planned = nodeprov("plan", *NODES, "--set", f"release.version={NEW}")
    assert planned.returncode == 0, planned.stdout + planned.stderr


def test_the_cluster_installs_its_nodes_once_and_takes_all_back(
    site: Site, worker: Machine, other: Machine, kubectl: Kubectl
) -> None:
    before = worker.listing(), other.listing()
    ran = site.command("run", *site.images, "--yes", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr + site.trouble()
    ends = {each["node"]: each for each in json.loads(ran.stdout)["outcomes"]}
    assert {name: (each["result"], each["release"]) for name, each in ends.items()} == dict.fromkeys(
        NODES, ("done", NEW)
    )
    _as_ssh_leaves_it(site, kubectl)
    again = site.command("run", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["outcomes"]) == (0, []), again.stderr
    gone = site.command("uninstall", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr + site.trouble()
    assert (worker.listing(), other.listing()) == before
    assert site.labelled() == []
    assert CLASS not in kubectl("get", "runtimeclasses", "-o", "name")
    for name in NODES:
        node = kubectl.json("get", "node", name)
        marks = {**node["metadata"]["labels"], **node["metadata"]["annotations"]}
        assert [key for key in marks if key.startswith("nodeprov")] == []
        assert not node["spec"].get("unschedulable")


@by_turns
def test_what_is_staged_restarts_nothing_and_is_there_for_the_install(
    site: Site, worker: Machine, other: Machine
) -> None:
    before = [(each.pid(), each.config(), each.listing()) for each in (worker, other)]
    staged = site.command("run", *site.images, "--stage", "--yes", "--json")
    assert staged.returncode == 0, staged.stdout + staged.stderr + site.trouble()
    found = [(each["node"], each["action"], each["result"]) for each in json.loads(staged.stdout)["outcomes"]]
    assert sorted(found) == [(name, "stage", "done") for name in NODES]
    assert [(each.pid(), each.config()) for each in (worker, other)] == [each[:2] for each in before]
    assert site.labelled() == []
    ran = site.command("run", "--yes", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr + site.trouble()
    assert site.labelled() == list(NODES)
    gone = site.command("uninstall", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr + site.trouble()
    assert [each.listing() for each in (worker, other)] == [each[2] for each in before]


def test_the_dispatcher_in_the_cluster_may_be_killed_and_goes_on(site: Site, kubectl: Kubectl) -> None:
    put = site.command("install", *site.images, "--yes")
    assert put.returncode == 0, put.stdout + put.stderr
    # The lab has no kube-proxy, and so no address for the Service of the API server.
    there = ("KUBERNETES_SERVICE_HOST=10.123.0.10", "KUBERNETES_SERVICE_PORT=6443")
    kubectl("set", "env", "deployment/nodeprov-dispatcher", f"--namespace={SYSTEM}", *there)
    with eventually(120) as more:
        while not any(
            "nodeprov.io/claimed" in each["metadata"]["labels"] for each in kubectl.json("get", "nodes")["items"]
        ):
            assert more(), site.trouble()
    kubectl("delete", "pods", f"--namespace={SYSTEM}", "-l", "app.kubernetes.io/component=dispatcher", "--now")
    with eventually(240) as more:
        while site.labelled() != list(NODES):
            assert more(), site.trouble()
    _as_ssh_leaves_it(site, kubectl)
    status = site.command("status", "--json")
    assert json.loads(status.stdout)["nodes"]["done"] == 2, status.stdout
    gone = site.command("uninstall", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr + site.trouble()
    assert site.labelled() == []


def test_the_demo_has_the_cluster_install_all_its_workers(
    worker: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    before = worker.listing(), other.listing()
    inventory = variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')
    argv = ["script/demo", "--in-cluster"]
    environment = {"NODEPROV_INVENTORY": str(inventory)}
    try:
        shown = run_program(argv, environment=environment, folder=CHECKOUT, timeout_seconds=400)
        assert shown.returncode == 0, shown.said
        said = shown.stdout.decode()
        assert "Starting gVisor..." in said
        rows = [line.split() for line in said.splitlines() if line.startswith(tuple(f"{name} " for name in NODES))]
        assert {row[1] for row in rows} == {"passed", "skipped"}
    finally:
        gone = nodeprov("cluster", "uninstall", "--yes", inventory=inventory)
        forget(kubectl)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert (worker.listing(), other.listing()) == before
