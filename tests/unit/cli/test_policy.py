"""`nodeprov policy` as one calls it; what it does in a cluster: tests/cluster/test_policy.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import nodeprov, said
from tests.support.samples import golden

TEXT = '[release]\nversion = "20260905.0"\n[cluster]\nkubeconfig = "nowhere.conf"\n[nodes.worker1]\n'
TWO = f'{TEXT}[nodes.worker2.runtime_class]\nname = "other"\n[nodes.worker2.label]\nkey = "other"\n'


@pytest.mark.parametrize(
    ("inventory", "arguments", "message"),
    [
        (TEXT, ("render", "--without", "host-pth"), "there is no such rule\nhint: did you mean host-path?"),
        (TEXT, ("render", "--part", "guard"), "there is no such part\nhint: parts: default, required, guards"),
        (TEXT, ("render", "--handler", "x"), "no node has the handler x\nhint: handlers of the inventory: runsc"),
        (
            TEXT,
            ("apply", "--audit", "a", "--required", "a"),
            "namespace a has two modes: --audit and --required\nhint: give one of them",
        ),
        (TEXT, ("render", "--profile", "a b"), "--profile: 'a b' is not a valid name\nhint: it is a DNS label"),
        (TEXT, ("apply", "--required", ""), "--required: '' is not a valid name"),
        (TEXT, ("apply", "--default", "Shop"), "--default: 'Shop' is not a valid name"),
        (TEXT, ("audit", "-n", "--all"), "--namespace: '--all' is not a valid name"),
        (TWO, ("render",), "the inventory has several RuntimeClasses: gvisor (runsc), other (runsc)"),
        (TEXT, ("remove", "--set", "cluster.enabled=false"), "[cluster] enabled is false\nhint: add --set"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_reached(
    tmp_path: Path, inventory: str, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "nodeprov.toml").write_text(inventory)
    output = nodeprov("policy", *arguments, folder=tmp_path)
    assert (output.returncode, message in said(output)) == (2, True), said(output)


def test_a_cluster_that_cannot_be_read_is_told_with_what_to_try(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(TEXT)
    for command in ("audit", "remove", "apply"):
        output = nodeprov("policy", command, folder=tmp_path)
        assert (output.returncode, "hint: try: kubectl" in said(output)) == (1, True), said(output)


def test_one_of_several_classes_is_chosen_by_naming_its_node(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(TWO)
    output = nodeprov("policy", "render", "worker2", folder=tmp_path)
    assert "runtimeClassName: 'other'" in output.text


@pytest.mark.parametrize("command", ["", "render", "apply", "remove", "audit"])
def test_the_help_has_examples_and_exit_codes(command: str) -> None:
    output = nodeprov("policy", *filter(None, [command]), "--help")
    assert (output.returncode, "Exit code" in output.text) == (0, True)
    text = "\n".join(line.rstrip() for line in output.text.splitlines())
    golden(f"cli/help-policy{command and '-'}{command}.txt", text)
