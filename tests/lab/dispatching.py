"""What the dispatcher is run with on real nodes: an inventory that chooses both workers, and the images on all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nodeprov.in_cluster import engine_image, release_image
from tests.lab.machines import ADMIN, CLASS, LABEL, NEW, OLD, OTHER, WORKER, Kubectl, Machine
from tests.lab.pods import MACHINE, Pods, engine_file
from tests.lab.running import Ended, Started, nodeprov, started, variant

NODES = tuple(sorted((WORKER, OTHER)))
SYSTEM = "nodeprov-system"


class Site:
    """An inventory for both workers, its lock, and the images on all nodes."""

    def __init__(self, folder: Path, kubectl: Kubectl) -> None:
        self.kubectl, self.folder = kubectl, folder
        self.inventory = self._locked(NEW)
        engine = self._brought(engine_file(), engine_image.REFERENCE)
        self.images = ("--engine-image", engine, "--release-image", self._release(NEW, self.inventory))

    def older_release(self) -> str:
        """Bring an image of another release than the inventory's."""
        return self._release(OLD, self._locked(OLD, self.folder / OLD))

    def command(self, *arguments: str) -> Ended:
        """Run a command of `nodeprov cluster`."""
        return nodeprov("cluster", *arguments, inventory=self.inventory)

    def started(self, *arguments: str) -> Started:
        """Start such a command, to have something happen meanwhile."""
        return started("cluster", *arguments, inventory=self.inventory)

    def _locked(self, version: str, folder: Path | None = None) -> Path:
        folder = folder or self.folder
        folder.mkdir(exist_ok=True)
        inventory = variant(
            folder,
            cluster__select=f'"kubernetes.io/hostname in ({",".join(NODES)})"',
            runtime_class__name=f'"{CLASS}"',
            label__key=f'"{LABEL}"',
            cluster__kubeconfig=f'"{ADMIN}"',
            release__version=f'"{version}"',
            rollout__max_unavailable='"2"',
            proof__steady_seconds="1",
        )
        locked = nodeprov("lock", inventory=inventory)
        assert locked.returncode == 0, locked.stderr
        return inventory

    def _release(self, version: str, inventory: Path) -> str:
        file = inventory.parent / "release.tar"
        made = nodeprov("image", str(file), "--release", version, "--architecture", MACHINE, inventory=inventory)
        assert made.returncode == 0, made.stderr
        return self._brought(file, release_image.reference(version))

    def _brought(self, file: Path, reference: str) -> str:
        """Bring an image to all nodes; return its name, which is the same on all."""
        [name] = {
            Pods(Machine(each), self.kubectl, self.folder).bring(file, reference) for each in ("master", *NODES)
        }
        return name

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
