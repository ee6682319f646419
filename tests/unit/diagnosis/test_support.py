from __future__ import annotations

import io
import json
import os
import tarfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from nodeprov.containerd.distributions.distribution import Distribution, How, Source
from nodeprov.containerd.distributions.profiles import PROFILES
from nodeprov.diagnosis.support import Part, archive, collect, facts_json, without_contents
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import (
    ClusterSettings,
    ContainerdSettings,
    Paths,
    RuntimeClassSettings,
    RuntimeSettings,
    Settings,
)
from nodeprov.node.receipts import Written, to_json
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState
from tests.support.samples import node, receipt_of, settings, with_daemon

SECRET = "hunter2-hunter2"
CONFIG = f'version = 3\n[plugins.x.registry.configs."r".auth]\nusername = "u"\npassword = "{SECRET}"\n'


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """This machine as a node with no containerd, whose files have secrets in them."""
    (tmp_path / "config.toml").write_text(CONFIG)
    receipts = tmp_path / "state" / "receipts"
    receipts.mkdir(parents=True)
    written = Written("file:/etc/containerd/config.toml", FileState(CONFIG.encode(), 0o644), None)
    (receipts / "000001-install.json").write_text(json.dumps(to_json(receipt_of(1, "install", written))))
    (receipts / "000002-install.json").write_text("damaged")
    current = tmp_path / "prefix" / "handlers" / "runsc" / "current"
    current.mkdir(parents=True)
    (current / "runsc.toml").write_text(f'binary_name = "/x"\n[runsc_config]\ntoken = "{SECRET}"\n')
    return tmp_path


def collected(
    machine: Path, kube: str = "", handlers: Mapping[str, Settings] = MappingProxyType({})
) -> dict[str, Part]:
    program = machine / "kubectl"
    program.write_text(f"#!/bin/sh\n{kube}\n")
    program.chmod(0o755)
    wanted = settings(
        containerd=ContainerdSettings(config=str(machine / "config.toml"), unit="none-such.service"),
        paths=Paths(prefix=str(machine / "prefix"), state=str(machine / "state")),
        cluster=ClusterSettings(enabled=bool(kube), kubectl=str(program)),
    )
    readers = {Place.NODE: LocalHost(), **({Place.CLUSTER: LocalHost()} if kube else {})}
    return {part.name: part for part in collect(replace(node(wanted), handlers=handlers), readers, GVISOR)}


def test_what_can_be_read_is_there_and_what_cannot_says_why(machine: Path) -> None:
    parts = collected(machine)
    there = {name for name, part in parts.items() if not part.why}
    missing = {name for name, part in parts.items() if part.why}
    assert {
        "facts.json",
        "receipts/000001-install.json",
        "receipts/damaged.json",
        "containerd/config.toml",
        "runsc/runsc.toml",
    } <= there
    assert {"runsc/version.txt", "cluster/"} <= missing
    assert "not found" in parts["runsc/version.txt"].why
    assert json.loads(parts["facts.json"].text)["node"] == "worker1"


def test_no_secret_and_no_files_content_is_in_it(machine: Path) -> None:
    said = f'echo \'annotations: {{"password": "{SECRET}"}}\''
    everything = "".join(part.text + part.why for part in collected(machine, said).values())
    assert SECRET not in everything
    assert b64encode(CONFIG.encode()).decode()[:40] not in everything
    assert "(not shown)" in everything


def test_a_receipt_keeps_digests_in_the_place_of_contents(machine: Path) -> None:
    receipt = json.loads(collected(machine)["receipts/000001-install.json"].text)
    before = receipt["changes"][0]["before"]
    assert (before["bytes"], len(before["sha256"]), "base64" in before) == (len(CONFIG), 64, False)
    assert receipt["author"] == {"user": "ann", "controller": "desk", "version": "0.1.0"}
    assert without_contents({"base64": "?"}) == {"damaged": True}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda each: each.name)
def test_a_distribution_is_told_by_its_name_and_what_it_reads_without_its_content(profile: Distribution) -> None:
    state = FileState(SECRET.encode(), 0o644)
    source = Source("/etc/k0s/x.toml", How.DROP_IN, 3, state, 12.0, "/etc/k0s/x.toml", SECRET, "2.4.2")
    told = facts_json(with_daemon(distribution=profile, source=source))["daemon"]
    assert json.loads(json.dumps(told))["distribution"] == profile.name
    assert told["source"] == {
        "path": "/etc/k0s/x.toml",
        "how": "as a file of its own",
        "version": 3,
        "changed_at": 12.0,
        "leads_to": "/etc/k0s/x.toml",
        "daemon_version": "2.4.2",
    }


def test_the_switch_is_there_by_the_names_of_its_files_and_not_by_what_is_in_them(machine: Path) -> None:
    assert "No such file" in collected(machine)["switch/files.txt"].why
    folder = machine / "state" / "switch"
    folder.mkdir()
    (folder / "old.1").write_text(CONFIG)
    (folder / "outcome").write_text("restored by the switch\nit does not serve\n")
    parts = collected(machine)
    files = parts["switch/files.txt"].text
    assert ("old.1" in files, "outcome" in files, "username" in files) == (True, True, False)
    assert "it does not serve" in parts["facts.json"].text


@pytest.mark.parametrize(
    "unit",
    [
        "kubelet",
        "k3s",
        "k3s-agent",
        "rke2-server",
        "rke2-agent",
        "k0scontroller",
        "k0sworker",
        "snap.microk8s.daemon-kubelite",
    ],
)
def test_the_journal_of_kubelet_is_that_of_the_unit_which_runs_it_in_any_distribution(
    machine: Path, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{machine}:{os.environ['PATH']}")
    journalctl = machine / "journalctl"
    journalctl.write_text(
        f'#!/bin/sh\nfor each; do [ "${{each%.service}}" != {unit} ] || echo a line of {unit}; done\n'
    )
    journalctl.chmod(0o755)
    assert collected(machine)["journal/kubelet.txt"].text == f"a line of {unit}\n"


def test_a_cluster_that_does_not_answer_is_missing_with_its_words(machine: Path) -> None:
    parts = collected(machine, "echo 'The connection was refused' >&2; exit 1")
    assert parts["cluster/node.json"].why == "The connection was refused"
    assert not parts["containerd/config.toml"].why
    good = collected(machine, 'echo "{}"')
    assert good["cluster/node.json"].text.strip() == "{}"


def test_each_handler_of_the_node_and_its_canary_has_its_files_and_its_runtime_class(machine: Path) -> None:
    prefix = machine / "prefix" / "handlers"
    for handler in ("runsc-kvm", "runsc-next"):
        (prefix / handler / "current").mkdir(parents=True)
        (prefix / handler / "current" / "runsc.toml").write_text(f'of = "{handler}"\n')
    second = replace(
        settings(paths=Paths(prefix=str(machine / "prefix"), state=str(machine / "state"))),
        runtime=RuntimeSettings(handler="runsc-kvm"),
        runtime_class=RuntimeClassSettings(name="gvisor-kvm"),
    )
    parts = collected(machine, 'echo "$*"', {"runsc-kvm": second})
    for handler in ("runsc-kvm", "runsc-next"):
        assert parts[f"handlers/{handler}/runsc.toml"].text == f'of = "{handler}"\n'
        assert parts[f"handlers/{handler}/version.txt"].why
    for name in ("gvisor-kvm", "gvisor-next"):
        assert f"runtimeclass {name}" in parts[f"cluster/runtimeclass-{name}.json"].text


class Unreachable:
    """A host to which there is no way."""

    name = "worker1"

    def ask(self, queries: Any) -> list[Any]:
        raise NodeprovError("cannot be reached", where="worker1")


def test_a_node_that_cannot_be_reached_is_missing_as_a_whole() -> None:
    parts = collect(node(settings(cluster=ClusterSettings(enabled=False))), {Place.NODE: Unreachable()}, GVISOR)
    assert {part.why for part in parts if part.name != "cluster/"} == {"cannot be reached"}


def test_an_archive_has_every_part_below_one_folder_and_a_list_of_the_missing() -> None:
    packed = archive("n", [Part("a/b.txt", "grün\udcff"), Part("c", why="gone")], 1_000_000)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert [(each.name, each.mode, each.mtime) for each in tar] == [
            ("n/a/b.txt", 0o600, 1_000_000),
            ("n/missing.txt", 0o600, 1_000_000),
        ]
        texts = [tar.extractfile(each) for each in tar.getmembers()]
        assert [each.read().decode() for each in texts if each] == ["grün\\udcff", "c: gone\n"]
    assert packed == archive("n", [Part("a/b.txt", "grün\udcff"), Part("c", why="gone")], 1_000_000)
