"""Where releases come from, and how they are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nodeprov.errors import UsageError
from nodeprov.releases.cache import CacheFolder
from nodeprov.releases.pace import USUAL, Limits
from nodeprov.releases.software import Software

if TYPE_CHECKING:
    from nodeprov.releases.download import Progress
    from nodeprov.releases.origin import Origin


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """Where releases are published, and where they are kept on this machine.

    Args:
        software: what is released.
        base_url: where they are published, or a mirror, or a folder as an absolute path or file:// URL, with
            `release/VERSION/ARCHITECTURE/` below it.
        cache: a folder of this machine; it is made.
        on_progress: called often, with what is being done to which file, the bytes done, and of how many.
        pins: SHA-512 digests in hex by artifact, a file of the release; empty to trust the origin's own sums.
        limits: how slow the origin may be, and how large its files.
    """

    software: Software
    base_url: str
    cache: Path
    on_progress: Progress
    pins: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = USUAL

    def folder(self, version: str, architecture: str) -> CacheFolder:
        """Find where a release is kept; raise UsageError if `base_url` is no address."""
        return CacheFolder.of(self.cache, normal_base_url(self.base_url), version, architecture)

    def connect(self) -> Origin:
        """Begin to ask the origin: from now on its time runs."""
        from nodeprov.releases.origin import Origin  # brings requests: 150 ms that a run without network saves

        return Origin(normal_base_url(self.base_url), self.limits)


def normal_base_url(base_url: str) -> str:
    """Bring a base URL into one form; a folder of this machine becomes file://.

    Raises:
        UsageError: it is neither an address nor an absolute path, or has a password, which messages would show.
    """
    base_url = base_url.rstrip("/")
    if base_url.startswith("/"):
        return Path(base_url).as_uri()
    try:
        place = urlsplit(base_url).netloc
    except ValueError as error:
        raise UsageError(
            f"base_url {base_url!r} is no address: {error}", "write it as a browser shows it"
        ) from None
    if "@" in place:
        raise UsageError("base_url has a user or password in it", "put them into ~/.netrc, for its host")
    if re.match(r"(https?://[^/]|file:///)", base_url):
        return base_url
    raise UsageError(f"base_url {base_url!r} is no address", "begin it with https://, http://, file:/// or /")
