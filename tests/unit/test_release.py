"""What `script/release` makes: the same bytes each time, and a program that needs no checkout."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

import nodeprov
from tests.support.sampling import by_turns
from tests.support.wheel import CHECKOUT, Installed, copy_of_the_checkout, release

pytestmark = by_turns

WHEEL = f"nodeprov-{nodeprov.__version__}-py3-none-any.whl"
SDIST = f"nodeprov-{nodeprov.__version__}.tar.gz"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a release, built in one place."""
    folder = tmp_path_factory.mktemp("release")
    release(copy_of_the_checkout(folder / "one"), folder / "dist")
    return folder / "dist"


def test_the_same_source_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    elsewhere = copy_of_the_checkout(tmp_path / "a place with another name")
    again = release(elsewhere, tmp_path / "dist", umask="077", zone="Asia/Tokyo")
    assert again == {path.name: path.read_bytes() for path in made.iterdir()}
    assert sorted(again) == ["SHA256SUMS", WHEEL, SDIST]


def test_another_source_gives_other_bytes(made: Path, tmp_path: Path) -> None:
    elsewhere = copy_of_the_checkout(tmp_path / "checkout")
    (elsewhere / "nodeprov" / "__init__.py").write_text(
        (elsewhere / "nodeprov" / "__init__.py").read_text() + "\n"
    )
    again = release(elsewhere, tmp_path / "dist")
    assert again[WHEEL] != (made / WHEEL).read_bytes()


def test_the_checksums_are_those_of_the_files(made: Path) -> None:
    lines = [line.split("  ") for line in (made / "SHA256SUMS").read_text().splitlines()]
    assert {name: digest for digest, name in lines} == {
        name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in (WHEEL, SDIST)
    }


def test_the_sdist_has_all_that_git_knows(made: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO((made / SDIST).read_bytes())) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"pyproject.toml", "script/release", "nodeprov/kubernetes/probe/hatch_build.py", "README.md"} <= names
    assert not any(name.startswith((".venv", ".git/")) for name in names)


def test_the_wheel_holds_no_tests(made: Path) -> None:
    roots = {name.partition("/")[0] for name in zipfile.ZipFile(made / WHEEL).namelist()}
    assert roots == {"nodeprov", "nodeprov_lab", f"nodeprov-{nodeprov.__version__}.dist-info"}


def test_what_is_installed_from_it_needs_no_checkout(made: Path, tmp_path: Path) -> None:
    installed = Installed(made / WHEEL, tmp_path / "environment")
    assert installed("--version").text.split()[-1] == nodeprov.__version__
    inventory = tmp_path / "nodeprov.toml"
    written = installed("init", str(inventory), "--node", "worker1=10.0.0.11", "--version", "20260905.0", "--yes")
    assert written.returncode == 0, written.said
    assert "worker1" in installed("inventory", "--inventory", str(inventory)).text
    assert str(CHECKOUT) not in installed("lab", "inventory").text
