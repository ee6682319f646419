from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases.second_origin import witness_address
from tests.support.obtaining import VERSION, digest, source_at
from tests.support.release_server import ReleaseServer, serving

ARTIFACT = "gvisor.tar.zstd"


@pytest.fixture
def other() -> Iterator[ReleaseServer]:
    with serving() as server:
        yield server


def address(server: ReleaseServer, url: str, cache: Path) -> str:
    return witness_address(source_at(server, cache), url, VERSION, "x86_64", ARTIFACT, digest(server, ARTIFACT))


def test_a_mirror_has_the_same_folders(server: ReleaseServer, other: ReleaseServer, cache: Path) -> None:
    other.files.update(server.files)
    assert address(server, other.url, cache) == f"{other.url}/release/{VERSION}/x86_64/{ARTIFACT}.sha512"


@pytest.mark.parametrize("line", ["{}  gvisor-x86_64.tar.zstd\n", "{} *gvisor-x86_64.tar.zstd\n"])
def test_a_tagged_release_has_a_list_of_sums(
    server: ReleaseServer, other: ReleaseServer, cache: Path, line: str
) -> None:
    text = f"{'0' * 128}  gvisor-aarch64.tar.zstd\n" + line.format(digest(server, ARTIFACT))
    other.files[f"/download/release-{VERSION}/SHA512SUMS"] = text.encode()
    found = address(server, f"{other.url}/download/release-{{release}}", cache)
    assert found == f"{other.url}/download/release-{VERSION}/SHA512SUMS"


def test_a_witness_that_contradicts_is_named_with_both_digests(
    server: ReleaseServer, other: ReleaseServer, cache: Path
) -> None:
    other.files["/SHA512SUMS"] = f"{'0' * 128}  gvisor-x86_64.tar.zstd\n".encode()
    with pytest.raises(NodeprovError) as caught:
        address(server, other.url, cache)
    assert "0" * 128 in caught.value.message
    assert digest(server, ARTIFACT) in caught.value.message
    assert caught.value.where == f"{other.url}/SHA512SUMS"


def test_a_witness_that_says_nothing_is_none(server: ReleaseServer, other: ReleaseServer, cache: Path) -> None:
    with pytest.raises(NodeprovError, match=r"has nothing about gvisor\.tar\.zstd for x86_64"):
        address(server, other.url, cache)


def test_the_origin_is_no_second_one(server: ReleaseServer, cache: Path) -> None:
    with pytest.raises(UsageError, match="the origin itself"):
        address(server, f"{server.url}/", cache)
