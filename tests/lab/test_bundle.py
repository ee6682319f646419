"""A bundle of the mirror's release: a node is installed from it alone, and its containerd imports the images."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.machines import NEW, WORKER, Machine
from tests.lab.releases import cut_off
from tests.lab.running import installed, nodeprov, refused, variant
from tests.support.bundles import bundled_folder
from tests.support.command_line import INVENTORY
from tests.support.obtaining import VERSION
from tests.support.release_server import archived, serving


def test_a_node_is_installed_from_a_bundle_without_the_origin(
    worker: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory, bundle = variant(tmp_path, release__version=f'"{NEW}"'), tmp_path / "bundle.tar"
    assert nodeprov("lock", inventory=inventory).returncode == 0
    ended = nodeprov("bundle", str(bundle), "--no-wheels", inventory=inventory)
    assert ended.returncode == 0, ended.stderr
    (tmp_path / "nodeprov.lock").unlink()

    cut_off(monkeypatch, tmp_path)
    listing, content = worker.listing(), bundle.read_bytes()
    middle = len(content) // 2
    bundle.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    ended = nodeprov("install", WORKER, "--from", str(bundle), "--yes", inventory=inventory)
    refused(ended, "has the sha256", exit_code=2)
    assert worker.listing() == listing
    bundle.write_bytes(content)
    installed(WORKER, "--from", str(bundle), inventory=inventory)
    again = nodeprov("plan", WORKER, "--from", str(bundle), inventory=inventory)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)


def test_the_nodes_containerd_imports_the_images_for_both_architectures(worker: Machine, tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    with serving() as server:
        for architecture in ("x86_64", "aarch64"):
            server.publish(VERSION, archived(VERSION, architecture), architecture)
        bundle = bundled_folder(tmp_path, server)
    ctr = "ctr --namespace bundle-test"
    try:
        for options in ("", "--all-platforms", "--local"):
            worker.host.sh(f"{ctr} image import {options} -", stdin=bundle.read_bytes())
            listed = worker.run(f"{ctr} image ls")
            for name in (f"localhost/gvisor:{VERSION}", "localhost/nodeprov-test-pod:"):
                [line] = [line for line in listed.splitlines() if line.startswith(name)]
                assert "linux/amd64,linux/arm64" in line
            assert len(listed.splitlines()) == 3
            worker.run(f"{ctr} image rm --sync $({ctr} image ls --quiet)")
    finally:
        worker.try_run("ctr namespace rm bundle-test")
