"""Pods that install nodes from in the cluster, made by hand: their images, what they get, and what they leave."""

from __future__ import annotations

import contextlib
import json
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from nodeprov.in_cluster import engine_image, release_image
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import PodImages, engine_pod, pod_name
from nodeprov.in_cluster.result import NodeResult
from nodeprov.releases.container_image import Build, write_image
from tests.conftest import RUN
from tests.lab.machines import NAMESPACE, NEW, WORKER, Kubectl, Machine, eventually
from tests.lab.running import nodeprov, variant
from tests.support import parts

PROCESS = "python3 -m nodeprov.on_node"
MACHINE = platform.machine()


def image_file(reference: str, build: Build, path: Path) -> Path:
    """Write an image for this machine's architecture."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, path.open("wb") as target:
        write_image(reference, {MACHINE: build}, target, Path(scratch), lambda *_: None)
    return path


def engine_file() -> Path:
    """Write the engine's image, once for all processes of a run of the tests."""
    path = RUN / "engine.tar"
    with FileLock(RUN / "engine.lock"):
        if not path.exists():
            found = parts.engine_packages(MACHINE)
            image_file(engine_image.REFERENCE, engine_image.build(MACHINE, found), RUN / "engine.new")
            (RUN / "engine.new").rename(path)
    return path


@dataclass
class Pods:
    """The images on a node, and the configuration that pods there are given."""

    machine: Machine
    kubectl: Kubectl
    folder: Path
    release: str = ""
    runs: int = 0

    def bring(self, path: Path, name: str) -> str:
        """Import an image of this name; return its name by its digest, under which kubelet finds it too."""
        with path.open("rb") as file:
            said = self.machine.host.sh("ctr -n k8s.io images import -", stdin=file.read(), timeout_seconds=300)
        assert said.returncode == 0, said.said
        return self.named_by_digest(name)

    def named_by_digest(self, name: str) -> str:
        """Give an image that is there a name by its digest too."""
        digest = self.machine.run(f"ctr -n k8s.io images ls name=={name} | awk 'NR > 1 {{ print $3 }}'").strip()
        by_digest = f"{name.rpartition(':')[0]}@{digest}"
        self.machine.run(f"ctr -n k8s.io images tag --force {name} {by_digest}")
        return by_digest

    def configure(self, inventory: Path, lock: Path) -> None:
        """Write the ConfigMap."""
        value = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"nodeprov-{WORKER}"},
            "data": {"inventory.toml": inventory.read_text(), "nodeprov.lock": lock.read_text()},
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(value))

    def begin(self, action: str, images: PodImages, **changes: Any) -> str:
        """Make a pod; return its name."""
        self.runs += 1
        node = self.kubectl.json("get", "node", WORKER)
        info = node["status"]["nodeInfo"]
        asked = {"node_uid": node["metadata"]["uid"], "machine_id": info["machineID"], **changes}
        assignment = Assignment(f"test-{self.runs}", action, WORKER, **asked)
        manifest = engine_pod(
            assignment,
            images,
            prefix="/opt/nodeprov",
            deadline_seconds=300,
            namespace=NAMESPACE,
            config_map=f"nodeprov-{WORKER}",
        )
        manifest["metadata"]["labels"]["made-by"] = "tests"
        self.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
        return pod_name(assignment.run, WORKER)

    def result(self, name: str) -> tuple[NodeResult, int]:
        """Wait for its end; return what it has left, and how often it was started again."""
        with eventually(240) as more:
            while (status := self.kubectl.json("get", "pod", name)["status"])["phase"] not in (
                "Succeeded",
                "Failed",
            ):
                assert more(), f"{status}: {self.kubectl.attempt('describe', 'pod', name).text[-3000:]}"
        assert status["phase"] == "Succeeded", status
        [ended] = status["containerStatuses"]
        message = ended["state"]["terminated"]["message"]
        return NodeResult.from_json(message.encode()), ended["restartCount"]

    def run(self, action: str, images: PodImages, **changes: Any) -> NodeResult:
        """Make a pod, and wait for its end."""
        return self.result(self.begin(action, images, **changes))[0]

    def kill_when(self, there: str) -> None:
        """Kill the engine on the node as soon as something is there; `there` is a condition of the shell's."""
        script = f"""
for _ in $(seq 1200); do {there} && break; sleep 0.05; done
pkill -KILL -xf '{PROCESS}' || echo nobody"""
        assert "nobody" not in self.machine.run(script)


@contextlib.contextmanager
def pods_on(machine: Machine, kubectl: Kubectl, folder: Path) -> Iterator[tuple[Pods, PodImages]]:
    """Have the images on a node, and an inventory with its lock for its pods; nothing stays of it."""
    inventory = variant(folder, release__version=f'"{NEW}"', paths__bin='"/usr/local/bin"')
    assert nodeprov("lock", inventory=inventory).returncode == 0
    release = folder / "release.tar"
    made = nodeprov("image", str(release), "--release", NEW, "--architecture", MACHINE, inventory=inventory)
    assert made.returncode == 0, made.stderr
    pods = Pods(machine, kubectl, folder)
    pods.configure(inventory, folder / "nodeprov.lock")
    try:
        yield (
            pods,
            PodImages(
                pods.bring(engine_file(), engine_image.REFERENCE),
                pods.bring(release, release_image.reference(NEW)),
            ),
        )
    finally:
        kubectl("delete", "configmap", f"nodeprov-{WORKER}", "--ignore-not-found")
        machine.try_run("ctr -n k8s.io images rm $(ctr -n k8s.io images ls -q | grep ^localhost/nodeprov-[er])")
