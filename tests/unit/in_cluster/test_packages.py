"""The packages of Debian in the image of the engine: pinned, fetched once, and what of them goes in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.packages import DEBIAN, Packages, fetched, pinned, unpacked
from tests.support.debian_folder import debian_folder


def of(packages: Packages, origins: tuple[str, ...], cache: Path) -> list[str]:
    found = fetched(packages, "x86_64", cache, lambda *_: None, origins)
    return sorted(name for name, _ in unpacked(found))


def test_each_package_is_pinned_for_each_architecture() -> None:
    packages = pinned()
    assert packages.of.keys() == {"x86_64", "aarch64"}
    names = [[each.name for each in found] for found in packages.of.values()]
    assert names[0] == names[1]
    assert {"python3.13-minimal", "util-linux", "libc6"} <= set(names[0])
    for each in (each for found in packages.of.values() for each in found):
        assert re.fullmatch("[0-9a-f]{128}", each.sha512)
        assert each.path.startswith("pool/main/")
        assert each.path.endswith(".deb")


def test_debian_is_asked_and_then_its_archive_as_it_was_on_a_day() -> None:
    first, then = pinned().origins
    assert first == DEBIAN
    assert re.fullmatch(r"https://snapshot\.debian\.org/archive/debian/\d{8}T000000Z", then)


def test_only_what_the_engine_needs_is_taken_and_every_licence(tmp_path: Path) -> None:
    packages, folder = debian_folder(tmp_path / "debian")
    assert of(packages, (str(folder),), tmp_path / "cache") == [
        "usr/bin/nsenter",
        "usr/bin/python3.13",
        "usr/share/doc/util-linux/copyright",
        "usr/share/zoneinfo/UTC",
    ]


def test_what_was_fetched_is_not_asked_for_again(tmp_path: Path) -> None:
    packages, folder = debian_folder(tmp_path / "debian")
    before = of(packages, (str(folder),), tmp_path / "cache")
    for path in folder.rglob("*.deb"):
        path.unlink()
    assert of(packages, (str(folder),), tmp_path / "cache") == before


def test_the_next_origin_has_what_the_first_one_has_not_any_more(tmp_path: Path) -> None:
    packages, folder = debian_folder(tmp_path / "debian")
    (tmp_path / "empty").mkdir()
    assert of(packages, (str(tmp_path / "empty"), str(folder)), tmp_path / "cache")
    with pytest.raises(NodeprovError, match="is nowhere: neither at") as error:
        of(packages, (str(tmp_path / "empty"),), tmp_path / "other")
    assert "--debian URL" in error.value.hint


def test_a_package_of_other_bytes_is_refused(tmp_path: Path) -> None:
    packages, folder = debian_folder(tmp_path / "debian")
    next(iter(sorted(folder.rglob("python3*amd64.deb")))).write_bytes(b"!<arch>\nevil")
    with pytest.raises(NodeprovError, match="sha512"):
        of(packages, (str(folder),), tmp_path / "cache")
