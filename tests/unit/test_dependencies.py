"""What nodeprov depends on: each by its digest, and, where that can be asked, without a known vulnerability."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

LOCK = Path(__file__).parents[2] / "requirements.lock"
PINNED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?P<digests>(?: \\\n {4}--hash=sha256:[0-9a-f]{64})+)$", re.M
)
URL = "https://pypi.org/pypi/{}/{}/json"
"""PyPI's own answer to which vulnerabilities a release has, which pip-audit asks too."""
PATIENCE_SECONDS = 5
AT_ONCE = 16


def pinned() -> list[tuple[str, str]]:
    return [(found["name"], found["version"]) for found in PINNED.finditer(LOCK.read_text())]


def test_every_requirement_is_pinned_by_its_digest() -> None:
    lines = LOCK.read_text().splitlines()
    begun = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(begun) == len(pinned()) > 20, "a requirement without a version or without a digest"


def test_what_is_installed_from_the_lock_file_must_have_these_digests() -> None:
    script = (LOCK.parent / "script" / "bootstrap").read_text()
    assert "--require-hashes" in script


def _vulnerabilities(release: tuple[str, str]) -> list[str]:
    """Name those of one release; raise RequestException where PyPI cannot be asked."""
    answer = requests.get(URL.format(*release), timeout=PATIENCE_SECONDS)
    answer.raise_for_status()
    return [
        f"{'=='.join(release)}: {each['id']}, mended in {each['fixed_in']}"
        for each in answer.json()["vulnerabilities"]
        if not each.get("withdrawn")
    ]


def test_no_requirement_has_a_known_vulnerability() -> None:
    """The first is asked alone: where there is only a mirror of PyPI's files, nobody can tell, which is said."""
    first, *others = pinned()
    try:
        found = _vulnerabilities(first)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some in pool.map(_vulnerabilities, others):
                found += some
    except (requests.RequestException, KeyError) as error:
        pytest.skip(f"not audited: PyPI does not tell vulnerabilities here ({error})")
    assert not found, "\n".join(found)
