"""The lock as a file: TOML that people review, written in one way, and read strictly."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from nodeprov.errors import MALFORMED, UsageError, toml_table
from nodeprov.releases.lock import KINDS, Lock, LockedBuild, LockedFile, Witness
from nodeprov.releases.source import Software, normal_base_url

SCHEMA = 1
AGAIN = "write it again: nodeprov lock"
HEAD = """\
# Which bytes are installed, and who says so. `nodeprov lock` writes this file: review and commit it as it is.
"""
T = TypeVar("T")
_KINDS: dict[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}

_SHA512, _SHA256 = re.compile(r"[0-9a-f]{128}"), re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40,64}")
_MEMBER = re.compile(r"(?!/)[ -\[\]-~]{1,200}")  # as archive.py has it
_AT = re.compile(r"(https?|file)://\S{1,2000}")


def to_text(lock: Lock) -> str:
    """Write a lock; the same one gives the same text."""
    head = {"software": lock.software, "release": lock.release, "origin": lock.origin}
    lines = [_key("schema", SCHEMA), *(_key(name, value) for name, value in head.items())]
    lines.append(_key("sha256", _digest(_value(lock))))
    for architecture, build in sorted(lock.builds.items()):
        lines += ["", f"[architecture.{architecture}]", _key("layout", build.layout)]
        for kind, files in (("artifact", build.artifacts), ("member", build.members)):
            for name, file in sorted(files.items()):
                lines += ["", f"[architecture.{architecture}.{kind}.{json.dumps(name)}]", *_file(file)]
    return HEAD + "\n".join(lines) + "\n"


def _key(name: str, value: str | int) -> str:
    return f"{name} = {json.dumps(value)}"  # for ASCII, JSON's strings are TOML's


def _file(file: LockedFile) -> list[str]:
    witnesses = [f"    {{ {', '.join(_key(*item) for item in _said(each).items())} }}," for each in file.witnesses]
    lines = [_key("size_bytes", file.size_bytes), _key("sha512", file.sha512)]
    return [*lines, "witnesses = [", *witnesses, "]"] if witnesses else [*lines, "witnesses = []"]


def _said(witness: Witness) -> dict[str, str]:
    said = {"kind": witness.kind, "at": witness.at, "key": witness.key, "seen": witness.seen}
    return {name: value for name, value in said.items() if value or name != "key"}


def _value(lock: Lock) -> dict[str, Any]:
    """Return all that a lock says as plain values."""
    return {
        "schema": SCHEMA,
        "software": lock.software,
        "release": lock.release,
        "origin": lock.origin,
        "architecture": {
            name: {
                "layout": build.layout,
                "artifact": {each: _file_value(file) for each, file in build.artifacts.items()},
                "member": {each: _file_value(file) for each, file in build.members.items()},
            }
            for name, build in lock.builds.items()
        },
    }


def _file_value(file: LockedFile) -> dict[str, Any]:
    witnesses = [_said(each) for each in file.witnesses]
    return {"size_bytes": file.size_bytes, "sha512": file.sha512, "witnesses": witnesses}


def lock_json(lock: Lock) -> dict[str, Any]:
    """Write a lock as plain values; docs/json.md describes them."""
    value = _value(lock)
    value["sha256"] = _digest(value)
    return value


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def from_text(text: str, software: Software, *, where: str) -> Lock:
    """Read a lock; comments and blanks do not matter, and everything else does.

    The digest over all of it finds what was edited or damaged. Whoever edits on purpose can write it anew: against
    that there are signatures.

    Raises:
        UsageError: it is none, or not of this software; with the field that is wrong.
    """
    try:
        value = toml_table(text)
    except MALFORMED as error:
        raise UsageError(f"this is not a lock, or it is damaged: {error}", AGAIN, where=where) from None
    return _Reading(software, where).lock(value)


class _Reading:
    """One reading, which ends at the first fault."""

    def __init__(self, software: Software, where: str) -> None:
        self._software, self._where = software, where

    def lock(self, value: dict[str, Any]) -> Lock:
        schema = self._typed(value, "", "schema", int)
        if schema != SCHEMA:
            said = f"schema is {schema}, and this nodeprov reads {SCHEMA}"
            raise UsageError(said, f"use the nodeprov that wrote it, or {AGAIN}", where=self._where)
        self._only(value, "", {"schema", "software", "release", "origin", "sha256", "architecture"})
        software = self._typed(value, "", "software", str)
        self._insist(software == self._software.name, "software", f"{software!r}, and not {self._software.name}")
        release = self._typed(value, "", "release", str)
        is_point = self._software.is_point_release(release)
        self._insist(is_point, "release", f"{release!r}, and no release such as {self._software.example}")
        origin = self._typed(value, "", "origin", str)
        self._insist(_is_normal(origin), "origin", f"{origin!r}, and no address as `nodeprov lock` writes it")
        digest = self._matched(value, "", "sha256", _SHA256)
        builds = self._typed(value, "", "architecture", dict)
        self._insist(bool(builds), "architecture", "empty")
        lock = Lock(software, release, origin, {name: self._build(builds, name) for name in sorted(builds)})
        if _digest(_value(lock)) != digest:
            said = "sha256 is not that of the rest of the file, which was edited or is damaged"
            raise UsageError(said, AGAIN, where=self._where)
        return lock

    def _build(self, builds: dict[str, Any], architecture: str) -> LockedBuild:
        known = self._software.architectures
        path = f"architecture.{architecture}"
        self._insist(architecture in known, path, f"for no architecture that is known ({', '.join(known)})")
        value = self._typed(builds, "architecture", architecture, dict)
        self._only(value, path, {"layout", "artifact", "member"})
        layout = self._typed(value, path, "layout", str)
        artifacts, members = self._files(value, path, "artifact"), self._files(value, path, "member")
        whole = [set(each.artifacts) for each in self._software.layouts if each.name == layout]
        self._insist(bool(whole), f"{path}.layout", f"{layout!r}, which no release has")
        self._insist(
            artifacts.keys() in whole, f"{path}.artifact", "not what a release of this layout consists of"
        )
        missing = [name for name in self._software.programs if name not in members]
        self._insist(not missing, f"{path}.member", f"without {' and '.join(missing)}")
        is_same = layout == "archive" or _digests(artifacts) == _digests(members)
        self._insist(is_same, f"{path}.member", "other than the artifact, which are the same files here")
        return LockedBuild(layout, artifacts, members)

    def _files(self, value: dict[str, Any], above: str, kind: str) -> dict[str, LockedFile]:
        files = self._typed(value, above, kind, dict)
        path = f"{above}.{kind}"
        for name in files:
            self._insist(_is_member(name), f"{path}.{name!r}", "no name of a file of a release")
        return {name: self._file(files, path, name) for name in sorted(files)}

    def _file(self, files: dict[str, Any], above: str, name: str) -> LockedFile:
        value, path = self._typed(files, above, name, dict), f"{above}.{name}"
        self._only(value, path, {"size_bytes", "sha512", "witnesses"})
        size_bytes = self._typed(value, path, "size_bytes", int)
        self._insist(0 <= size_bytes < 1 << 40, f"{path}.size_bytes", f"{size_bytes}, and no size of a file")
        sha512 = self._matched(value, path, "sha512", _SHA512)
        witnesses = self._typed(value, path, "witnesses", list)
        named = {f"witnesses[{number}]": each for number, each in enumerate(witnesses)}
        return LockedFile(size_bytes, sha512, tuple(self._witness(named, path, each) for each in named))

    def _witness(self, witnesses: dict[str, Any], above: str, name: str) -> Witness:
        value, path = self._typed(witnesses, above, name, dict), f"{above}.{name}"
        self._only(value, path, {"kind", "at", "seen", "key"})
        kind = self._typed(value, path, "kind", str)
        self._insist(kind in KINDS, f"{path}.kind", f"{kind!r}, and none of {', '.join(KINDS)}")
        at, seen = self._matched(value, path, "at", _AT), self._typed(value, path, "seen", str)
        self._insist(_is_date(seen), f"{path}.seen", f"{seen!r}, and no date such as 2026-11-28")
        key = self._matched(value, path, "key", _FINGERPRINT) if "key" in value else ""
        return Witness(kind, at, seen, key)

    def _typed(self, table: Mapping[str, Any], above: str, name: str, kind: type[T]) -> T:
        path = ".".join(filter(None, (above, name)))
        if name not in table:
            raise UsageError(f"{path} is missing", AGAIN, where=self._where)
        value = table[name]
        self._insist(type(value) is kind, path, f"{value!r:.60}, and not {_KINDS[kind]}")
        found: T = value
        return found

    def _matched(self, table: Mapping[str, Any], above: str, name: str, pattern: re.Pattern[str]) -> str:
        value, path = self._typed(table, above, name, str), ".".join(filter(None, (above, name)))
        self._insist(pattern.fullmatch(value) is not None, path, f"{value!r:.60}, which it cannot be")
        return value

    def _only(self, table: Mapping[str, Any], above: str, known: set[str]) -> None:
        for name in sorted(table.keys() - known):
            self._insist(
                is_so=False, path=".".join(filter(None, (above, repr(name)))), said="no field that is known"
            )

    def _insist(self, is_so: bool, path: str, said: str) -> None:  # noqa: FBT001  a condition, as assert has one
        if not is_so:
            raise UsageError(f"{path} is {said}", AGAIN, where=self._where)


def _digests(files: Mapping[str, LockedFile]) -> dict[str, tuple[int, str]]:
    return {name: (file.size_bytes, file.sha512) for name, file in files.items()}


def _is_normal(origin: str) -> bool:
    try:
        return normal_base_url(origin) == origin
    except UsageError:
        return False


def _is_member(name: str) -> bool:
    return _MEMBER.fullmatch(name) is not None and not {"", ".", ".."}.intersection(name.split("/"))


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
