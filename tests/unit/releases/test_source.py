"""Where releases may come from, and what is no release, no architecture and no pin."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import UsageError
from tests.support.obtaining import OLD, SHIM, refusal
from tests.support.release_server import ReleaseServer


@pytest.mark.parametrize(
    "base_url",
    [
        "mirror.example.org",
        "ftp://mirror/x",
        "",
        "relative/path",
        "file://host/x",
        "https://[::1/x",
        "https://exa℀mple/",
    ],
)
def test_what_is_no_base_url_is_refused(cache: Path, base_url: str) -> None:
    assert isinstance(refusal(base_url, cache), UsageError)


def test_a_password_in_the_base_url_is_refused_and_not_shown(cache: Path) -> None:
    error = refusal("https://me:secret@mirror.example.org/gvisor", cache)
    assert isinstance(error, UsageError)
    assert ".netrc" in error.hint
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("release-20260905.0", "type 20260905.0"),
        ("v20260905.0", "type 20260905.0"),
        ("20260905.0/..", "type 20260905.0"),
        ("2026-09-05", "20260905.0"),
        ("newest", "20260905.0"),
        ("latest", "20260905.0"),
        ("", "20260905.0"),
        ("20260905.0\n", "type 20260905.0"),
    ],
)
def test_what_is_no_version_is_answered_with_what_to_type(
    server: ReleaseServer, cache: Path, version: str, hint: str
) -> None:
    error = refusal(server, cache, version)
    assert isinstance(error, UsageError)
    assert hint in error.hint
    assert server.requests == []


def test_an_architecture_of_docker_is_answered_with_what_to_type(server: ReleaseServer, cache: Path) -> None:
    error = refusal(server, cache, architecture="amd64")
    assert isinstance(error, UsageError)
    assert "x86_64" in error.hint


@pytest.mark.parametrize(
    ("pins", "hint"),
    [
        ({"runsc": "0" * 128}, f"pin {SHIM} too"),
        ({SHIM: "0" * 128}, "pin runsc too"),
        ({"gvisor.tar.xz": "0" * 128}, "pin gvisor.tar.zstd"),
        ({"gvisor.tar.zstd": "0" * 64}, "128"),
        ({"gvisor.tar.zstd": "A" * 128}, "lower-case"),
    ],
)
def test_pins_that_pin_no_release_are_refused(
    server: ReleaseServer, cache: Path, pins: dict[str, str], hint: str
) -> None:
    error = refusal(server, cache, OLD, pins=pins)
    assert isinstance(error, UsageError)
    assert hint in error.hint
