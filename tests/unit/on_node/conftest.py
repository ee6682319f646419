"""What the tests of a pod's engine start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.played_node import PlayedNode, played_node
from tests.support.pods import PlayedPod, played_pod


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PlayedNode]:
    with played_node(tmp_path) as node:
        yield node


@pytest.fixture
def pod(node: PlayedNode, tmp_path: Path) -> Iterator[PlayedPod]:
    with played_pod(node, tmp_path) as pod:
        yield pod
