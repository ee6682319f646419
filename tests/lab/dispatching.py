"""What the dispatcher is run with on real nodes: an inventory that chooses both workers, and the images on all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nodeprov.in_cluster import engine_image, release_image
from tests.lab.machines import ADMIN, CLASS, LABEL, NEW, OTHER, WORKER, Kubectl, Machine
from tests.lab.pods import MACHINE, Pods, engine_file
from tests.lab.running import Ended, nodeprov, variant

NODES = tuple(sorted((WORKER, OTHER)))
SYSTEM = "nodeprov-system"


class Site:
    """An inventory for both workers, its lock, and the images on all nodes."""

    def __init__(self, folder: Path, kubectl: Kubectl) -> None:
        self.kubectl = kubectl
        self.inventory = variant(
            folder,
            cluster__select=f'"kubernetes.io/hostname in ({",".join(NODES)})"',
            runtime_class__name=f'"{CLASS}"',
            label__key=f'"{LABEL}"',
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


@contextlib.contextmanager
def site_in(kubectl: Kubectl, folder: Path) -> Iterator[Site]:
    """Have the images on all nodes; nothing stays of them in the cluster."""
    try:
        yield Site(folder, kubectl)
    finally:
        forget(kubectl)


def forget(kubectl: Kubectl) -> None:
    """Take out of the cluster what the dispatcher has there, and the images off the nodes."""
    kubectl.attempt("delete", "namespace", SYSTEM, "--ignore-not-found", "--wait=true", "--timeout=60s")
    for name in NODES:
        kubectl.attempt("label", "node", name, "nodeprov.io/claimed-")
        kubectl.attempt("annotate", "node", name, "nodeprov.io/last-")
    for name in ("master", *NODES):
        Machine(name).try_run(
            "ctr -n k8s.io images rm $(ctr -n k8s.io images ls -q | grep ^localhost/nodeprov-[er])"
        )
