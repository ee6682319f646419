"""An inventory, and a server of releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import INVENTORY
from tests.support.obtaining import VERSION
from tests.support.release_server import ReleaseServer, archived, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an inventory whose nodes cannot be reached."""
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    return tmp_path


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        for name in (VERSION, "latest"):
            server.publish(name, archived(VERSION))
        yield server
