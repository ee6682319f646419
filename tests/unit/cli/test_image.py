"""`nodeprov image` as one calls it."""

from __future__ import annotations

import json
from pathlib import Path

from nodeprov.hosts.local import run_program
from nodeprov.kubernetes import images
from tests.support.command_line import NODEPROV, at_home, said
from tests.support.image_files import read_image
from tests.support.locked import locked_folder, with_trust
from tests.support.obtaining import OLD, VERSION
from tests.support.release_server import ReleaseServer, archived, tree


def test_the_command_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "proof.tar"
    output = run_program([*NODEPROV, "image", str(path)])
    program = images.probe("x86_64")
    assert output.returncode == 0, output.said
    assert output.text == f"{path}: {images.reference(program)} for x86_64\n"
    assert path.read_bytes() == images.archive(program, "x86_64")
    told = json.loads(run_program([*NODEPROV, "image", str(tmp_path / "again.tar"), "--json"]).text)
    assert (told["reference"], told["architectures"]) == (images.reference(program), ["x86_64"])
    assert told["bytes"] == path.stat().st_size


def test_the_engine_s_image_needs_what_is_pinned(tmp_path: Path) -> None:
    (tmp_path / "debian").mkdir()
    output = at_home(tmp_path, "image", "engine.tar", "--engine", "--debian", str(tmp_path / "debian"))
    assert (output.returncode, "is nowhere: neither at" in said(output)) == (1, True)
    assert not (tmp_path / "engine.tar").exists()


def test_a_release_s_image_is_made_of_what_is_locked(folder: Path, server: ReleaseServer) -> None:
    server.publish(VERSION, archived(VERSION, "aarch64"), "aarch64")
    locked_folder(folder, server)
    for name in ("one.tar", "two.tar"):
        output = at_home(folder, "image", name, "--release", VERSION, "--json")
        assert output.returncode == 0, said(output)
    told = json.loads(output.text)
    reference, digest, builds = read_image(folder / "one.tar")
    assert (told["reference"], told["digest"]) == (reference, digest)
    assert told["architectures"] == ["aarch64", "x86_64"]
    assert builds["arm64"].content("release/runsc") == tree(VERSION, "aarch64")["runsc"]
    assert (folder / "one.tar").read_bytes() == (folder / "two.tar").read_bytes()
    text = at_home(folder, "image", "three.tar", "--release", VERSION, "--architecture", "x86_64").text
    assert text.splitlines()[0] == f"three.tar: localhost/nodeprov-release:{VERSION} for x86_64"
    assert text.splitlines()[1].startswith("localhost/nodeprov-release@sha256:")


def test_what_cannot_be_written_is_refused_with_what_to_type(folder: Path, server: ReleaseServer) -> None:
    output = at_home(folder, "image", "x.tar", "--engine", "--release", VERSION)
    assert (output.returncode, "one after the other" in said(output)) == (2, True)
    assert at_home(folder, "image", "x.tar", "--debian", "/x").returncode == 2
    output = at_home(folder, "image", "x.tar", "--release", "newest")
    assert (output.returncode, "'newest' is not a release such as" in said(output)) == (2, True)
    output = at_home(folder, "image", "none/x.tar", "--engine")
    assert (output.returncode, "make the folder none" in said(output)) == (1, True)
    assert at_home(folder, "image", "x.tar", "--engine", "--architecture", "sparc").returncode == 2
    with_trust(folder, server)
    output = at_home(folder, "image", "x.tar", "--release", VERSION)
    assert (output.returncode, "nodeprov lock" in said(output)) == (2, True)
    locked_folder(folder, server)
    output = at_home(folder, "image", "x.tar", "--release", OLD)
    assert (output.returncode, f"has the release {VERSION}" in said(output)) == (1, True)
    assert not (folder / "x.tar").exists()
