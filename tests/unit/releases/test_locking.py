from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.lock import APT, Witness
from nodeprov.releases.lock_text import to_text
from nodeprov.releases.locking import Evidence, moved, origin_differs, published
from tests.support.locks import TODAY, apt, made
from tests.support.obtaining import OLD, SHIM, VERSION, source_at
from tests.support.release_server import ReleaseServer, archived, loose, serving, sha512, status, tree
from tests.support.signing import publish_suite, suite_key


def test_a_lock_has_what_is_downloaded_and_what_is_in_it(server: ReleaseServer, cache: Path) -> None:
    lock = made(server, cache)
    assert (lock.software, lock.release, lock.origin) == ("gVisor", VERSION, server.url)
    build = lock.builds["x86_64"]
    content = server.files[f"/release/{VERSION}/x86_64/gvisor.tar.zstd"]
    assert {name: (file.size_bytes, file.sha512) for name, file in build.artifacts.items()} == {
        "gvisor.tar.zstd": (len(content), sha512(content))
    }
    assert {name: (file.size_bytes, file.sha512) for name, file in build.members.items()} == {
        name: (len(content), sha512(content)) for name, content in tree(VERSION).items()
    }
    at = f"{server.url}/release/{VERSION}/x86_64/gvisor.tar.zstd.sha512"
    assert build.artifacts["gvisor.tar.zstd"].witnesses == (Witness("origin", at, TODAY),)
    assert {build.evidence(member) for member in build.members} == {frozenset({"origin"})}


def test_loose_programs_are_both_downloaded_and_installed(server: ReleaseServer, cache: Path) -> None:
    build = made(server, cache, OLD, ["x86_64"]).builds["x86_64"]
    assert build.layout == "loose"
    assert build.artifacts == build.members
    assert sorted(build.members) == [SHIM, "runsc"]


def test_the_same_gives_the_same_bytes(server: ReleaseServer, cache: Path, tmp_path: Path) -> None:
    publish_suite(server)
    first, second = (made(server, place, evidence=apt()) for place in (cache, tmp_path / "other"))
    assert to_text(first) == to_text(second)


def test_a_cache_of_an_earlier_nodeprov_is_filled_anew(server: ReleaseServer, cache: Path) -> None:
    made(server, cache)
    for record in cache.rglob("record.json"):
        record.write_text(record.read_text().replace('"size_bytes": {', '"other": {'))
    server.requests.clear()
    assert made(server, cache).builds["x86_64"].artifacts["gvisor.tar.zstd"].size_bytes > 0
    assert server.count("gvisor.tar.zstd") == 2


def test_the_signed_suite_is_evidence_for_every_member(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server)
    lock = made(server, cache, evidence=apt())
    at = f"{server.url}/dists/20260905/InRelease"
    for build in lock.builds.values():
        for file in build.members.values():
            assert file.witnesses == (Witness("apt", at, TODAY, suite_key().fingerprint),)
    assert lock.lacking("apt") == []


def test_without_a_suite_there_is_no_such_evidence(server: ReleaseServer, cache: Path) -> None:
    lacking = made(server, cache, evidence=apt()).lacking("apt")
    assert "runsc for x86_64" in lacking
    assert "gvisor-bin/gvisor_sentry for aarch64" in lacking
    assert made(server, cache).lacking("origin") == []


def test_a_member_that_the_package_lacks_has_weaker_evidence(server: ReleaseServer, cache: Path) -> None:
    files = tree(VERSION)
    del files["gvisor-bin/licenses.txt"]
    publish_suite(server, files=files)
    assert made(server, cache, architectures=["x86_64"], evidence=apt()).lacking("apt") == [
        "gvisor-bin/licenses.txt for x86_64"
    ]


def test_a_package_with_another_program_is_a_contradiction(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server, files={**tree(VERSION), "runsc": b"another"})
    with pytest.raises(NodeprovError, match="the signed package has another runsc") as caught:
        made(server, cache, architectures=["x86_64"], evidence=apt())
    assert caught.value.where.endswith("/dists/20260905/InRelease")


def test_a_suite_of_a_stranger_is_refused(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server, key=suite_key("stranger"))
    with pytest.raises(NodeprovError, match="signature does not hold"):
        made(server, cache, evidence=apt())


def test_a_second_origin_is_a_witness(server: ReleaseServer, cache: Path) -> None:
    with serving() as mirror:
        mirror.files.update(server.files)
        lock = made(server, cache, evidence=Evidence([mirror.url]))
        at = f"{mirror.url}/release/{VERSION}/x86_64/gvisor.tar.zstd.sha512"
    assert Witness("second-origin", at, TODAY) in lock.builds["x86_64"].artifacts["gvisor.tar.zstd"].witnesses
    assert lock.lacking("second-origin") == []
    assert lock.lacking("apt")


def test_a_release_that_is_cached_is_compared_with_the_origin_of_today(server: ReleaseServer, cache: Path) -> None:
    made(server, cache)
    server.publish(VERSION, archived("20261005.0"))
    with pytest.raises(NodeprovError, match=r"another digest for gvisor\.tar\.zstd now"):
        made(server, cache)


def test_dates_stay_as_long_as_nothing_changes(server: ReleaseServer, cache: Path) -> None:
    earlier = made(server, cache)
    later = made(server, cache, today="2026-12-24")
    assert later != earlier
    assert later.dated_as(earlier) == earlier
    publish_suite(server)
    more = made(server, cache, evidence=apt(), today="2026-12-24").dated_as(earlier)
    build = more.builds["x86_64"]
    assert [each.seen for each in build.artifacts["gvisor.tar.zstd"].witnesses] == [TODAY]
    assert [each.seen for each in build.members["runsc"].witnesses] == ["2026-12-24"]


def test_evidence_of_a_suite_that_is_gone_is_kept_where_it_is_asked_for(
    server: ReleaseServer, cache: Path
) -> None:
    files = dict(server.files)
    publish_suite(server)
    earlier = made(server, cache, evidence=apt())
    server.files.clear()
    server.files.update(files)
    later = made(server, cache, evidence=apt(), today="2026-12-24")
    assert later.lacking(APT)
    assert later.dated_as(earlier, APT) == earlier
    assert later.dated_as(earlier).lacking(APT)


def test_the_architectures_that_are_published_are_found(server: ReleaseServer, cache: Path) -> None:
    source = source_at(server, cache)
    assert published(source, VERSION) == ["x86_64", "aarch64"]
    assert published(source, OLD) == ["x86_64"]
    with pytest.raises(NodeprovError, match=r"there is no gVisor 20200101\.0"):
        published(source, "20200101.0")
    server.faults[f"/release/{OLD}/aarch64/gvisor.tar.zstd.sha512"] = [status(403)]
    assert published(source, OLD) == ["x86_64"]


def test_what_an_origin_serves_no_more_is_said(server: ReleaseServer, cache: Path) -> None:
    lock = made(server, cache)
    assert origin_differs(source_at(server, cache), lock) == []
    server.publish(VERSION, archived("20261005.0", "aarch64"), "aarch64")
    [said] = origin_differs(source_at(server, cache), lock)
    assert "aarch64" in said
    assert moved(source_at(server, cache), lock, VERSION) == []


def test_a_version_that_moves_has_moved(server: ReleaseServer, cache: Path) -> None:
    lock = made(server, cache, architectures=["x86_64"])
    assert moved(source_at(server, cache), lock, "latest") == []
    server.publish("latest", loose("20261005.0") | archived("20261005.0"))
    assert len(moved(source_at(server, cache), lock, "latest")) == 1
