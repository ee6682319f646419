from __future__ import annotations

import re
from pathlib import Path

import nodeprov.runtimes
from nodeprov.hosts.local import run_checked
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.support.command_line import NODEPROV


def test_the_family_releases_this_software() -> None:
    assert GVISOR.software is SOFTWARE
    assert nodeprov.runtimes.FAMILY is GVISOR


def test_a_point_release_is_what_does_not_move() -> None:
    said = {
        each: SOFTWARE.is_point_release(each) for each in ("20260905.0", "20260905", "latest", "20260905.0.1", "")
    }
    assert said == {"20260905.0": True, "20260905": False, "latest": False, "20260905.0.1": False, "": False}


def test_the_suite_of_a_release_is_named_by_its_day() -> None:
    assert SOFTWARE.package
    found = SOFTWARE.package.suite.match("20260905.12")
    assert isinstance(found, re.Match)
    assert found[0] == "20260905"
    assert SOFTWARE.package.architectures.keys() == set(SOFTWARE.architectures)


def test_who_reads_a_lock_does_not_wait_for_the_family() -> None:
    code = "import sys, nodeprov.cli.locking, nodeprov.releases.lock_text, nodeprov.runtimes; print(*sys.modules)"
    modules = run_checked([NODEPROV[0], "-c", code], "cannot import", folder=Path(__file__).parents[4]).split()
    assert "nodeprov.runtimes.gvisor.software" in modules
    assert "nodeprov.runtimes.gvisor.family" not in modules
    assert "nodeprov.hosts.ssh_signatures" not in modules
