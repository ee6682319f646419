"""An Ansible inventory on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeprov.cli.ansible import PROGRAM
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov.inventory.ansible import read_listing
from tests.support.command_line import nodeprov, said
from tests.support.samples import GOLDEN

ANSIBLE = GOLDEN / "ansible"
Typed = Callable[..., Output]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """Type a command where ansible-inventory is a program that ends in some way."""

    def run(script: str, *arguments: str) -> Output:
        program = tmp_path / "bin" / PROGRAM
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        (tmp_path / "hosts.ini").write_text("[kube_node]\nworker-1\n")
        return nodeprov(*arguments, folder=tmp_path, PATH=f"{program.parent}:/usr/bin:/bin")

    return run


def test_nodes_are_those_of_the_listing(typed: Typed) -> None:
    output = typed(f"cat {ANSIBLE}/site.json", "inventory", "@gpu", "--inventory", "hosts.ini", "--json")
    assert output.returncode == 0
    value = json.loads(output.stdout)
    assert (value["inventory"], [node["node"] for node in value["nodes"]]) == ("hosts.ini", ["gpu-1"])
    assert "hosts.ini: ansible_ssh_common_args is not taken over: gpu-1; ProxyJump" in said(output)


def test_all_of_its_nodes_can_be_planned_for(typed: Typed) -> None:
    arguments = ("--all", "--inventory", "hosts.ini", "--set", "cluster.enabled=false", "--set", "ssh.port=9")
    listing = json.dumps({"_meta": {"hostvars": {"localhost": {}}}, "ungrouped": {"hosts": ["localhost"]}})
    output = typed(f"echo '{listing}'", "plan", *arguments, "--set", "release.version=20260905.0")
    assert output.returncode == 1
    assert "localhost (localhost): cannot be reached" in said(output)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'ERROR! no such plugin' >&2; exit 4", "ansible-inventory cannot read it: ERROR! no such plugin"),
        ("echo nothing", "ansible-inventory cannot read it: it is not JSON"),
        ("echo '{}'", "what ansible-inventory has printed is not understood"),
    ],
)
def test_what_ansible_does_not_read_is_refused(typed: Typed, script: str, expected: str) -> None:
    output = typed(script, "install", "--all", "-i", "hosts.ini", "--yes")
    assert output.returncode == 2
    assert f"hosts.ini: {expected}" in said(output)
    assert "ansible-inventory -i hosts.ini --list" in said(output)


def test_without_ansible_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").touch()
    output = nodeprov("plan", "--all", "-i", "hosts.ini", folder=tmp_path, PATH=str(tmp_path))
    assert output.returncode == 2
    assert "hosts.ini is an Ansible inventory, and ansible-inventory is not installed here" in said(output)
    assert "pipx install ansible-core" in said(output)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    output = nodeprov("plan", "--all", "-i", "gone.yml", folder=tmp_path)
    assert output.returncode == 2
    assert "cannot read the inventory gone.yml" in said(output)


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="needs ansible-core")
@pytest.mark.parametrize(
    ("source", "recorded"), [("site/hosts.ini", "site.json"), ("plain/hosts.yml", "plain.json")]
)
def test_the_real_program_says_what_was_recorded(source: str, recorded: str) -> None:
    """In an environment that has it: PATH=$PATH:VENV/bin pytest tests/unit/cli/test_ansible.py."""
    output = run_program([PROGRAM, "-i", str(ANSIBLE / source), "--list"])
    assert output.returncode == 0
    known = json.loads((ANSIBLE / recorded).read_text())
    assert read_listing(json.loads(output.stdout), source) == read_listing(known, source)
