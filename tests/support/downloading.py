"""A file of a server on loopback, downloaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.download import download
from nodeprov.releases.origin import Origin
from nodeprov.releases.pace import Limits
from tests.support.release_server import ReleaseServer, sha512

CONTENT = hashlib.shake_256(b"gvisor").digest(1 << 20)
PATH = "/release/file"


def fetch(server: ReleaseServer, folder: Path, *, content: bytes = CONTENT) -> bytes:
    with Origin(server.url, Limits(backoff_seconds=0)) as origin:
        target = folder / "file"
        download(origin, PATH[1:], target, sha512=sha512(content), on_progress=lambda *_: None)
    assert [path.name for path in folder.iterdir()] == ["file"]
    return target.read_bytes()


def refusal(server: ReleaseServer, folder: Path, *, content: bytes = CONTENT) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        fetch(server, folder, content=content)
    assert caught.value.hint
    assert server.url in str(caught.value)
    return caught.value
