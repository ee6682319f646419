"""The state of each kind of thing that nodeprov owns; absent is `None`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class FileState:
    """A regular file: its bytes, its permission bits, and who owns it by number."""

    content: bytes
    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class LinkState:
    """A symbolic link and the text it holds."""

    target: str


@dataclass(frozen=True, slots=True, order=True)
class TreeEntry:
    """One regular file of a tree: its path below the tree, permission bits and SHA-256 digest in hex."""

    path: str
    mode: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TreeState:
    """A directory of regular files, sorted by path; directories count only as parts of the files' paths.

    `foreign` names what lies there and is not a regular file: links, devices, sockets. A tree that nodeprov
    wants has none.
    """

    entries: tuple[TreeEntry, ...]
    foreign: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of all that the tree is, in hex; the same tree has the same digest everywhere."""
        listing = [[entry.path, entry.mode, entry.sha256] for entry in self.entries]
        return hashlib.sha256(json.dumps([listing, sorted(self.foreign)]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LabelState:
    """The value of one label of a Kubernetes node."""

    value: str


@dataclass(frozen=True, slots=True)
class ObjectState:
    """The part of a Kubernetes object that nodeprov declares, as JSON text with sorted keys."""

    manifest: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Write a manifest in the one form in which two equal ones are equal."""
        return cls(json.dumps(manifest, sort_keys=True))

    @property
    def value(self) -> dict[str, Any]:
        """The manifest as plain values."""
        value: dict[str, Any] = json.loads(self.manifest)
        return value


@dataclass(frozen=True, slots=True)
class PresentState:
    """Something is there; what is in it does not matter."""


State = FileState | LinkState | TreeState | LabelState | ObjectState | PresentState
