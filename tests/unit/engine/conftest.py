"""Two releases, and a node on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.engine.fleet import Fleet
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import parse
from nodeprov.releases.obtain import Release
from tests.support.played_node import INVENTORY, PlayedNode, played_node
from tests.support.samples import release


@pytest.fixture
def old(tmp_path: Path) -> Release:
    return release(tmp_path, "20260518.0", b"\x7fELF old")


@pytest.fixture
def new(tmp_path: Path) -> Release:
    return release(tmp_path, "20260905.0", b"\x7fELF new")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PlayedNode]:
    with played_node(tmp_path) as node:
        yield node


@pytest.fixture
def fleet(node: PlayedNode, tmp_path: Path) -> Iterator[Fleet]:
    nodes = parse(INVENTORY, "nodeprov.toml").nodes
    with LocalNode("worker1", enter=node.enter) as hosts:
        yield Fleet(
            nodes, hosts, lambda _software, _wanted, _architecture: release(tmp_path, content=b"#!/bin/sh\n")
        )
