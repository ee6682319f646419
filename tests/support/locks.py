"""A lock of a release that a server of tests publishes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nodeprov.hosts.openpgp import verified
from nodeprov.releases.lock import Lock
from nodeprov.releases.lock_text import from_text
from nodeprov.releases.locking import Evidence, make_lock
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.support.obtaining import VERSION, source_at
from tests.support.release_server import ReleaseServer
from tests.support.signing import suite_key

TODAY = "2026-11-28"
ORIGIN_ALONE = Evidence()
BOTH = ("aarch64", "x86_64")


def apt(keyring: Path | None = None) -> Evidence:
    """Have a suite asked, by a key that is trusted."""
    keys = keyring or suite_key().public
    return Evidence(verify=lambda message, at: verified(message, keys, where=at))


def made(
    server: ReleaseServer,
    cache: Path,
    version: str = VERSION,
    architectures: Sequence[str] = BOTH,
    evidence: Evidence = ORIGIN_ALONE,
    today: str = TODAY,
) -> Lock:
    return make_lock(source_at(server, cache), version, architectures, evidence, today)


def read(text: str) -> Lock:
    return from_text(text, SOFTWARE, where="nodeprov.lock")
