"""Whether an ssh configuration says the same of every host: then one `ssh -G` is enough for all of them."""

import contextlib
import glob
import hashlib
import json
import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type
from nodeprov.local_files import cache_folder, read_own, write_private

_SYSTEMS = "/etc/ssh"
_DEEPEST = 16
"""So deep may files include one another (MAX_INCLUDE_DEPTH in OpenSSH's readconf.c)."""
_LINE = re.compile(r"\s*([A-Za-z0-9]+)[\s=]+(.*?)\s*")
_PER_HOST = re.compile(r"match|hostname|proxyjump|proxycommand|canonical\w*|tag|remotecommand")
"""Directives that choose among hosts, or whose value ssh makes of the host's name as it reads them."""

SCHEMA = 1
LARGEST_BYTES = 1 << 16

Stamp = tuple[str, int, int, int]
Options = Mapping[str, Sequence[str]]


class _NotPlainError(Exception):
    """It says different things of different hosts, or may."""


def stamps(path: str | None) -> tuple[Stamp, ...] | None:
    """Return what tells the files of a configuration apart from changed ones; None if it tells hosts apart.

    Args:
        path: the file that is read instead of the user's and the system's.
    """
    try:
        users = f"{pwd.getpwuid(os.getuid()).pw_dir}/.ssh"  # OpenSSH asks for the home folder there, not $HOME
        places = ((path, users),) if path else ((f"{users}/config", users), (f"{_SYSTEMS}/ssh_config", _SYSTEMS))
        return tuple(each for file, folder in places for each in _read(file, folder, 0))
    except (_NotPlainError, KeyError, OSError, ValueError):
        return None


def _read(path: str, folder: str, depth: int) -> Iterator[Stamp]:
    if depth > _DEEPEST:
        raise _NotPlainError
    try:
        text = Path(path).read_text()
        stamp = _stamp(Path(path))
    except FileNotFoundError:
        return  # as OpenSSH does; `-F` with none is refused before
    yield stamp
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or re.search(r"[%$]", line):
            raise _NotPlainError
        directive, value = match[1].lower(), match[2]
        if _PER_HOST.fullmatch(directive) or (directive == "host" and value != "*"):
            raise _NotPlainError
        if directive == "include":
            for included in _included(value, folder):
                yield from _read(included, folder, depth + 1)


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns, found.st_ino


def _included(value: str, folder: str) -> Iterator[str]:
    if re.search(r"[\"'\\#~]", value):
        raise _NotPlainError
    for each in value.split():
        yield from sorted(glob.glob(os.path.join(folder, each)))  # noqa: PTH118, PTH207  an absolute one stays


_known: dict[str, Options] = {}


def remembered(question: Sequence[str], files: Sequence[Stamp], ask: Callable[[], Options]) -> Options:
    """Return what `ask` returned when it was last asked this, by the same ssh of the same files; else ask it."""
    program = Path(shutil.which("ssh") or "ssh")
    stamp = _stamp(program)
    key = hashlib.sha256(repr((SCHEMA, question, files, stamp)).encode()).hexdigest()
    if key not in _known:
        path = cache_folder() / "ssh-config" / f"{key[:32]}.json"
        if (found := _kept(path)) is None:
            found = ask()
            with contextlib.suppress(OSError, NodeprovError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_private(path, json.dumps(found).encode())
        _known[key] = found
    return _known[key]


def _kept(path: Path) -> Options | None:
    with contextlib.suppress(OSError, *MALFORMED_JSON):
        content = read_own(path, LARGEST_BYTES)
        if content is not None:
            found = of_type(dict, json.loads(content))
            return {of_type(str, key): [of_type(str, each) for each in values] for key, values in found.items()}
    return None
