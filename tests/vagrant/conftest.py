from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.local_files import cache_folder
from nodeprov_lab.vagrant import libvirt
from tests.conftest import say_at_the_end
from tests.vagrant.guests import INVENTORY, NEW, OLD, PROVIDER, Guest, Kubectl, done, nodeprov, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """The lab of virtual machines, up; nothing of it is left at the end."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    seconds = {}
    was_up = nodeprov("lab", "status", *PROVIDER).returncode == 0
    box = "with a box of before" if any((cache_folder() / "lab").glob("box-*")) else "and the box made"
    began = time.monotonic()
    try:
        done(nodeprov("lab", "up", *PROVIDER, "--build-box"))
        seconds[f"lab up --provider vagrant, {box}"] = time.monotonic() - began
        yield
    finally:
        if not was_up:
            began = time.monotonic()
            done(nodeprov("lab", "down", *PROVIDER))
            seconds["lab down"] = time.monotonic() - began
            assert not libvirt.answers() or libvirt.look_for_leftovers().nothing
            assert not libvirt.RUN.exists()
        say_at_the_end("virtual machines", [f"{value:8.1f} s  {name}" for name, value in seconds.items()])


@pytest.fixture(scope="session")
def kubectl(cluster: None) -> Kubectl:
    return Kubectl()


@pytest.fixture(scope="session")
def worker(cluster: None) -> Guest:
    return Guest("worker1")


@pytest.fixture(scope="session")
def other(cluster: None) -> Guest:
    return Guest("worker2")


@pytest.fixture(scope="session")
def older(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's inventory, asking for a release of before September 2026, whose files lie side by side."""
    path = tmp_path_factory.mktemp("inventory") / "older.toml"
    path.write_text(INVENTORY.read_text().replace(NEW, OLD))
    return path
