"""Two releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.releases.obtain import Release
from tests.support.samples import release


@pytest.fixture
def old(tmp_path: Path) -> Release:
    return release(tmp_path, "20260518.0", b"\x7fELF old")


@pytest.fixture
def new(tmp_path: Path) -> Release:
    return release(tmp_path, "20260905.0", b"\x7fELF new")
