"""The host keys that are trusted, as OpenSSH keeps them in known_hosts files (sshd(8), SSH_KNOWN_HOSTS)."""

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"
_MARKERS = ("", _REVOKED, _AUTHORITY)


class Verdict(Enum):
    """What the files have about a key."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: whose key it is, and the file that has the line."""

    names: str
    key: bytes
    path: str
    revoked: bool = False
    authority: bool = False
    """Whether it is the key of one who certifies hosts' keys; such certificates are not supported."""

    @property
    def is_plain(self) -> bool:
        """Say whether it is the host's own key."""
        return not (self.revoked or self.authority)

    def is_of(self, name: str) -> bool:
        """Return whether the line is about a host; a pattern may be negated, and a name hashed."""
        if self.names.startswith("|1|"):
            return _is_hash_of(self.names, name)
        found = False
        for pattern in self.names.lower().split(","):
            if fnmatch.fnmatchcase(name.lower(), _literal_brackets(pattern.removeprefix("!"))):
                if pattern.startswith("!"):
                    return False
                found = True
        return found

    @property
    def kind(self) -> str:
        """The key's type: the first string of its blob, such as ssh-ed25519."""
        return self.key[4 : 4 + int.from_bytes(self.key[:4], "big")].decode(errors="replace")


def parse(text: str, path: str) -> list[Entry]:
    """Read the lines that are understood."""
    entries = []
    for line in text.splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in _MARKERS:
            continue
        try:
            key = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        entries.append(Entry(fields[0], key, path, marker == _REVOKED, marker == _AUTHORITY))
    return entries


def read(paths: Sequence[str]) -> list[Entry]:
    """Read several files; one that cannot be read trusts nobody."""
    entries = []
    for path in paths:
        try:
            text = Path(path).read_text(errors="replace")
        except OSError:
            continue
        entries += parse(text, path)
    return entries


def judge(entries: Sequence[Entry], name: str, key: bytes) -> Verdict:
    """Judge a key that a host has shown."""
    ours = [entry for entry in entries if entry.is_of(name)]
    if any(entry.revoked and entry.key == key for entry in ours):
        return Verdict.REVOKED
    good = [entry for entry in ours if entry.is_plain]
    if any(entry.key == key for entry in good):
        return Verdict.TRUSTED
    return Verdict.CHANGED if good else Verdict.UNKNOWN


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        _, _, salt, digest = hashed.split("|")
        wanted = base64.b64decode(digest)
        found = hmac.new(base64.b64decode(salt), name.lower().encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return hmac.compare_digest(wanted, found)


def _literal_brackets(pattern: str) -> str:
    """Keep fnmatch from reading `[host]:2222` as a class of characters; only * and ? mean something."""
    return pattern.replace("[", "[[]")
