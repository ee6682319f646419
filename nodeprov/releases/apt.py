"""An apt suite as evidence: its signed InRelease names Packages, which names a package, which has the files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodeprov.errors import MALFORMED_JSON, NodeprovError
from nodeprov.releases.cache import PACKAGES, PACKAGES_LOCK, explain_disk_errors, insist_on_ours, locked
from nodeprov.releases.deb import Measured, files_in

if TYPE_CHECKING:
    from pathlib import Path

    from nodeprov.releases.origin import Origin
    from nodeprov.releases.source import AptPackage, ReleaseSource

Verify = Callable[[bytes, str], tuple[bytes, str]]
"""Verify a clear-signed message from an address; return what is signed, and the fingerprint of the key."""

LARGEST_INDEX_BYTES = 1 << 20
"""More than InRelease has, or the packages of one suite: Debian's own, of 60,000 packages, have more."""
_SUM = re.compile(r" ([0-9a-f]{128}) +([0-9]{1,18}) (\S+)")
_PATH = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+~:/-]*")
_HINT = "do not trust this origin, or look whether its suite is being published just now"


@dataclass(frozen=True, slots=True)
class Suite:
    """What the signed head of a suite says: the digests of its indexes, and the key that signed."""

    at: str
    key: str
    sha512: dict[str, str]


@dataclass(frozen=True, slots=True)
class Packed:
    """The files of a package, by their path in a release, and where the signature stands under it all."""

    at: str
    key: str
    files: dict[str, Measured]


def packed(source: ReleaseSource, verify: Verify, version: str, architecture: str) -> Packed | None:
    """Read the package of a release from the signed suite of its day; None if there is none.

    Raises:
        NodeprovError: the signature does not hold, or what is signed is not what is there.
    """
    about = source.software.package
    if about is None or (day := about.suite.match(version)) is None:
        return None
    with source.connect() as origin:
        suite = _suite(origin, verify, day[0])
        found = _stanza(origin, suite, day[0], about, version, architecture) if suite else None
        if suite is None or found is None:
            return None
        path, sha512 = _checked_path(found["filename"], suite.at), found["sha512"]
        beginning = f"{about.folder}/"
        measured = _measured(source, origin, path, sha512).items()
        files = {name.removeprefix(beginning): each for name, each in measured if name.startswith(beginning)}
        return Packed(suite.at, suite.key, files)


def _suite(origin: Origin, verify: Verify, name: str) -> Suite | None:
    path = f"dists/{name}/InRelease"
    message = origin.text(path, most_bytes=LARGEST_INDEX_BYTES)
    if message is None:
        return None
    at = origin.url(path)
    content, key = verify(message.encode(), at)
    text = content.decode("ascii", errors="replace").replace("\r\n", "\n")
    stanza = next(stanzas(text), {})
    if stanza.get("suite") != name:
        raise NodeprovError(
            f"it is signed for the suite {stanza.get('suite')!r}, and not for {name}", _HINT, where=at
        )
    sums = (match for line in stanza.get("sha512", "").splitlines() if (match := _SUM.fullmatch(line)))
    return Suite(at, key, {match[3]: match[1] for match in sums})


def _stanza(
    origin: Origin, suite: Suite, name: str, about: AptPackage, version: str, architecture: str
) -> dict[str, str] | None:
    """Find the package in the suite's index: of this version, for this architecture."""
    debian = about.architectures[architecture]
    index = f"main/binary-{debian}/Packages"
    ending = next((each for each in (".xz", "") if f"{index}{each}" in suite.sha512), None)
    if ending is None:
        return None
    where = f"dists/{name}/{index}{ending}"
    content = _content(origin, where)
    if content is None or _sha512(content) != suite.sha512[f"{index}{ending}"]:
        said = "is missing" if content is None else "is not what the signed InRelease has"
        raise NodeprovError(f"{index}{ending} {said}", _HINT, where=origin.url(where))
    text = (_unpacked(content, origin.url(where)) if ending else content).decode(errors="replace")
    for each in stanzas(text):
        if (each.get("package"), each.get("version"), each.get("architecture")) == (about.name, version, debian):
            if not re.fullmatch("[0-9a-f]{128}", each.get("sha512", "")) or "filename" not in each:
                raise NodeprovError(f"it has no SHA512 of {about.name}", _HINT, where=origin.url(where))
            return each
    return None


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Read a control file of Debian (deb822(5)): paragraphs of fields, whose lines may go on after a blank."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.split("\n"), ""]:
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t" and last:
            fields[last] += f"\n{line}"
        elif ":" in line:
            name, _, value = line.partition(":")
            last = name.lower()
            fields[last] = value.strip()


def _content(origin: Origin, path: str) -> bytes | None:
    from nodeprov.releases.origin import Absent  # brings requests: see source.py

    content = b""
    try:
        with origin.get(path) as response:
            while len(content) <= LARGEST_INDEX_BYTES and (
                more := response.raw.read1(1 << 16, decode_content=False)
            ):
                content += more
                origin.pace.arrived(len(more))
    except Absent:
        return None
    return content


def _unpacked(content: bytes, where: str) -> bytes:
    try:
        return lzma.LZMADecompressor().decompress(content, LARGEST_INDEX_BYTES)
    except lzma.LZMAError as error:
        raise NodeprovError(f"it is not compressed by xz: {error}", _HINT, where=where) from None


def _checked_path(path: str, where: str) -> str:
    if not _PATH.fullmatch(path):
        raise NodeprovError(f"it has a package at {path[:200]!r}", _HINT, where=where)
    return path


def _measured(source: ReleaseSource, origin: Origin, path: str, sha512: str) -> dict[str, Measured]:
    """Measure a package's files; what was measured of a package with this digest is kept, the package is not."""
    from nodeprov.releases.download import download

    folder = source.cache / PACKAGES
    known = folder / f"{sha512}.json"
    insist_on_ours(source.cache, folder, known)
    if (kept := _kept(known)) is not None:
        return kept
    with explain_disk_errors(source.cache):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(PACKAGES_LOCK), source.on_progress):
            if (kept := _kept(known)) is not None:  # the run that was waited for may have measured it
                return kept
            target = folder / f"{sha512}.deb"
            download(origin, path, target, sha512=sha512, on_progress=source.on_progress)
            found = files_in(target, where=origin.url(path))
            (folder / f"{sha512}.new").write_text(json.dumps(found))
            (folder / f"{sha512}.new").replace(known)
            target.unlink()
    return found


def _kept(known: Path) -> dict[str, Measured] | None:
    """Read what was measured of a package; None where nothing was."""
    with contextlib.suppress(OSError, *MALFORMED_JSON):
        return {name: (int(size), str(digest)) for name, (size, digest) in json.loads(known.read_bytes()).items()}
    return None


def _sha512(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest()
