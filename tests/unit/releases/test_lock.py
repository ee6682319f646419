from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.lock import Lock, LockedFile, Witness, file_dated
from tests.support.locks import made
from tests.support.obtaining import VERSION, get
from tests.support.release_server import ReleaseServer


@pytest.fixture
def lock(server: ReleaseServer, cache: Path) -> Lock:
    return made(server, cache, architectures=["x86_64"])


def refusal(lock: Lock, server: ReleaseServer, cache: Path, architecture: str = "x86_64") -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        lock.check(get(server, cache, architecture=architecture), where="nodeprov.lock")
    assert caught.value.hint
    return caught.value


def with_member(lock: Lock, name: str, file: LockedFile) -> Lock:
    build = lock.builds["x86_64"]
    return replace(lock, builds={"x86_64": replace(build, members={**build.members, name: file})})


def test_what_is_locked_passes(lock: Lock, server: ReleaseServer, cache: Path) -> None:
    lock.check(get(server, cache), where="nodeprov.lock")
    lock.insist_on(VERSION, where="nodeprov.lock")
    assert lock.build("x86_64", where="nodeprov.lock").pins == get(server, cache).sha512


def test_another_file_is_named(lock: Lock, server: ReleaseServer, cache: Path) -> None:
    runsc = lock.builds["x86_64"].members["runsc"]
    assert (
        "runsc has the sha512"
        in refusal(with_member(lock, "runsc", replace(runsc, sha512="0" * 128)), server, cache).message
    )
    assert (
        "bytes, and should have 3"
        in refusal(with_member(lock, "runsc", replace(runsc, size_bytes=3)), server, cache).message
    )
    assert (
        "gvisor-bin/more is missing" in refusal(with_member(lock, "gvisor-bin/more", runsc), server, cache).message
    )


def test_a_file_that_the_lock_does_not_have_is_named(lock: Lock, server: ReleaseServer, cache: Path) -> None:
    build = lock.builds["x86_64"]
    members = {name: file for name, file in build.members.items() if name == "runsc"}
    less = replace(lock, builds={"x86_64": replace(build, members=members)})
    assert "is not in the lock" in refusal(less, server, cache).message


def test_other_artifacts_are_named(lock: Lock, server: ReleaseServer, cache: Path) -> None:
    build = lock.builds["x86_64"]
    other = {name: replace(file, sha512="0" * 128) for name, file in build.artifacts.items()}
    altered = replace(lock, builds={"x86_64": replace(build, artifacts=other)})
    assert "made of other artifacts" in refusal(altered, server, cache).message


def test_a_copied_cache_is_measured_anew(lock: Lock, server: ReleaseServer, cache: Path) -> None:
    record = next(cache.rglob("record.json"))
    record.write_text(record.read_text().replace('"sha512": "', '"sha512": "", "was": "'))
    lock.check(get(server, cache), where="nodeprov.lock")


def test_an_architecture_that_is_not_locked_is_refused_with_what_to_type(
    lock: Lock, server: ReleaseServer, cache: Path
) -> None:
    error = refusal(lock, server, cache, "aarch64")
    assert error.message == "nodeprov.lock has nothing for aarch64: it has x86_64"
    assert error.hint == f"nodeprov lock --release {VERSION} --arch aarch64 --arch x86_64"


def test_another_release_is_refused_with_what_to_type(lock: Lock) -> None:
    with pytest.raises(NodeprovError, match=r"20261005\.0 is wanted") as caught:
        lock.insist_on("20261005.0", where="nodeprov.lock")
    assert caught.value.hint.startswith("nodeprov lock --release 20261005.0")


def test_a_stronger_kind_of_evidence_will_do_for_a_weaker_one() -> None:
    def lacking(*kinds: str) -> dict[str, bool]:
        from nodeprov.releases.lock import KINDS, LockedBuild

        witnesses = tuple(Witness(kind, "https://x", "2026-11-28") for kind in kinds)
        file = LockedFile(1, "0" * 128, witnesses)
        lock = Lock(
            "gVisor", VERSION, "https://x", {"x86_64": LockedBuild("loose", {"runsc": file}, {"runsc": file})}
        )
        return {kind: bool(lock.lacking(kind)) for kind in KINDS}

    assert lacking() == {"origin": True, "second-origin": True, "apt": True}
    assert lacking("origin") == {"origin": False, "second-origin": True, "apt": True}
    assert lacking("second-origin") == {"origin": False, "second-origin": False, "apt": True}
    assert lacking("apt") == {"origin": False, "second-origin": False, "apt": False}


def test_dates_of_another_release_or_digest_do_not_count(lock: Lock) -> None:
    earlier = replace(lock, release="20260101.0")
    assert lock.dated_as(earlier) is lock
    at = Witness("origin", "https://x", "2026-11-28")
    old = LockedFile(1, "0" * 128, (replace(at, seen="2026-01-01"),))
    assert file_dated(LockedFile(1, "0" * 128, (at,)), old) == old
    assert file_dated(LockedFile(1, "0" * 128, (replace(at, key="AB"),)), old).witnesses[0].seen == "2026-11-28"
