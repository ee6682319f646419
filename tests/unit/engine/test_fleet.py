"""What nodes of one run share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodeprov.engine.fleet import Session
from nodeprov.inventory import ReleaseSettings, parse
from nodeprov.releases.obtain import Release
from tests.support.samples import release

TEXT = """
[release]
version = "20260905.0"
[nodes.a]
[nodes.b.release.sha512.x86_64]
"gvisor.tar.zstd" = "{pin}"
[nodes.c]
"""


def test_a_release_is_shared_by_those_who_expect_the_same_digests_of_it(tmp_path: Path) -> None:
    asked: list[Any] = []

    def obtain(wanted: ReleaseSettings, _architecture: str) -> Release:
        asked.append(dict(wanted.sha512))
        return release(tmp_path)

    nodes = parse(TEXT.format(pin="ab" * 64), "i.toml").nodes
    session = Session(nodes, None, obtain)  # type: ignore[arg-type]  # nobody is asked anything
    for node in nodes:
        session._release(node, "x86_64")
    assert asked == [{}, {"x86_64": {"gvisor.tar.zstd": "ab" * 64}}]
