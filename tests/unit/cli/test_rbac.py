"""`nodeprov rbac` as one calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeprov import inventory
from nodeprov.errors import UsageError
from nodeprov.kubernetes.roles import manifest, roles
from tests.support.command_line import nodeprov, said

TEXT = '[release]\nversion = "20260905.0"\n[nodes.worker1]\n[nodes.worker2]\n'


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--service-account", "nodeprov"), "names no namespace"),
        (("--service-account", "a b/c"), "'a b' is not a valid name"),
        (("--name", "x\ny"), "is not a valid name"),
    ],
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, option: tuple[str, str], message: str) -> None:
    (tmp_path / "nodeprov.toml").write_text(TEXT)
    output = nodeprov("rbac", *option, folder=tmp_path)
    assert output.returncode == UsageError.exit_code
    assert message in said(output)


def test_the_command_prints_what_kubectl_reads_and_connects_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(TEXT)
    output = nodeprov("rbac", "--drain", folder=tmp_path)
    assert output.returncode == 0
    nodes = inventory.parse(TEXT, "inventory.toml").nodes
    assert output.text == manifest(roles(nodes, "nodeprov", drain=True), None)


def test_the_roles_are_json_too(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(TEXT)
    value = json.loads(nodeprov("rbac", "--json", folder=tmp_path).text)
    assert value["manifest"] == nodeprov("rbac", folder=tmp_path).text.rstrip("\n")
    (rule, *_) = value["roles"][0]["rules"]
    assert (rule["resource"], rule["verbs"], rule["names"]) == ("nodes", ["get", "patch"], ["worker1", "worker2"])
