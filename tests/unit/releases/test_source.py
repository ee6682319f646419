"""Where releases may come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import UsageError
from tests.support.obtaining import refusal


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
