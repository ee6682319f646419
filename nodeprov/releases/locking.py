"""Making a lock: a release is obtained, and all who can say so are asked whether it is the right one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nodeprov.errors import NodeprovError
from nodeprov.releases import artifacts
from nodeprov.releases.apt import Packed, Verify, packed
from nodeprov.releases.lock import APT, ORIGIN, SECOND_ORIGIN, Lock, LockedBuild, LockedFile, Witness
from nodeprov.releases.obtain import Release, obtain
from nodeprov.releases.second_origin import witness_address
from nodeprov.releases.source import ReleaseSource, normal_base_url


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who is asked besides the origin.

    Args:
        second_origins: addresses, in which `{release}` stands for the version.
        verify: verifies the signature of an apt suite by the keys that are trusted; None if there are none.
    """

    second_origins: Sequence[str] = ()
    verify: Verify | None = None


def make_lock(
    source: ReleaseSource, version: str, architectures: Sequence[str], evidence: Evidence, today: str
) -> Lock:
    """Obtain a release, ask for evidence, and make a lock of it.

    Args:
        source: where from.
        version: a point release: see `resolve_point`.
        architectures: at least one, as `uname -m` prints them.
        evidence: who is asked besides the origin.
        today: the date, as 2026-11-28.

    Raises:
        NodeprovError: it cannot be had, or two who were asked contradict each other.
    """
    builds = {name: _build(source, version, name, evidence, today) for name in sorted(architectures)}
    return Lock(source.software.name, version, normal_base_url(source.base_url), builds)


def published(source: ReleaseSource, version: str) -> list[str]:
    """Name the architectures for which the origin has a version; raise NodeprovError if there are none."""
    from nodeprov.releases.origin import Denied  # brings requests: see source.py

    found: list[str] = []
    missing: NodeprovError | None = None
    for architecture in source.software.architectures:
        try:
            with source.connect() as origin:
                artifacts.find(source, origin, version, architecture)
        except (artifacts.NotPublished, Denied) as error:
            missing = missing or error
        else:
            found.append(architecture)
    if missing is not None and not found:
        raise missing
    return found


def origin_differs(source: ReleaseSource, lock: Lock) -> list[str]:
    """Say what of a lock its origin no longer serves, in words; nothing if it serves all of it."""
    said = []
    with source.connect() as origin:
        for architecture, build in lock.builds.items():
            path = source.software.path(lock.release, architecture)
            if not artifacts.is_published(origin, path, build.pins):
                names = " and ".join(build.pins)
                said.append(f"{origin.url(path)} has other digests for {names} than the lock, or none")
    return said


def moved(source: ReleaseSource, lock: Lock, version: str) -> list[str]:
    """Say where an origin has other bytes under a version that moves, `latest` or a date, than a lock."""
    if version == lock.release:
        return []
    with source.connect() as origin:
        return [
            f"{version} is another release for {architecture} now than {lock.release}"
            for architecture, build in lock.builds.items()
            if not artifacts.is_published(origin, source.software.path(version, architecture), build.pins)
        ]


def _build(source: ReleaseSource, version: str, architecture: str, evidence: Evidence, today: str) -> LockedBuild:
    release = obtain(source, version, architecture, with_sizes=True)
    files = {name: _artifact(source, release, name, evidence, today) for name in sorted(release.sha512)}
    found = packed(source, evidence.verify, version, architecture) if evidence.verify else None
    members = {each.path: LockedFile(each.size_bytes, each.sha512_in(release.folder)) for each in release.members}
    if release.layout != "archive":  # then they are the same files
        members = {name: replace(file, witnesses=files[name].witnesses) for name, file in members.items()}
    if found is not None:
        members = {name: _with_apt(name, file, found, today) for name, file in members.items()}
    return LockedBuild(release.layout, files, dict(sorted(members.items())))


def _artifact(
    source: ReleaseSource, release: Release, artifact: str, evidence: Evidence, today: str
) -> LockedFile:
    """Ask the origin, as it is now, and the others for the digest of an artifact."""
    sha512 = release.sha512[artifact]
    path = source.software.path(release.version, release.architecture)
    with source.connect() as origin:
        where = origin.url(f"{path}/{artifact}.sha512")
        if not artifacts.is_published(origin, path, {artifact: sha512}):
            folder = shlex.quote(str(release.folder.parent))
            raise NodeprovError(
                f"the origin has another digest for {artifact} now, or none; the cache has {sha512}",
                f"a release never changes: trust neither; to have it anew, rm -r {folder}",
                where=where,
            )
    witnesses = [Witness(ORIGIN, where, today)]
    for url in sorted(evidence.second_origins):
        at = witness_address(source, url, release.version, release.architecture, artifact, sha512)
        witnesses.append(Witness(SECOND_ORIGIN, at, today))
    return LockedFile(release.size_bytes[artifact], sha512, tuple(witnesses))


def _with_apt(name: str, file: LockedFile, found: Packed, today: str) -> LockedFile:
    if name not in found.files:
        return file
    size_bytes, sha512 = found.files[name]
    if (size_bytes, sha512) != (file.size_bytes, file.sha512):
        raise NodeprovError(
            f"the signed package has another {name}, with the sha512 {sha512}; the download has {file.sha512}",
            "what is signed counts: do not install the download; or lock without apt's evidence, without "
            "[trust] apt_keyring",
            where=found.at,
        )
    return replace(file, witnesses=(*file.witnesses, Witness(APT, found.at, today, found.key)))
