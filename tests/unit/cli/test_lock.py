from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.releases.lock_text import to_text
from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder, with_trust
from tests.support.locks import read
from tests.support.obtaining import VERSION
from tests.support.release_server import ReleaseServer, archived, serving
from tests.support.signing import publish_suite, suite_key


def test_what_is_locked_can_be_read_and_is_the_same_again(folder: Path, server: ReleaseServer) -> None:
    lock = locked_folder(folder, server)
    text = lock.read_text()
    assert f'release = "{VERSION}"' in text
    output = at_home(folder, "lock", "--quiet")
    assert output.text == (
        f"{lock}: as it was: gVisor {VERSION}\n  x86_64: 4 files, 254 bytes; evidence for all of them: origin\n"
    )
    assert lock.read_text() == text
    assert lock.stat().st_mode & 0o777 == 0o644


def test_dates_stay_where_nothing_has_changed(folder: Path, server: ReleaseServer) -> None:
    lock = locked_folder(folder, server)
    found = read(lock.read_text())
    build = found.builds["x86_64"]
    file = build.artifacts["gvisor.tar.zstd"]
    old = replace(file, witnesses=(replace(file.witnesses[0], seen="2026-01-01"),))
    earlier = replace(found, builds={"x86_64": replace(build, artifacts={"gvisor.tar.zstd": old})})
    lock.write_text(to_text(earlier))
    assert at_home(folder, "lock").returncode == 0
    assert lock.read_text() == to_text(earlier)


@pytest.mark.parametrize("asked", ["latest", VERSION.partition(".")[0]])
def test_what_moves_is_resolved_to_a_point_release(folder: Path, server: ReleaseServer, asked: str) -> None:
    server.publish(VERSION.partition(".")[0], archived(VERSION))
    with_trust(folder, server)
    output = at_home(folder, "lock", "--release", asked)
    assert output.returncode == 0, said(output)
    assert f"{asked} is {VERSION}" in said(output)
    assert f'release = "{VERSION}"' in (folder / "nodeprov.lock").read_text()


def test_all_architectures_that_are_published_are_locked(folder: Path, server: ReleaseServer) -> None:
    server.publish(VERSION, archived(VERSION, "aarch64"), "aarch64")
    lock = locked_folder(folder, server)
    assert "[architecture.aarch64]" in lock.read_text()
    assert at_home(folder, "lock", "--arch", "x86_64").returncode == 0
    assert "[architecture.aarch64]" not in lock.read_text()
    assert at_home(folder, "lock").returncode == 0
    assert "[architecture.aarch64]" not in lock.read_text()


def test_weaker_evidence_than_required_is_refused_and_nothing_is_written(
    folder: Path, server: ReleaseServer
) -> None:
    with_trust(folder, server, f'apt_keyring = "{suite_key().public}"')
    output = at_home(folder, "lock", "--require", "apt")
    assert output.returncode == 1
    assert "no evidence as strong as apt for containerd-shim-runsc-v1 for x86_64" in said(output)
    assert not (folder / "nodeprov.lock").exists()
    publish_suite(server)
    assert at_home(folder, "lock", "--require", "apt").returncode == 0
    assert suite_key().fingerprint in (folder / "nodeprov.lock").read_text()


def test_a_second_origin_is_asked(folder: Path, server: ReleaseServer) -> None:
    with serving() as other:
        other.files.update(server.files)
        lock = locked_folder(folder, server, "--witness", other.url, "--require", "second-origin")
        assert other.url in lock.read_text()
        other.files = dict.fromkeys(other.files, b"0" * 128)
        output = at_home(folder, "lock", "--witness", other.url)
    assert output.returncode == 1
    assert "one of the two serves something else" in said(output)
    assert other.url in lock.read_text()


def test_json_has_the_lock_and_its_evidence(folder: Path, server: ReleaseServer) -> None:
    with_trust(folder, server)
    value = json.loads(at_home(folder, "lock", "--json").text)
    assert (value["schema"], value["written"], value["path"]) == (1, True, str(folder / "nodeprov.lock"))
    assert value["lock"]["release"] == VERSION
    assert {"architecture": "x86_64", "member": "runsc", "kinds": ["origin"]} in value["evidence"]
    assert json.loads(at_home(folder, "lock", "--json").text)["written"] is False


def test_a_damaged_lock_is_written_anew(folder: Path, server: ReleaseServer) -> None:
    lock = locked_folder(folder, server)
    text = lock.read_text()
    lock.write_text(text.replace("gVisor", "runc"))
    output = at_home(folder, "lock")
    assert output.returncode == 0
    assert "nothing of it is kept: software is 'runc'" in said(output)
    assert lock.read_text() == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--release", "yesterday"], "'yesterday' is not a release"),
        (["--arch", "amd64"], "not published for 'amd64'"),
        (["--witness", "ftp://x"], "is not an address"),
        (["--check", "--release", "latest"], "--check compares the lock as it is"),
        (["--check", "--diff"], "--check"),
        (["--check"], "there is no lock"),
        (["--diff"], "there is no lock"),
    ],
)
def test_what_cannot_be_meant_is_said(
    folder: Path, server: ReleaseServer, options: list[str], message: str
) -> None:
    with_trust(folder, server)
    output = at_home(folder, "lock", *options)
    assert output.returncode == 2, said(output)
    assert message in said(output)
    assert not (folder / "nodeprov.lock").exists()


def test_a_signature_that_is_of_the_lock_before_is_said(folder: Path, server: ReleaseServer) -> None:
    lock = locked_folder(folder, server)
    (folder / "nodeprov.lock.sig").write_text("x")
    lock.unlink()
    assert "is of the lock before" in said(at_home(folder, "lock"))
