"""What all tests share: the lab, brought up once for those that need it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from nodeprov.hosts.local import run_program


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """The embedded lab, up; it is taken down at the end if it was these tests that brought it up."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("the lab needs systemd-nspawn (apt-get install systemd-container)")
    nodeprov = [sys.executable, "-m", "nodeprov"]
    was_up = run_program([*nodeprov, "lab", "status"]).returncode == 0
    up = run_program([*nodeprov, "lab", "up"], timeout_seconds=3600)
    assert up.returncode == 0, up.said
    yield
    if not was_up:
        run_program([*nodeprov, "lab", "down"], timeout_seconds=120)
