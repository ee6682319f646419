"""A release that does not exist, or is not what it says: the node is as it was, and the message says so."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from nodeprov_lab.gvisor_releases import release_archive, sha512_line
from tests.lab.machines import CONFIG, CURRENT, NEW, OLD, WORKER, Kubectl, Machine, released
from tests.lab.running import installed, nodeprov, refused, variant


def test_a_wrong_pinned_digest(untouched: Machine, tmp_path: Path) -> None:
    pins = f'{{ x86_64 = {{ "gvisor.tar.zstd" = "{"0" * 128}" }} }}'
    refused(nodeprov("install", WORKER, "--yes", inventory=variant(tmp_path, release__sha512=pins)), "0" * 128)


def test_an_origin_whose_file_is_not_the_one_of_its_sum(untouched: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "release" / NEW / "x86_64"
    folder.mkdir(parents=True)
    (folder / "gvisor.tar.zstd").write_bytes(b"not what was published")
    (folder / "gvisor.tar.zstd.sha512").write_text(f"{'1' * 128}  gvisor.tar.zstd\n")
    inventory = variant(tmp_path, release__base_url=f'"{tmp_path}/mirror"')
    refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "gvisor.tar.zstd")


def test_a_release_that_does_not_exist_answers_404_with_xml(untouched: Machine, tmp_path: Path) -> None:
    inventory = variant(tmp_path, release__version='"20260101.0"')
    refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "404", "20260101.0")


def test_a_mixed_release_is_found_by_running_it_and_the_one_in_force_stays(
    worker: Machine, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who pins a digest has said that these bytes are meant; that the parts do not fit shows in a sandbox."""
    digest = mixed_release(tmp_path / "mirror" / "release" / NEW / "x86_64")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    installed(WORKER, inventory=variant(tmp_path, release__version=f'"{OLD}"'))
    kubectl.pod("sandboxed", WORKER, sandboxed=True)
    current = worker.run(f"readlink {CURRENT}; cat {CURRENT}/runsc.toml; sha256sum {CONFIG}")
    pod, pid = kubectl.container("sandboxed"), worker.pid()
    mixed = variant(
        tmp_path,
        release__base_url=f'"{tmp_path}/mirror"',
        release__sha512=f'{{ x86_64 = {{ "gvisor.tar.zstd" = "{digest}" }} }}',
    )
    ended = nodeprov("install", WORKER, "--yes", inventory=mixed)
    refused(ended, "no sandbox runs through /opt/nodeprov/handlers/runsc/", "the node is as before")
    assert worker.run(f"readlink {CURRENT}; cat {CURRENT}/runsc.toml; sha256sum {CONFIG}") == current
    assert worker.pid() == pid
    assert kubectl.container("sandboxed")["containerID"] == pod["containerID"]


def mixed_release(folder: Path) -> str:
    """Publish a release whose sentry is of another one; return its digest."""
    with zstandard.open(released(NEW) / "gvisor.tar.zstd") as packed:
        members = unpacked(packed.read())
    members["gvisor-bin/gvisor_sentry"] = (released(OLD) / "runsc").read_bytes()
    content = zstandard.compress(release_archive(members), 1)
    folder.mkdir(parents=True)
    (folder / "gvisor.tar.zstd").write_bytes(content)
    (folder / "gvisor.tar.zstd.sha512").write_text(line := sha512_line(content, "gvisor.tar.zstd"))
    return line.split()[0]


def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in found.items() if file is not None}
