"""Download a file: retried, resumed where the connection broke, and verified by its digest."""

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import requests
import tenacity

from nodeprov.errors import NodeprovError
from nodeprov.releases.origin import ATTEMPTS, RETRY_HINT, Origin, Passing
from nodeprov.releases.pace import Progress

# What arrived of a chunk is lost when the connection is reset within it.
_CHUNK_BYTES = 128 << 10

# Longer ones Python refuses to read, and no file has.
_LENGTH = re.compile(r"[0-9]{1,18}")


def download(origin: Origin, path: str, target: Path, *, sha512: str, on_progress: Progress) -> None:
    """Fetch a file to `target`, where it appears complete and verified.

    Until then the bytes that arrived lie beside it (`.part`), survive an interrupt, and are built upon. It is
    given up when several attempts in a row bring nothing new.

    Args:
        origin: where from.
        path: the file's path there.
        target: a file in a folder that nobody else fills at the same time.
        sha512: the digest in hex that it must have.
        on_progress: called with the file's name, the bytes that are here, and how many it has if that is known.

    Raises:
        NodeprovError: it cannot be fetched, or has another digest.
        OSError: the disk is full.
    """
    if target.exists() and _sha512(target) == sha512:
        return
    part = target.with_name(f"{target.name}.part")
    began_earlier = _size(part) > 0
    _fetch(origin, path, part, on_progress)
    if began_earlier and _sha512(part) != sha512:  # two files' halves, perhaps: not the origin's fault
        part.unlink()
        _fetch(origin, path, part, on_progress)
    _etag(part).unlink(missing_ok=True)
    if (found := _sha512(part)) != sha512:
        part.unlink()
        raise NodeprovError(
            f"the file has the sha512 {found}, and should have {sha512}",
            "a mirror or proxy may have kept another copy, or the release is being replaced: try again in an "
            "hour; if it stays so, do not trust this origin",
            where=origin.url(path),
        )
    part.replace(target)


def _fetch(origin: Origin, path: str, part: Path, on_progress: Progress) -> None:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Passing),
        stop=_stop_when_stalled(part),
        wait=origin.wait,
        reraise=True,
    )
    retrying(_resume, origin, path, part, on_progress)


def _stop_when_stalled(part: Path) -> Callable[[tenacity.RetryCallState], bool]:
    """Stop when several attempts in a row brought nothing new."""
    most_bytes, failures = _size(part), 0

    def stop(_: tenacity.RetryCallState) -> bool:
        nonlocal most_bytes, failures
        failures = 0 if _size(part) > most_bytes else failures + 1
        most_bytes = max(most_bytes, _size(part))
        return failures >= ATTEMPTS

    return stop


def _resume(origin: Origin, path: str, part: Path, on_progress: Progress) -> None:
    """Ask for what is missing, and append it."""
    with origin.get(path, _range(part)) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            _keep_if_whole(part, response)
            return
        done = _start(response, _size(part))
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if _LENGTH.fullmatch(length) else None
        _check_size(total or 0, part, origin.limits.largest_bytes)
        if done == 0:
            _remember_etag(part, response)
        with part.open("ab" if done else "wb") as file:
            # One read of the socket each: a server that drips would not fill a larger chunk for hours.
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
                done += file.write(chunk)
                _check_size(done, part, origin.limits.largest_bytes)
                on_progress(path.rpartition("/")[2], done, total)
                origin.pace.arrived(len(chunk))


def _check_size(size_bytes: int, part: Path, largest_bytes: int) -> None:
    if size_bytes <= largest_bytes:
        return
    part.unlink(missing_ok=True)
    _etag(part).unlink(missing_ok=True)
    raise NodeprovError(
        f"the file is larger than {largest_bytes} bytes, and no file of a release is",
        "the origin serves something else under this release's name: look at base_url",
    )


def _range(part: Path) -> dict[str, str]:
    """Ask for the rest of the file, if it is still the same one (RFC 9110, section 13.1.5)."""
    if not _size(part):
        return {}
    rest = {"Range": f"bytes={_size(part)}-"}
    return {**rest, "If-Range": _etag(part).read_text()} if _etag(part).exists() else rest


def _start(response: requests.Response, have_bytes: int) -> int:
    """Find where the answer begins: a server may ignore the range, or have another file by now."""
    if response.status_code == HTTPStatus.OK:
        return 0
    match = re.match(r"bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != have_bytes:
        raise NodeprovError("the server answers with another range than it was asked for", "look at base_url")
    return have_bytes


def _keep_if_whole(part: Path, response: requests.Response) -> None:
    """Keep a part that turns out to be the whole file; throw away one that does not fit it."""
    if not _size(part):
        raise NodeprovError("the server refuses a range that it was not asked for", "look at base_url")
    if response.headers.get("Content-Range") != f"bytes */{_size(part)}":
        part.unlink(missing_ok=True)
        raise Passing("what was kept of an earlier download does not fit", RETRY_HINT)


def _remember_etag(part: Path, response: requests.Response) -> None:
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):  # a weak one does not promise the same bytes
        _etag(part).write_text(etag)
    else:
        _etag(part).unlink(missing_ok=True)


def _etag(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()
