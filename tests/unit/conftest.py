"""What unit tests of several packages share."""

from __future__ import annotations

import pytest

from nodeprov.hosts.local import LocalHost


@pytest.fixture
def host() -> LocalHost:
    """This machine, under the name of a node."""
    return LocalHost("worker1")
