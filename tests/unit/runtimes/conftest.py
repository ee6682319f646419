"""A release."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.releases.obtain import Release
from tests.support.samples import release


@pytest.fixture
def made(tmp_path: Path) -> Release:
    return release(tmp_path)
