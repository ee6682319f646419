"""A file as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.plan.resources.file import FileAt
from nodeprov.plan.resources.link import LinkAt


@pytest.mark.parametrize("query", [FileAt, LinkAt])
def test_a_folder_is_neither_a_file_nor_a_link(
    host: LocalHost, tmp_path: Path, query: type[FileAt | LinkAt]
) -> None:
    with pytest.raises(NodeprovError, match=str(tmp_path)) as caught:
        host.ask([query(str(tmp_path))])
    assert caught.value.where == "worker1"
