"""A bundle is pushed to a registry of others' making, on this machine; no node is needed."""

from __future__ import annotations

import re
import subprocess  # noqa: TID251  a server that is ended by its number
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support import parts
from tests.support.bundles import bundled_folder, entries, wheel
from tests.support.command_line import INVENTORY, at_home, said
from tests.support.obtaining import VERSION
from tests.support.release_server import archived, serving


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The place of a registry that has nothing yet."""
    log = tmp_path / "registry.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [parts.registry(), "-port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        while not (found := re.search(r"serving on port (\d+)", log.read_text())):
            assert server.poll() is None, log.read_text()
        yield f"127.0.0.1:{found[1]}"
    finally:
        server.kill()
        server.wait()


def test_a_bundle_is_pushed_to_a_registry_and_can_be_pulled_by_its_tags(registry: str, tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    wheel(tmp_path / "wheels")
    with serving() as server:
        for architecture in ("x86_64", "aarch64"):
            server.publish(VERSION, archived(VERSION, architecture), architecture)
        bundle = bundled_folder(tmp_path, server, "--wheels", "wheels")
    for counted in ("11 blobs were sent, 0 were there already", "0 blobs were sent, 11 were there already"):
        output = at_home(tmp_path, "push", "bundle.tar", f"{registry}/mirror/gvisor", "--plain-http")
        assert output.returncode == 0, said(output)
        assert counted in said(output)
    files = entries(bundle)
    at = f"http://{registry}/v2/mirror/gvisor"
    index = requests.get(f"{at}/manifests/bundle-{VERSION}", timeout=10)
    assert index.content == files["index.json"]
    assert requests.get(f"{at}/manifests/{VERSION}", timeout=10).ok
    for name, content in files.items():
        if name.startswith("blobs/") and not content.startswith(b'{"'):
            digest = name.rpartition("/")[2]
            assert requests.get(f"{at}/blobs/sha256:{digest}", timeout=10).content == content
