"""What gVisor publishes for one release: which files, in which layout, with which digests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.releases.programs import MACHINES, REQUIRED, beginning

if TYPE_CHECKING:
    from nodeprov.releases.origin import Denied, Origin

LATEST = "latest"

_VERSION = re.compile(r"\d{8}(\.\d+)?")
_DIGEST = re.compile(r"[0-9a-f]{128}")
_RELEASES_HINT = "https://github.com/google/gvisor/releases lists the releases, but not all are published"


@dataclass(frozen=True, slots=True)
class Layout:
    """One form in which a release may be published: an archive, or loose programs."""

    name: str
    artifacts: tuple[str, ...]


# In the order of preference: zstd is a fifth smaller than bz2, and ten times faster; the loose files beside an
# archive lack gvisor-bin/, which that release needs (https://github.com/google/gvisor/issues/13718).
LAYOUTS = (
    Layout("archive", ("gvisor.tar.zstd",)),
    Layout("archive", ("gvisor.tar.bz2",)),
    Layout("loose", REQUIRED),
)


@dataclass(frozen=True, slots=True)
class Published:
    """A release as an origin publishes it: the folder there, and each artifact's SHA-512 digest in hex."""

    path: str
    layout: str
    sha512: Mapping[str, str]


def check_version(version: str) -> None:
    """Refuse what is no release's date, with or without its number (https://gvisor.dev/docs/user_guide/install).

    Raises:
        UsageError: with what to type instead.
    """
    if _VERSION.fullmatch(version):
        return
    meant = _VERSION.search(version)
    hint = f"type {meant[0]}" if meant else "type it as 20260905.0, or as 20260905 for the newest of that day"
    raise UsageError(f"{version!r} is no release of gVisor", hint)


def check_architecture(architecture: str) -> None:
    """Refuse what upstream has no folder for; it names them as `uname -m` does (gvisor#12167)."""
    if architecture not in MACHINES:
        raise UsageError(f"gVisor is not published for {architecture!r}", f"use {' or '.join(MACHINES)}")


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


def allowed_layouts(pins: Mapping[str, str]) -> tuple[Layout, ...]:
    """Name the layouts that may be used: with pins only those that are pinned whole, for the rest proves nothing.

    Raises:
        UsageError: a pin is no digest, or no layout is pinned whole.
    """
    for artifact, digest in pins.items():
        if not _DIGEST.fullmatch(digest):
            raise UsageError(f"the pin of {artifact} is no sha512 digest", "write 128 lower-case hex digits")
    layouts = tuple(layout for layout in LAYOUTS if not pins or pins.keys() >= set(layout.artifacts))
    if layouts:
        return layouts
    half = [name for name in REQUIRED if name not in pins] if pins.keys() & set(REQUIRED) else []
    hint = f"pin {half[0]} too" if half else "pin gvisor.tar.zstd, gvisor.tar.bz2, or " + " and ".join(REQUIRED)
    raise UsageError(f"the pins ({', '.join(sorted(pins))}) cover no release whole", hint)


def pin_conflict(sha512: Mapping[str, str], pins: Mapping[str, str]) -> str:
    """Say which artifact has another digest than is pinned; nothing if none. Pins of others do not matter."""
    for artifact, digest in sha512.items():
        if pins.get(artifact, digest) != digest:
            return f"{artifact} has the sha512 {digest}, and is pinned to {pins[artifact]}"
    return ""


def find(origin: Origin, version: str, architecture: str, pins: Mapping[str, str]) -> Published:
    """Look which of the layouts an origin has, by asking for their sums.

    Args:
        origin: where to look.
        version: a release, or "latest".
        architecture: as `uname -m` prints it.
        pins: digests by artifact; with any, only what is pinned is looked for, and must have that digest.

    Raises:
        NodeprovError: none is there; a sum is malformed, or not the pinned one; the origin fails.
        UsageError: the pins cover no layout.
    """
    path = f"release/{version}/{architecture}"
    layouts = allowed_layouts(pins)
    denied: list[Denied] = []
    for layout in layouts:
        sha512 = _sums(origin, path, layout, denied)
        if sha512:
            if conflict := pin_conflict(sha512, pins):
                hint = "use another base_url; or, if you trust the new one, correct the pin"
                raise NodeprovError(f"the origin has changed: {conflict}", hint, where=origin.url(path))
            return Published(path, layout.name, sha512)
    if denied:
        raise denied[0]
    tried = ", ".join(layout.artifacts[0] for layout in layouts)
    number = "" if "." in version or version == LATEST else f"try {version}.0; "
    raise NodeprovError(
        f"there is no gVisor {version} for {architecture}: 404 for {tried}",
        f"{number}look at the version and base_url: {_RELEASES_HINT}",
        where=origin.url(path),
    )


def is_same(origin: Origin, published: Published, version: str, architecture: str) -> bool:
    """Look whether an origin publishes the very same artifacts under another version."""
    path = f"release/{version}/{architecture}"
    return all(_digest(origin, path, artifact) == digest for artifact, digest in published.sha512.items())


def _sums(origin: Origin, path: str, layout: Layout, denied: list[Denied]) -> dict[str, str]:
    """Fetch the digests of a layout's artifacts; none at all if the origin does not have the first."""
    from nodeprov.releases.origin import Denied  # requests: see releases.py

    found: dict[str, str] = {}
    for artifact in layout.artifacts:
        try:
            digest = _digest(origin, path, artifact)
        except Denied as error:  # what a bucket that may not be listed answers for what it does not have
            denied.append(error)
            return {}
        if digest is not None:
            found[artifact] = digest
        elif found:
            raise NodeprovError(f"the release has no {artifact}", _RELEASES_HINT, where=origin.url(path))
        else:
            return {}
    return found


def _digest(origin: Origin, path: str, artifact: str) -> str | None:
    text = origin.text(f"{path}/{artifact}.sha512")
    return None if text is None else parse_sum(text, artifact, where=origin.url(f"{path}/{artifact}.sha512"))


def parse_sum(text: str, artifact: str, *, where: str) -> str:
    """Read the digest out of a line of `sha512sum`, which must be about that artifact.

    Raises:
        NodeprovError: it is no such line, or names another file.
    """
    match = re.fullmatch(r"([0-9a-f]{128}) [ *]([^\n]+)\n?", text)
    if match is None:
        hint = "is it a proxy's or a portal's page? open the address and look"
        raise NodeprovError(f"this is no line of sha512sum ({beginning(text.encode())})", hint, where=where)
    if match[2] != artifact:
        raise NodeprovError(f"the sum is that of {match[2]!r}", "look at base_url", where=where)
    return match[1]
