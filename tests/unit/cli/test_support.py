"""`nodeprov support` as one calls it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.command_line import nodeprov


def test_support_for_a_node_that_cannot_be_reached_is_written_and_ends_with_1(folder: Path) -> None:
    output = nodeprov("support", "worker1", "--out", "x.tar.gz", "--json", folder=folder)
    assert output.returncode == 1
    value = json.loads(output.stdout)
    assert (value["archive"], [file["name"] for file in value["files"]]) == (
        "x.tar.gz",
        ["nodeprov.json", "settings.toml"],
    )
    assert {"facts.json", "journal/containerd.txt"} <= {each["name"] for each in value["missing"]}
    assert (folder / "x.tar.gz").stat().st_mode & 0o777 == 0o600


def test_what_the_cluster_says_is_no_answer_of_the_node(folder: Path) -> None:
    kubectl = folder / "kubectl"
    kubectl.write_text("#!/bin/sh\necho '{}'\n")
    kubectl.chmod(0o755)
    where = ("--set", f"cluster.kubectl={kubectl}", "--set", "cluster.enabled=true")
    output = nodeprov("support", "worker1", "--out", "x.tar.gz", "--json", *where, folder=folder)
    assert output.returncode == 1
    names = [file["name"] for file in json.loads(output.stdout)["files"]]
    assert any(each.startswith("cluster/") for each in names)
