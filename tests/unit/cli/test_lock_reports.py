from __future__ import annotations

import json
from pathlib import Path

from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder, with_trust
from tests.support.obtaining import VERSION
from tests.support.release_server import ReleaseServer, archived, tree
from tests.support.signing import allowed

NEXT = "20261005.0"


def test_a_lock_that_is_right_differs_in_nothing(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "lock", "--check")
    assert output.returncode == 0, said(output)
    assert json.loads(at_home(folder, "lock", "--check", "--json").text)["differences"] == []


def test_another_release_in_the_inventory_is_a_difference(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "lock", "--check", "--set", f"release.version={NEXT}")
    assert output.returncode == 3
    assert f"the inventory wants {NEXT}, and the lock has {VERSION}" in output.text


def test_another_origin_is_a_difference(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "lock", "--check", "--set", f"release.base_url={server.url}/other")
    assert output.returncode == 3
    assert "the inventory has the origin" in output.text


def test_other_bytes_at_the_origin_are_a_difference(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    server.publish(VERSION, archived(NEXT))
    output = at_home(folder, "lock", "--check")
    assert output.returncode == 3
    assert "has other digests for gvisor.tar.zstd" in output.text


def test_a_newer_latest_is_a_difference_where_that_is_wanted(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    assert at_home(folder, "lock", "--check", "--set", "release.version=latest").returncode == 0
    server.publish("latest", archived(NEXT))
    output = at_home(folder, "lock", "--check", "--set", "release.version=latest")
    assert output.returncode == 3
    assert "latest is another release for x86_64 now" in output.text


def test_evidence_that_is_required_and_not_there_is_a_difference(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "lock", "--check", "--require", "apt")
    assert output.returncode == 3
    assert "no evidence as strong as apt for runsc for x86_64" in output.text


def test_a_lock_that_is_not_signed_is_refused_where_signers_are_configured(
    folder: Path, server: ReleaseServer
) -> None:
    allowed(folder, "ann")
    locked_folder(folder, server, trust='allowed_signers = "allowed_signers"')
    output = at_home(folder, "lock", "--check")
    assert output.returncode == 2
    assert "it is not signed" in said(output)


def test_what_another_release_changes_is_shown(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    files = {**tree(NEXT), "gvisor-bin/new": b"new"}
    for name in ("latest", NEXT):
        server.publish(name, archived(NEXT, files=files))
    output = at_home(folder, "lock", "--diff")
    assert output.returncode == 0, said(output)
    assert output.text.startswith(f"{VERSION} -> {NEXT}\n")
    assert "  + gvisor-bin/new (3 bytes)\n" in output.text
    assert "flags: not known" in output.text
    value = json.loads(at_home(folder, "lock", "--diff", "--release", NEXT, "--json").text)
    assert (value["before"], value["after"], value["flags"]) == (VERSION, NEXT, None)


def test_limits_that_came_are_shown(folder: Path, server: ReleaseServer) -> None:
    old = "20260105.0"
    server.publish(old, archived(old))
    with_trust(folder, server)
    assert at_home(folder, "lock", "--release", old).returncode == 0
    output = at_home(folder, "lock", "--diff", "--release", VERSION)
    assert "+ not with containerd from 1.6 before 1.7: the shim answers it in JSON" in output.text
