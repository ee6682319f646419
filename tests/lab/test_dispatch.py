"""The cluster installs its own nodes: the command from here, and the dispatcher that stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.in_cluster import engine_image, release_image
from tests.lab.machines import ADMIN, CLASS, LABEL, NEW, OTHER, WORKER, Kubectl, Machine, eventually
from tests.lab.pods import MACHINE, Pods, engine_file
from tests.lab.running import Ended, nodeprov, variant

pytestmark = [pytest.mark.alone, pytest.mark.rotates(2, "the dispatcher on real nodes")]
NODES = tuple(sorted((WORKER, OTHER)))
SYSTEM = "nodeprov-system"


class Site:
    """An inventory for both workers, its lock, and the images on all nodes."""

    def __init__(self, folder: Path, kubectl: Kubectl) -> None:
        self.kubectl = kubectl
        self.inventory = variant(
            folder,
            cluster__select=f'"kubernetes.io/hostname in ({",".join(NODES)})"',
            cluster__kubeconfig=f'"{ADMIN}"',
            release__version=f'"{NEW}"',
            rollout__max_unavailable='"2"',
            proof__steady_seconds="1",
        )
        locked = nodeprov("lock", inventory=self.inventory)
        assert locked.returncode == 0, locked.stderr
        release = folder / "release.tar"
        made = nodeprov(
            "image", str(release), "--release", NEW, "--architecture", MACHINE, inventory=self.inventory
        )
        assert made.returncode == 0, made.stderr
        names: list[tuple[str, str]] = []
        for name in ("master", *NODES):
            pods = Pods(Machine(name), kubectl, folder)
            names.append(
                (
                    pods.bring(engine_file(), engine_image.REFERENCE),
                    pods.bring(release, release_image.reference(NEW)),
                )
            )
        [(engine, brought)] = set(names)
        self.images = ("--engine-image", engine, "--release-image", brought)

    def command(self, *arguments: str) -> Ended:
        return nodeprov("cluster", *arguments, inventory=self.inventory)

    def labelled(self) -> list[str]:
        found = self.kubectl.json("get", "nodes", "-l", f"{LABEL}=true")["items"]
        return sorted(each["metadata"]["name"] for each in found)

    def trouble(self) -> str:
        """Say what an operator would look at."""
        said = [
            self.kubectl.attempt(*arguments, f"--namespace={SYSTEM}").text[-3000:]
            for arguments in (
                ("get", "pods", "-o", "wide"),
                ("describe", "pods"),
                ("logs", "deployment/nodeprov-dispatcher"),
                ("get", "nodes", "-o", "yaml"),
            )
        ]
        return "\n".join(said)


@pytest.fixture
def site(worker: Machine, other: Machine, kubectl: Kubectl, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, kubectl)
    yield site
    kubectl.attempt("delete", "namespace", SYSTEM, "--ignore-not-found", "--wait=true", "--timeout=60s")
    for name in NODES:
        kubectl.attempt("label", "node", name, "nodeprov.io/claimed-")
        kubectl.attempt("annotate", "node", name, "nodeprov.io/last-")
    for name in ("master", *NODES):
        Machine(name).try_run(
            "ctr -n k8s.io images rm $(ctr -n k8s.io images ls -q | grep ^localhost/nodeprov-[er])"
        )


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
