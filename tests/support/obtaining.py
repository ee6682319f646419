"""Releases of a server on loopback, obtained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.obtain import Release, obtain
from nodeprov.releases.pace import Limits, Progress
from nodeprov.releases.source import ReleaseSource
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.support.release_server import ReleaseServer, sha512

VERSION = "20260905.0"
OLD = "20260518.0"
FOLDER = f"/release/{VERSION}/x86_64/"
SHIM = "containerd-shim-runsc-v1"


def source_at(
    origin: ReleaseServer | str,
    cache: Path,
    on_progress: Progress = lambda *_: None,
    pins: Mapping[str, str] = MappingProxyType({}),
) -> ReleaseSource:
    base_url = origin if isinstance(origin, str) else origin.url
    return ReleaseSource(SOFTWARE, base_url, cache, on_progress, pins, Limits(backoff_seconds=0))


def get(
    origin: ReleaseServer | str,
    cache: Path,
    version: str = VERSION,
    architecture: str = "x86_64",
    pins: Mapping[str, str] | None = None,
) -> Release:
    return obtain(source_at(origin, cache, pins=pins or {}), version, architecture)


def refusal(
    origin: ReleaseServer | str,
    cache: Path,
    version: str = VERSION,
    architecture: str = "x86_64",
    pins: Mapping[str, str] | None = None,
) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        get(origin, cache, version, architecture, pins)
    assert caught.value.hint
    return caught.value


def contents(release: Release) -> dict[str, bytes]:
    paths = [path for path in release.folder.rglob("*") if path.is_file()]
    return {path.relative_to(release.folder).as_posix(): path.read_bytes() for path in paths}


def digest(server: ReleaseServer, name: str, version: str = VERSION) -> str:
    return sha512(server.files[f"/release/{version}/x86_64/{name}"])
