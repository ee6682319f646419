"""What nodes of the lab have printed."""

from __future__ import annotations

from nodeprov.node.daemon import Daemon
from nodeprov.node.facts import parse_facts
from tests.support.samples import recorded

FRESH = recorded("fresh")
RUNTIME_TABLE_1X = """\
TYPE                                  ID                       PLATFORMS      STATUS
io.containerd.content.v1              content                  -              ok
io.containerd.snapshotter.v1          btrfs                    linux/amd64    skip
io.containerd.grpc.v1                 introspection            -              ok
io.containerd.grpc.v1                 cri                      linux/amd64    error
"""


def daemon_of(text: str) -> Daemon:
    daemon = parse_facts("worker2", text).daemon
    assert daemon is not None
    return daemon
