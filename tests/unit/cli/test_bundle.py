from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from tests.support.bundles import bundled_folder, opened, wheel
from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder, with_trust
from tests.support.obtaining import VERSION
from tests.support.release_server import ReleaseServer, archived
from tests.support.signing import allowed, ssh_key


@pytest.fixture
def locked(folder: Path, server: ReleaseServer) -> Path:
    server.publish(VERSION, archived(VERSION, "aarch64"), "aarch64")
    locked_folder(folder, server)
    return folder


def test_a_bundle_has_all_that_is_locked_the_wheels_and_the_test_pods_image(locked: Path) -> None:
    wheel(locked / "wheels")
    output = at_home(locked, "bundle", "bundle.tar", "--wheels", "wheels", "--json")
    assert output.returncode == 0, said(output)
    found = json.loads(output.text)
    assert found["architectures"] == ["aarch64", "x86_64"]
    assert [each.partition("-")[0] for each in found["wheels"]] == ["nodeprov"]
    assert found["bytes"] == (locked / "bundle.tar").stat().st_size
    kinds = [each["annotations"]["io.nodeprov.kind"] for each in opened(locked / "bundle.tar")["manifests"]]
    assert kinds == ["release", "test-pod", "lock", "wheels"]
    assert not [each for each in locked.iterdir() if each.name.startswith(".n") or each.name.startswith(".b")]


def test_the_same_input_gives_the_same_bytes_and_needs_no_network(locked: Path, server: ReleaseServer) -> None:
    server.requests.clear()
    for name in ("one.tar", "two.tar"):
        output = at_home(locked, "bundle", name, "--no-wheels", "--arch", "x86_64")
        assert output.returncode == 0, said(output)
    assert (locked / "one.tar").read_bytes() == (locked / "two.tar").read_bytes()
    assert server.requests == []


def test_what_cannot_be_bundled_is_refused_with_what_to_type(locked: Path) -> None:
    output = at_home(locked, "bundle", "bundle.tar")
    assert (output.returncode, "pip wheel" in said(output), "--no-wheels" in said(output)) == (2, True, True)
    assert at_home(locked, "bundle", "bundle.tar", "--wheels", "none").returncode == 2
    assert at_home(locked, "bundle", "bundle.tar", "--wheels", "none", "--no-wheels").returncode == 2
    output = at_home(locked, "bundle", "nodeprov.lock", "--no-wheels")
    assert (output.returncode, "is left as it is" in said(output)) == (2, True)
    assert at_home(locked, "bundle", "none/bundle.tar", "--no-wheels").returncode == 1
    (locked / "nodeprov.lock").unlink()
    output = at_home(locked, "bundle", "bundle.tar", "--no-wheels")
    assert (output.returncode, "nodeprov lock" in said(output)) == (2, True)
    assert not (locked / "bundle.tar").exists()


def test_a_release_that_is_not_the_locked_one_leaves_no_file(locked: Path) -> None:
    [program] = (locked / "cache" / "releases").rglob("x86_64/tree/runsc")
    status = program.stat()
    program.write_bytes(program.read_bytes()[:-1] + b"x")
    os.utime(program, ns=(status.st_atime_ns, status.st_mtime_ns))
    output = at_home(locked, "bundle", "bundle.tar", "--no-wheels")
    assert (output.returncode, "the lock has" in said(output)) == (1, True)
    assert not [each for each in locked.iterdir() if "bundle" in each.name]


def test_releases_come_from_a_bundle_where_there_is_no_network(folder: Path, server: ReleaseServer) -> None:
    bundle = bundled_folder(folder, server)
    away = folder / "away"
    away.mkdir()
    with_trust(away, server)
    server.files.clear()
    for options, expected in (
        (("fetch", "--from", str(bundle)), 0),
        (("fetch", "--from", str(bundle), "--arch", "aarch64"), 1),
        (("fetch", "--arch", "x86_64"), 0),
    ):
        output = at_home(away, *options)
        assert output.returncode == expected, said(output)
    assert "bundle.tar" in said(at_home(away, "install", "worker1", "--from", str(bundle), "--yes"))


@pytest.mark.parametrize("command", [["install", "worker1", "--yes"], ["fetch"]])
def test_an_unsigned_or_altered_bundle_is_refused_before_anything_is_touched(
    folder: Path, server: ReleaseServer, command: list[str]
) -> None:
    bundle = bundled_folder(folder, server)
    away = folder / "away"
    away.mkdir()
    allowed(away, "ann")
    with_trust(away, server, 'allowed_signers = "allowed_signers"')
    options = [*command, "--from", str(bundle)]

    def refused(words: str) -> None:
        output = at_home(away, *options)
        assert output.returncode == 2, said(output)
        assert words in said(output)
        assert "cannot be reached" not in said(output)
        assert not (away / "cache" / "releases").exists()

    refused("it is not signed")
    output = at_home(away, "sign", str(bundle), "--key", str(ssh_key("bob")))
    assert (output.returncode, "does not allow" in said(output)) == (2, True)
    refused("it is not signed")
    output = at_home(away, "sign", str(bundle), "--key", str(ssh_key("ann")))
    assert output.returncode == 0, said(output)
    content = bundle.read_bytes()
    middle = len(content) // 2  # within the test pod's program
    bundle.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    refused("has the sha256")
    bundle.write_bytes(content)
    output = at_home(away, *options)
    assert "signed by ann@example.com" in said(output)
    assert ("cannot be reached" in said(output)) == (command != ["fetch"])


def test_a_plan_that_installs_nothing_takes_no_bundle(folder: Path) -> None:
    output = at_home(folder, "plan", "worker1", "--uninstall", "--from", "bundle.tar")
    assert (output.returncode, "--uninstall installs none" in said(output)) == (2, True)


def test_an_altered_bundle_is_not_signed(folder: Path, server: ReleaseServer) -> None:
    bundle = bundled_folder(folder, server)
    bundle.write_bytes(bundle.read_bytes()[:-1])
    output = at_home(folder, "sign", "bundle.tar", "--key", str(ssh_key("ann")))
    assert (output.returncode, "copy it again" in said(output)) == (2, True)
    assert not list(folder.glob("*.sig"))


def test_the_documentation_takes_the_wheels_out_without_nodeprov(folder: Path, server: ReleaseServer) -> None:
    packed = wheel(folder / "wheels")
    bundled_folder(folder, server, "--wheels", "wheels")
    text = (Path(__file__).parents[3] / "docs" / "releases.md").read_text()
    code = text.partition("<<'END'\n")[2].partition("END\n")[0]
    run_checked([sys.executable, "-I", "-", "bundle.tar", "out"], "no wheels", stdin=code.encode(), folder=folder)
    assert [(each.name, each.read_bytes()) for each in (folder / "out").iterdir()] == [
        (packed.name, packed.read_bytes())
    ]


def test_the_signature_can_be_verified_without_nodeprov(folder: Path, server: ReleaseServer) -> None:
    bundled_folder(folder, server)
    allowed(folder, "ann")
    assert at_home(folder, "sign", "bundle.tar", "--key", str(ssh_key("ann"))).returncode == 0
    text = (Path(__file__).parents[3] / "docs" / "releases.md").read_text()
    [command] = [line.strip() for line in text.splitlines() if line.strip().startswith("tar -xOf bundle.tar")]
    output = run_checked(["sh", "-c", command], "not verified", folder=folder)
    assert 'Good "nodeprov.bundle" signature for ann@example.com' in output
