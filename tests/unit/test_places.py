"""No error leaves without its place: the node, and where it is about a file, that file."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import nodeprov
from nodeprov.diagnosis import status
from nodeprov.diagnosis.doctor import examine
from nodeprov.diagnosis.verify import subject
from nodeprov.engine.fleet import Fleet, Results
from nodeprov.engine.look import Install, Uninstall
from nodeprov.engine.planner import Planned
from nodeprov.errors import CommandFailed, NodeprovError, Problem, Problems, UsageError
from nodeprov.hosts.base import Hosts, Place
from nodeprov.inventory import Node
from nodeprov.plan.plan import INSTALL, Plan
from nodeprov.plan.steps import Drain
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState
from tests.support.command_line import INVENTORY, said
from tests.support.command_line import nodeprov as typed
from tests.support.memory_host import MemoryHosts
from tests.support.runtimes import state_of
from tests.support.samples import CONFIG, FakeReader, a_run, good_daemon, good_facts, release, settings
from tests.support.samples import node as node_of
from tests.support.situations import ALONE

PATH = "/etc/containerd/config.toml"
ERRORS: list[NodeprovError] = [
    NodeprovError("it is full"),
    UsageError("it cannot be"),
    CommandFailed("it fails", returncode=1, stderr=""),
    NodeprovError("line 3 is wrong", where=PATH),
    Problems([Problem("one", ""), Problem("two", "")], where=""),
]


def texts(content: bytes) -> FakeReader:
    """A node whose configuration file, which containerd would refuse, holds these bytes."""
    return FakeReader(good_facts(daemon=good_daemon(config=FileState(content, 0o644), dump=CONFIG)))


BROKEN: dict[str, FakeReader] = {
    "no TOML": texts(b"version = 3\n[plugins\n"),
    "no UTF-8": texts(b"# caf\xe9\nversion = 3\n"),
    "another version": texts(b"version = 9\n"),
    "a version that is no number": texts(b'version = "3"\n'),
    "imports that are no list": texts(b'version = 3\nimports = "x"\n'),
    "a dump that is no TOML": FakeReader(good_facts(daemon=good_daemon(dump="[plugins\n"))),
}


def everything(fleet: Fleet) -> dict[str, Callable[[], Results[Any]]]:
    """What is done for every node of a fleet, by the command."""
    return {
        "plan": lambda: fleet.plan(Install(GVISOR)),
        "plan --uninstall": lambda: fleet.plan(Uninstall(GVISOR)),
        "doctor": lambda: fleet.each(lambda node, hosts: examine(node, hosts, GVISOR, lambda: 0.0)),
        "status": lambda: fleet.each(lambda node, hosts: status.read(node, hosts[Place.NODE], GVISOR)),
        "verify": lambda: fleet.each(lambda node, hosts: subject.look(node, hosts, GVISOR)),
    }


COMMANDS = tuple(everything(Fleet((), MemoryHosts({}))))


def fleet_of(reader: FakeReader, made: Release) -> Fleet:
    on_node: Any = reader
    hosts = MemoryHosts({"worker1": {Place.NODE: on_node}})
    return Fleet([node_of(ALONE)], hosts, lambda *_: made)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("command", ["plan", "plan --uninstall", "verify"])
def test_an_error_about_a_file_names_the_node_and_the_file(
    broken: FakeReader, command: str, tmp_path: Path
) -> None:
    errors = everything(fleet_of(broken, release(tmp_path)))[command]().errors
    for part in (part for error in errors for part in error.parts()):
        assert part.where.startswith("worker1"), part
        assert PATH in str(part) or "config dump" in str(part), part
    assert errors or command != "plan"  # the others need not read it


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {error.where}")
def test_whatever_is_raised_for_a_node_leaves_with_the_nodes_name(error: NodeprovError) -> None:
    def fails(_node: Node, _hosts: Hosts) -> None:
        raise error

    nodes = [node_of(settings())]
    results = Fleet(nodes, MemoryHosts({"worker1": {}})).each(fails)
    assert [part.where.partition(":")[0] for each in results.errors for part in each.parts()]
    assert all(part.where.startswith("worker1") for each in results.errors for part in each.parts())
    assert results.failed == {"worker1": error}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_node_that_is_not_reached_is_named_by_every_command(command: str, tmp_path: Path) -> None:
    fleet = Fleet([node_of(ALONE)], MemoryHosts({}), lambda *_: release(tmp_path))
    results = everything(fleet)[command]()
    assert [each.where for each in results.errors] == ["worker1"]


def test_a_run_that_cannot_begin_names_its_node() -> None:
    fleet = Fleet([node_of(ALONE)], MemoryHosts({}))
    node = node_of(ALONE)
    plan = Plan("worker1", INSTALL, (Drain(()),))
    planned = Planned(replace(state_of(node.settings, good_facts()), node=node), Install(GVISOR), plan)
    (outcome,) = fleet.apply([planned], a_run())
    assert outcome.error is not None
    assert outcome.error.where == "worker1"


def test_to_a_path_the_machine_is_added_once() -> None:
    error = NodeprovError("line 3", where=PATH).at("worker1").at("worker2")
    assert str(error) == f"worker1: {PATH}: line 3"


def test_every_text_of_a_node_is_read_with_its_path() -> None:
    """Its errors are made there, where nobody else knows of which file it is."""
    root = Path(nodeprov.__file__).parent
    found = []
    for folder in ("node", "plan", "diagnosis", "engine", "runtimes"):
        for path in (root / folder).rglob("*.py"):
            for call in (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)):
                name = ast.unparse(call.func)
                if name in ("Config", "Config.of", "containerd.decode", "decode") and len(call.args) < 2:
                    found.append(f"{path.name}:{call.lineno}: {ast.unparse(call)}")
    # What the node itself has written down, what `decide` places, and two dumps that `gate` places.
    assert sorted(each.split(":")[0] for each in found) == [
        "containerd_config.py",
        "daemon.py",
        "runtime_table.py",
    ]


@pytest.mark.parametrize("command", ["plan", "install", "uninstall", "doctor", "status", "verify"])
def test_the_command_line_says_of_each_error_where_it_is(command: str, tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    more = ["--yes"] if command in ("install", "uninstall") else []
    output = typed(command, "worker*", "--json", *more, folder=tmp_path)
    assert output.returncode == 1
    places = [each["where"] for each in json.loads(output.text)["errors"]]
    assert places == ["worker1 (127.0.0.1)", "worker2 (127.0.0.2)"]
    assert said(output).count("worker1 (127.0.0.1): cannot be reached") == 1


def test_a_node_that_cannot_be_looked_at_is_an_error_in_every_output_of_verify(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    output = typed("verify", "worker*", "--junit", "verify.xml", folder=tmp_path)
    assert output.returncode == 1
    assert [line.split()[:2] for line in output.text.splitlines() if "The node can be looked at" in line] == [
        ["worker1", "error"],
        ["worker2", "error"],
    ]
    suites = ElementTree.parse(tmp_path / "verify.xml").getroot()
    assert [(each.get("name"), each.get("tests"), each.get("errors")) for each in suites] == [
        ("worker1", "1", "1"),
        ("worker2", "1", "1"),
    ]
    assert all("cannot be reached" in (each.get("message") or "") for each in suites.iter("error"))
    assert len(json.loads(typed("verify", "worker*", "--json", folder=tmp_path).text)["errors"]) == 2


def test_a_junit_file_in_no_folder_is_refused_before_a_node_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    output = typed("verify", "worker1", "--junit", "missing/verify.xml", folder=tmp_path)
    assert (output.returncode, output.text) == (2, "")
    assert "cannot write missing/verify.xml" in said(output)


def test_a_junit_file_that_cannot_be_written_does_not_hide_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    (tmp_path / "verify.xml").mkdir()
    output = typed("verify", "worker1", "--junit", "verify.xml", folder=tmp_path)
    assert output.returncode == 2
    assert "The node can be looked at" in output.text
    assert "cannot write verify.xml" in said(output)
