"""A link as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.plan.resources.file import FileAt
from nodeprov.plan.resources.folder import PresentAt
from nodeprov.plan.resources.link import LinkAt
from nodeprov.states import LinkState, PresentState


def test_a_dangling_link_is_no_absent_file_and_is_there(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("nowhere")
    with pytest.raises(NodeprovError, match="not a regular file"):
        host.ask([FileAt(f"{tmp_path}/l")])
    assert host.ask([PresentAt(f"{tmp_path}/l"), LinkAt(f"{tmp_path}/l")]) == [
        PresentState(),
        LinkState("nowhere"),
    ]
