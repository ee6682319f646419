"""A server of releases, and a cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.obtaining import OLD, VERSION
from tests.support.release_server import ReleaseServer, archived, loose, serving


@pytest.fixture(autouse=True)
def _direct(no_proxy: None) -> None:
    """Every server here is on this machine."""


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        server.publish(VERSION, archived(VERSION))
        server.publish(VERSION, archived(VERSION, "aarch64"), "aarch64")
        server.publish(OLD, loose(OLD))
        server.publish("latest", archived(VERSION))
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
