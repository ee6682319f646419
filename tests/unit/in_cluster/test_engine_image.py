"""The image of the engine: what it has of Debian, of nodeprov and of what that imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.in_cluster.engine_image import LIBRARIES, build
from nodeprov.in_cluster.packages import fetched
from nodeprov.releases.container_image import Build, Member
from tests.support.debian_folder import debian_folder

SITE = "usr/lib/python3/dist-packages"


@pytest.fixture
def made(tmp_path: Path) -> Build:
    packages, folder = debian_folder(tmp_path / "debian")
    return build("aarch64", fetched(packages, "aarch64", tmp_path / "cache", lambda *_: None, (str(folder),)))


def test_the_system_is_a_layer_of_its_own_that_another_nodeprov_shares(made: Build) -> None:
    system, own = made.layers
    assert not any("nodeprov" in name for name in system if not name.startswith("etc/"))
    assert all(name.startswith((SITE, "usr/share/doc/")) for name in own)
    assert system["usr/bin/python3"] == Member(target="python3.13")
    assert system["lib"] == Member(target="usr/lib")
    assert "lib64" not in system


def test_it_has_nodeprov_with_its_templates_and_pins_and_the_node_s_program(made: Build) -> None:
    own = made.layers[1]
    for name in ("on_node/__main__.py", "templates/hosts/link-files.sh.j2", "in_cluster/packages.toml"):
        assert f"{SITE}/nodeprov/{name}" in own
    programs = [name for name in own if "/bin/" in name]
    assert [name.rpartition("/")[2] for name in sorted(programs)] == ["copier-aarch64", "probe-aarch64"]
    assert {own[name].mode for name in programs} == {0o755}


def test_what_it_has_of_libraries_is_for_every_machine_and_comes_with_its_licence(made: Build) -> None:
    own = made.layers[1]
    for name in LIBRARIES:
        assert f"{SITE}/{name}/__init__.py" in own
        assert any(each.startswith(f"usr/share/doc/{name}/LICEN") for each in own)
    assert not [name for name in own if name.endswith((".so", ".pyc")) or "__pycache__" in name]


def test_it_begins_the_engine_and_writes_nothing(made: Build) -> None:
    assert made.command == ("python3", "-m", "nodeprov.on_node")
    assert made.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert "/usr/sbin" in made.environment["PATH"]
