"""The lock: which bytes are a release, file by file, and who says so."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nodeprov.errors import NodeprovError

if TYPE_CHECKING:
    from nodeprov.releases.obtain import Release

ORIGIN, SECOND_ORIGIN, APT = "origin", "second-origin", "apt"
KINDS = (ORIGIN, SECOND_ORIGIN, APT)
"""Kinds of evidence, the weakest first: the sum beside the file; one elsewhere; the project's own signature."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who says that a file has its digest.

    Args:
        kind: one of KINDS.
        at: the address of what was read.
        seen: the date on which it was first seen to say so, as 2026-11-28.
        key: the fingerprint of the key that signed it; "" if nothing was signed.
    """

    kind: str
    at: str
    seen: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file's size in bytes, its SHA-512 digest in hex, and who says that this is it."""

    size_bytes: int
    sha512: str
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True, slots=True)
class LockedBuild:
    """A release for one architecture: what is downloaded, and what is in it, which comes to the nodes."""

    layout: str
    artifacts: Mapping[str, LockedFile]
    members: Mapping[str, LockedFile]

    @property
    def pins(self) -> dict[str, str]:
        """The digests of what is downloaded."""
        return {name: file.sha512 for name, file in self.artifacts.items()}

    def evidence(self, member: str) -> frozenset[str]:
        """Name the kinds of evidence for a member: its own, and that for all from which it was unpacked."""
        of_artifacts = [{each.kind for each in file.witnesses} for file in self.artifacts.values()]
        own = {each.kind for each in self.members[member].witnesses}
        return frozenset(own | set.intersection(*of_artifacts) if self.layout == "archive" else own)


@dataclass(frozen=True, slots=True)
class Lock:
    """A point release of some software, by architecture; `origin` is where it was published."""

    software: str
    release: str
    origin: str
    builds: Mapping[str, LockedBuild]

    def lacking(self, required: str) -> list[str]:
        """Name the members for which there is no evidence as strong as a kind of it."""
        enough = KINDS[KINDS.index(required) :]
        return [
            f"{member} for {architecture}"
            for architecture, build in self.builds.items()
            for member in build.members
            if not build.evidence(member).intersection(enough)
        ]

    def dated_as(self, earlier: Lock, keep: str = "") -> Lock:
        """Return it with an earlier one's dates, where the same was seen then already.

        Evidence of the kind `keep` that was asked for and is not there any more is kept as it was seen then.
        """
        builds = {
            name: _dated(build, earlier.builds[name], keep) if name in earlier.builds else build
            for name, build in self.builds.items()
        }
        return replace(self, builds=builds) if self.release == earlier.release else self

    def insist_on(self, version: str, *, where: str) -> None:
        """Raise NodeprovError if a version is another than the one that is locked."""
        if version != self.release:
            raise NodeprovError(
                f"{where} has the release {self.release}, and {version} is wanted",
                f"nodeprov lock --release {version}; or set [release] version to {self.release}",
            )

    def build(self, architecture: str, *, where: str) -> LockedBuild:
        """Return what is locked for an architecture; raise NodeprovError if that is nothing."""
        if architecture in self.builds:
            return self.builds[architecture]
        wanted = " ".join(f"--arch {name}" for name in sorted({*self.builds, architecture}))
        raise NodeprovError(
            f"{where} has nothing for {architecture}: it has {' and '.join(self.builds)}",
            f"nodeprov lock --release {self.release} {wanted}",
        )

    def check(self, release: Release, *, where: str) -> None:
        """Raise NodeprovError if a release that was obtained is not this one, naming the first such file."""
        build = self.build(release.architecture, where=where)
        folder = shlex.quote(str(release.folder.parent))
        for said in _differences(build, release):
            raise NodeprovError(
                f"{release.folder} is not what {where} has: {said}",
                f"have it downloaded again: rm -r {folder}; if it stays so, trust neither",
            )


def _differences(build: LockedBuild, release: Release) -> Iterator[str]:
    if dict(release.sha512) != build.pins:
        yield f"it was made of other artifacts ({', '.join(release.sha512)})"
    found = {member.path: member for member in release.members}
    for name in sorted({*build.members, *found}):
        if name not in found or name not in build.members:
            yield f"{name} is {'missing' if name not in found else 'not in the lock'}"
        elif found[name].size_bytes != build.members[name].size_bytes:
            yield f"{name} has {found[name].size_bytes} bytes, and should have {build.members[name].size_bytes}"
        elif (sha512 := found[name].sha512_in(release.folder)) != build.members[name].sha512:
            yield f"{name} has the sha512 {sha512}, and should have {build.members[name].sha512}"


def _dated(build: LockedBuild, earlier: LockedBuild, keep: str) -> LockedBuild:
    return replace(
        build,
        artifacts=_files_dated(build.artifacts, earlier.artifacts, keep),
        members=_files_dated(build.members, earlier.members, keep),
    )


def _files_dated(
    files: Mapping[str, LockedFile], earlier: Mapping[str, LockedFile], keep: str
) -> dict[str, LockedFile]:
    return {
        name: file_dated(file, earlier[name], keep)
        if name in earlier and earlier[name].sha512 == file.sha512
        else file
        for name, file in files.items()
    }


def file_dated(file: LockedFile, earlier: LockedFile, keep: str = "") -> LockedFile:
    """Return a file whose witnesses have the dates of an earlier one's, where they are the same otherwise.

    Where none is of the kind `keep`, those of the earlier one are.
    """
    known = {(each.kind, each.at, each.key): each.seen for each in earlier.witnesses}
    witnesses = tuple(
        replace(each, seen=known.get((each.kind, each.at, each.key), each.seen)) for each in file.witnesses
    )
    has_kind = any(each.kind == keep for each in witnesses)
    kept = () if has_kind else tuple(each for each in earlier.witnesses if each.kind == keep)
    return replace(file, witnesses=(*witnesses, *kept))
