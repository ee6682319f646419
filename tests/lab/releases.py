"""Releases as tests of the lab have them: wanted, locked and signed, carried over, gone back from, under load."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.machines import ADMIN, CLASS, CURRENT, IMAGE, Machine
from tests.lab.running import nodeprov, variant
from tests.support.signing import allowed, ssh_key

MIRROR = "http://10.123.0.1:8080"
SIGNER = "ann"


def of_release(folder: Path, version: str, **more: str) -> Path:
    """Write the lab's inventory with a release."""
    return variant(folder, release__version=f'"{version}"', **more)


def inventory_with_trust(folder: Path, version: str, **more: str) -> Path:
    """Trust the lab's key for its suites, and Ann for locks, bundles and plans."""
    with urllib.request.urlopen(f"{MIRROR}/archive.key") as answer:
        (folder / "archive.key").write_bytes(answer.read())
    allowed(folder, SIGNER)
    return of_release(
        folder, version, trust__apt_keyring='"archive.key"', trust__allowed_signers='"allowed_signers"', **more
    )


def signed(path: Path, inventory: Path) -> None:
    """Have Ann sign a lock, a bundle or a plan."""
    ended = nodeprov("sign", str(path), "--key", str(ssh_key(SIGNER)), inventory=inventory)
    assert ended.returncode == 0, ended.stderr


@dataclass(frozen=True)
class Carried:
    """A release that was locked with apt's evidence, signed, and packed into a signed bundle."""

    inventory: Path
    bundle: Path

    @classmethod
    def of(cls, folder: Path, version: str) -> Carried:
        """Lock, sign and pack a release of the lab's mirror, in a folder of its own; it may have a canary."""
        folder.mkdir()
        inventory = inventory_with_trust(folder, version, cluster__kubeconfig=f'"{ADMIN}"')
        bundle = folder / "bundle.tar"
        for command in (("lock", "--require", "apt"), ("bundle", str(bundle), "--no-wheels")):
            ended = nodeprov(*command, inventory=inventory)
            assert ended.returncode == 0, ended.stderr
            signed(folder / "nodeprov.lock" if command[0] == "lock" else bundle, inventory)
        return cls(inventory, bundle)


def cut_off(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let no origin be reached from now on, and nothing be in the cache."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody is there
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NODEPROV_CACHE", str(folder / "cache"))


def in_force(machine: Machine) -> str:
    """Ask the runsc in force which it is."""
    return machine.run(f"{CURRENT}/runsc --version")


def rolled_back(node: str, *arguments: str, inventory: Path) -> float:
    """Go back; return the seconds that the node took, by its own clock."""
    ended = nodeprov("rollback", node, "--yes", "--json", *arguments, inventory=inventory)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (outcome,) = json.loads(ended.stdout)["outcomes"]
    return float(outcome["node_seconds"])


def storm(node: str, pods: int) -> str:
    """Write a job that starts so many sandboxes on a node, one after the other in four rows; none may fail."""
    return f"""
apiVersion: batch/v1
kind: Job
metadata:
  name: storm
spec:
  completions: {pods}
  parallelism: 4
  backoffLimit: 0
  template:
    spec:
      nodeName: {node}
      runtimeClassName: {CLASS}
      restartPolicy: Never
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      containers:
        - name: short
          image: {IMAGE}
          imagePullPolicy: Never
          command: [sh, -c, "grep -i gvisor /proc/version"]
"""
