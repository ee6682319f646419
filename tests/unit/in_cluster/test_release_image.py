"""The image of a release, and the program in it, which copies it to a node."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251  the image's own program, with a root of its own
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.release_image import build, reference
from nodeprov.releases.cache import CachedFile
from nodeprov.releases.container_image import write_image
from nodeprov.releases.obtain import Release
from tests.support import samples
from tests.support.image_files import read_image


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = samples.release(tmp_path / "cache")
    members = tuple(
        CachedFile(each.path, (made.folder / each.path).stat().st_size, 0, each.sha256)
        for each in made.tree.entries
    )
    return replace(made, members=members)


class Container:
    """The image unpacked, with a folder in the place of the node's."""

    def __init__(self, release: Release, folder: Path) -> None:
        folder.mkdir()
        with (folder / "image.tar").open("wb") as target:
            write_image(reference("1"), {"x86_64": build(release)}, target, folder, lambda *_: None)
        self.root, self.image = folder / "root", read_image(folder / "image.tar")[2]["amd64"]
        self.image.unpacked(self.root)
        self.releases = self.root / "releases"
        self.releases.mkdir()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if os.geteuid():
            pytest.skip("another root is root's")
        environment = {
            "PATH": "/usr/sbin:/usr/bin",
            **dict(each.split("=", 1) for each in self.image.config["Env"]),
        }
        argv = [*self.image.config["Entrypoint"], *arguments]
        return subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.chroot(self.root),
        )


@pytest.fixture
def container(release: Release, tmp_path: Path) -> Container:
    return Container(release, tmp_path / "container")


def listing(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_brings_the_release_whole(container: Container, release: Release) -> None:
    ended = container.run("/releases/.incoming-r1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "2 files in /releases/.incoming-r1\n"
    assert listing(container.releases / ".incoming-r1") == listing(release.folder)
    assert [path.name for path in container.releases.iterdir()] == [".incoming-r1"]


def test_what_an_earlier_attempt_has_left_is_replaced(container: Container, release: Release) -> None:
    for name in (".incoming-r1", ".incoming-r1.part"):
        (container.releases / name).mkdir()
        (container.releases / name / "left").write_bytes(b"x")
    assert container.run("/releases/.incoming-r1").returncode == 0
    assert listing(container.releases / ".incoming-r1") == listing(release.folder)


def test_what_is_installed_already_and_the_same_is_linked(container: Container, release: Release) -> None:
    installed = container.releases / release.name
    installed.mkdir()
    (installed / "runsc").write_bytes((release.folder / "runsc").read_bytes())
    (installed / "containerd-shim-runsc-v1").write_bytes(b"damaged")
    assert container.run("/releases/.incoming-r1").returncode == 0
    brought = container.releases / ".incoming-r1"
    assert listing(brought) == listing(release.folder)
    assert (brought / "runsc").samefile(installed / "runsc")
    assert not (brought / "containerd-shim-runsc-v1").samefile(installed / "containerd-shim-runsc-v1")


def test_an_image_that_is_empty_brings_nothing_and_says_so(container: Container) -> None:
    for path in (container.root / "release").iterdir():
        path.unlink()
    ended = container.run("/releases/.incoming-r1")
    assert (ended.returncode, ended.stderr) == (1, "/release is empty\n")
    assert list(container.releases.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), ("relative",), ("/a", "/b")])
def test_it_is_told_where_to(container: Container, arguments: tuple[str, ...]) -> None:
    ended = container.run(*arguments)
    assert (ended.returncode, ended.stderr) == (1, "usage: copy FOLDER, by its whole path\n")


def test_an_architecture_without_a_copier_is_refused(release: Release) -> None:
    with pytest.raises(NodeprovError, match="without copier-riscv64") as error:
        build(replace(release, architecture="riscv64"))
    assert "script/bootstrap" in error.value.hint
