"""A run in which nothing is to be done, as nothing has changed since the one before."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.inventory import parse
from nodeprov.node.memory import Memory, Remembered
from nodeprov.node.watched import Watched, WatchedQuery
from tests.support.command_line import paths
from tests.support.ssh_server import Manners, SshServer

IMPORTS = """
import json, sys
try:
    from nodeprov.cli.main import main
    main()
finally:
    print("imported:" + json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
NEEDLESS = {
    "asyncio",
    "fabric",
    "invoke",
    "jinja2",
    "nodeprov.containerd.edit",
    "nodeprov.engine",
    "requests",
    "rich.console",
    "tomlkit",
}


@dataclass
class Site:
    """A node that is remembered, and the file that its plan rests on."""

    folder: Path
    servers: tuple[SshServer, SshServer]
    file: Path

    def run(self, *arguments: str) -> Output:
        environment = {**paths(), "NODEPROV_CACHE": str(self.folder / "cache"), "NODEPROV_INVENTORY": ""}
        return run_program(
            [sys.executable, "-c", IMPORTS, *arguments],
            environment=environment,
            folder=self.folder,
            timeout_seconds=60,
        )

    @property
    def connections(self) -> int:
        return sum(len(server.peers) for server in self.servers)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "second").mkdir()
    servers = SshServer(tmp_path, Manners()), SshServer(tmp_path / "second", Manners())
    first, second = servers
    text = f"""
[release]
version = "20260905.0"
[cluster]
enabled = false
[ssh]
user = "root"
identity_file = "{first.identity}"
known_hosts = "{first.known_hosts}"
[nodes.worker1]
address = "127.0.0.1"
port = {first.port}
[nodes.worker2]
address = "127.0.0.1"
port = {second.port}
"""
    first.known_hosts.write_text(first.known_hosts.read_text() + second.known_hosts.read_text())
    (tmp_path / "nodeprov.toml").write_text(text)
    file = tmp_path / "file"
    file.write_text("as it was")
    watched = Watched.of([str(file)], values=[], processes=[], written=[], started=[])
    memory = Memory(tmp_path / "cache" / "nothing-to-do")
    for node in parse(text, str(tmp_path / "nodeprov.toml")).nodes:
        seen = LocalHost().ask([WatchedQuery(watched)])[0].digest
        memory.keep(node, Remembered((f"a note of {node.name}",), watched, seen, ""))
    yield Site(tmp_path, servers, file)
    for each in servers:
        each.close()


NOTHING = """\
worker1: nothing to do
  note: a note of worker1
worker2: the same as worker1
2 nodes: nothing to do
"""


@pytest.mark.parametrize("command", ["plan", "install"])
def test_what_is_remembered_is_the_result_after_one_command_a_node(site: Site, command: str) -> None:
    output = site.run(command, "--all")
    assert (output.returncode, output.text) == (0, NOTHING)
    assert site.connections == 2
    imported = json.loads(output.stderr.decode().rpartition("imported:")[2])
    assert {*imported} & NEEDLESS == set()


def test_json_says_the_same(site: Site) -> None:
    plans = json.loads(site.run("plan", "--all", "--json").text)["plans"]
    outcomes = json.loads(site.run("install", "--all", "--json").text)["outcomes"]
    assert [each["node"] for each in plans] == [each["node"] for each in outcomes] == ["worker1", "worker2"]
    assert [each["steps"] for each in plans] == [[], []]


@pytest.mark.parametrize(
    "arguments",
    [
        ("install", "--all", "--deep"),
        ("plan", "--all", "--deep"),
        ("plan", "--all", "--out", "p"),
        ("plan", "--all", "--commands"),
    ],
)
def test_who_wants_to_know_has_all_looked_at(site: Site, arguments: tuple[str, ...]) -> None:
    output = site.run(*arguments)
    assert output.returncode == 1  # this machine is no node
    assert "nothing to do" not in output.text


def test_as_soon_as_anything_differs_all_is_looked_at(site: Site) -> None:
    site.file.write_text("as it is")
    assert "nothing to do" not in site.run("install", "--all", "--yes").text


def test_quiet_has_a_line_for_each_node(site: Site) -> None:
    lines = "worker1: nothing to do\nworker2: nothing to do\n"
    assert site.run("install", "--all", "--quiet").text == lines


def test_a_node_that_cannot_be_reached_is_tried_once(site: Site) -> None:
    site.servers[1].manners.accepts = frozenset()
    output = site.run("install", "--all", "--yes")
    assert output.returncode == 1
    assert "worker2 (127.0.0.1)" in output.stderr.decode()
    assert len(site.servers[1].peers) == 1


def test_where_the_time_went_is_shown_for_each_node(site: Site) -> None:
    said = site.run("install", "--all", "--timings").stderr.decode()
    lines = [tuple(line.split()[:2]) for line in said.partition("timings:\n")[2].splitlines()]
    assert {("worker1", "connect"), ("worker2", "as"), ("nodeprov", "start"), ("nodeprov", "all")} <= {*lines}
    told = json.loads(site.run("install", "--all", "--timings", "--json").text)["timings"]
    assert {(each["host"], each["phase"]) for each in told} >= {("worker1", "as before?"), ("", "all")}
    assert all(each["seconds"] > 0 for each in told)
