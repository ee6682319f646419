"""A pod's engine as a test starts it: its folders, and the node that is played around it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess  # noqa: TID251  the program in a pod, as kubelet starts it
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.result import NodeResult
from nodeprov.on_node.__main__ import Places, main
from nodeprov.releases.lock import Lock, LockedBuild, LockedFile
from nodeprov.releases.lock_text import to_text
from nodeprov.runtimes import SOFTWARE
from tests.support.played_node import HOME, INVENTORY, PlayedNode

MACHINE_ID = "f" * 32
ASKED = Assignment(run="r1", action="install", node="worker1", node_uid="u-1", machine_id="")
FILES = {"runsc": b"#!/bin/sh\n", "containerd-shim-runsc-v1": b"#!/bin/sh\n shim"}


def locked_file(content: bytes) -> LockedFile:
    return LockedFile(len(content), hashlib.sha512(content).hexdigest())


def lock_of(files: dict[str, bytes], version: str = "20260905.0") -> Lock:
    """A lock of files that are published one by one."""
    members = {name: locked_file(content) for name, content in files.items()}
    layout = next(each for each in SOFTWARE.layouts if each.name == "archive")
    build = LockedBuild("archive", {name: locked_file(b"packed") for name in layout.artifacts}, members)
    return Lock(SOFTWARE.name, version, "https://example.com/releases", {"x86_64": build})


PROGRAM = """
import json, sys
from pathlib import Path
from nodeprov.on_node.__main__ import Places, main
config, releases, message, *enter = sys.argv[1:]
main(json.load(sys.stdin), Places(Path(config), Path(releases), Path(message), enter))
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
"""What kubelet starts, with other places than a pod has; it prints what it has loaded."""


@dataclass(frozen=True)
class PlayedPod:
    """The folders of a pod on a played node, as `places` has them; and the node."""

    node: PlayedNode
    places: Places

    def bring(self, files: dict[str, bytes], run: str = "r1") -> Path:
        """Do what the first container does."""
        folder = self.places.releases / f".incoming-{run}"
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder

    def run(self, asked: Assignment = ASKED, **environment: str) -> NodeResult:
        """Run the second container to its end; return what it leaves."""
        self.places.message.write_bytes(b"")
        assert main({**asked.environment, **environment}, self.places) == 0
        return self.left()

    def started(self, asked: Assignment = ASKED) -> subprocess.Popen[str]:
        """Start it as a program of its own, which can be killed."""
        places = self.places
        folders = map(str, (places.config, places.releases, places.message))
        command = [sys.executable, "-c", PROGRAM, *folders, *places.enter]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked.environment))
        process.stdin.close()
        return process

    def left(self) -> NodeResult:
        """Read what it has left."""
        return NodeResult.from_json(self.places.message.read_bytes())

    def asked(self, action: str) -> Assignment:
        return replace(ASKED, action=action)


@contextmanager
def played_pod(node: PlayedNode, folder: Path) -> Iterator[PlayedPod]:
    """Have a pod on a played node, with the inventory and the lock of a release; nothing is brought yet."""
    config, message = folder / "config", folder / "message"
    config.mkdir()
    (config / "inventory.toml").write_text(INVENTORY)
    (config / "nodeprov.lock").write_text(to_text(lock_of(FILES)))
    node.said(f"mkdir -p {HOME}/opt/releases")
    [target] = [each.partition("=")[2] for each in node.enter if each.startswith("--target=")]
    releases = Path(f"/proc/{target}/root{HOME}/opt/releases")
    yield PlayedPod(node, Places(config, releases, message, node.enter))
