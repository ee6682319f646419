"""What a wheel has: all that a checkout has, for whoever installs nodeprov elsewhere."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

from nodeprov.cli.main import COMMANDS
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov_lab.nspawn.lab import STATE

CHECKOUT = Path(__file__).parents[2]
BUILD = ("-m", "pip", "wheel", str(CHECKOUT), "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir")
ONLY_TO_BUILD = {"nodeprov/kubernetes/probe/hatch_build.py"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel of this checkout has in it, as pip unpacks it."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run_program([sys.executable, *BUILD, str(folder)], timeout_seconds=300)
    assert built.returncode == 0, built.said
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def nodeprov(site: Path, *arguments: str) -> Output:
    output = run_program(
        [sys.executable, "-m", "nodeprov", *arguments],
        environment={"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
        folder=site.parent,
    )
    assert output.returncode == 0, output.said
    return output


def test_every_file_of_the_packages_is_in_it(site: Path) -> None:
    listed = run_program(
        ["git", "ls-files", "nodeprov", "nodeprov_lab", "templates"], folder=CHECKOUT
    ).text.split()
    assert len(listed) > 200
    names = [
        name.replace("templates/", "nodeprov/templates/", 1) if name.startswith("t") else name for name in listed
    ]
    assert [name for name in names if not (site / name).exists() and name not in ONLY_TO_BUILD] == []


def test_the_labs_inventory_is_a_file_that_is_there(site: Path) -> None:
    path = site / "nodeprov_lab" / "nspawn" / "lab.toml"
    # A lab of another size, which may be up, has an inventory of its own.
    assert Path(nodeprov(site, "lab", "inventory").text.strip()) in (path, STATE.inventory)
    assert path.read_text() == (CHECKOUT / "inventory" / "lab.toml").read_text()
    assert "worker1" in nodeprov(site, "inventory", "--inventory", str(path)).text


def test_the_checkout_has_no_part_in_it(site: Path) -> None:
    source = "import nodeprov_lab, nodeprov.templates as t; print(t._PACKAGED.is_dir(), nodeprov_lab.__file__)"
    output = run_program(
        [sys.executable, "-c", source], environment={"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}, folder=site
    )
    assert output.text.split() == ["True", f"{site}/nodeprov_lab/__init__.py"]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_help_names_a_file_that_only_a_checkout_has(site: Path, command: str) -> None:
    folders = "|".join(path.name for path in CHECKOUT.iterdir() if path.is_dir() and not path.name.startswith("."))
    assert re.findall(rf"(?<![\w/.-])(?:{folders})/[\w.-]+", nodeprov(site, command, "--help").text) == []
