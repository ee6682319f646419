from __future__ import annotations

import json
from pathlib import Path

from nodeprov.cli.fetch import _wanted
from nodeprov.inventory import parse
from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder, with_trust
from tests.support.obtaining import OLD, VERSION
from tests.support.release_server import ReleaseServer, archived, loose


def test_all_that_the_nodes_want_is_fetched_for_all_that_is_published(folder: Path, server: ReleaseServer) -> None:
    server.publish(VERSION, archived(VERSION, "aarch64"), "aarch64")
    server.publish(OLD, loose(OLD))
    with_trust(folder, server)
    output = at_home(folder, "fetch", "--json", "--set", f"nodes.worker2.release.version={OLD}")
    assert output.returncode == 0, said(output)
    found = json.loads(output.text)
    assert [(each["version"], each["architecture"]) for each in found["releases"]] == [
        (VERSION, "aarch64"),
        (VERSION, "x86_64"),
        (OLD, "x86_64"),
    ]
    assert all(Path(each["path"], "runsc").exists() for each in found["releases"])
    assert found["releases"][0].keys() == {
        *("version", "architecture", "origin", "layout", "sha512", "files", "bytes", "path")
    }


def test_each_digest_that_is_pinned_counts() -> None:
    pins = "".join(
        f'[nodes.{name}.release.sha512.x86_64]\n"gvisor.tar.zstd" = "{digit * 128}"\n'
        for name, digit in (("worker1", "0"), ("worker2", "1"))
    )
    whole = parse(f'[release]\nversion = "{VERSION}"\n{pins}[nodes.worker3]\n[nodes.worker4]\n', "x")
    assert len(_wanted(whole)) == 3


def test_with_a_lock_it_is_that_which_is_locked_and_then_no_network_is_needed(
    folder: Path, server: ReleaseServer
) -> None:
    locked_folder(folder, server)
    (folder / "cache" / "releases").rename(folder / "gone")
    output = at_home(folder, "fetch")
    assert output.returncode == 0, said(output)
    assert output.text.startswith(f"{VERSION} for x86_64: 4 files, 0 MiB: {folder}/cache/")
    server.files.clear()
    server.requests.clear()
    assert at_home(folder, "fetch").returncode == 0
    assert server.requests == []


def test_what_is_not_locked_or_not_known_is_refused(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "fetch", "--arch", "aarch64")
    assert (output.returncode, "nodeprov lock" in said(output)) == (1, True)
    output = at_home(folder, "fetch", "--arch", "mips")
    assert (output.returncode, "use x86_64 or aarch64" in said(output)) == (2, True)
