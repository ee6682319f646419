"""`nodeprov init` as one calls it: options, and files that are left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nodeprov.cli.init import without_inventory
from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh.keys import SET_IN_INVENTORY
from nodeprov.inventory import parse
from tests.support.command_line import at_home
from tests.support.kubectl_answers import item
from tests.support.release_server import ReleaseServer

VERSION = "20260905.0"


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"cache", "bin"}


def test_an_inventory_is_written_and_the_next_command_named(tmp_path: Path) -> None:
    output = at_home(
        tmp_path,
        "init",
        "--node",
        "worker1=10.0.0.11",
        "--node",
        "worker2",
        "--version",
        VERSION,
        "--user",
        "admin",
    )
    assert output.returncode == 0, output.said
    assert output.text == (
        f"wrote nodeprov.toml: 2 nodes (worker1, worker2), gVisor {VERSION}\n"
        "next: nodeprov plan '*' --inventory nodeprov.toml\n"
    )
    inventory = parse((tmp_path / "nodeprov.toml").read_text(), "nodeprov.toml")
    assert [(node.ssh.address, node.ssh.user) for node in inventory.nodes] == [
        ("10.0.0.11", "admin"),
        ("worker2", "admin"),
    ]
    assert files(tmp_path) == {"nodeprov.toml"}
    assert at_home(tmp_path, "inventory", "-i", "nodeprov.toml").returncode == 0


def test_what_it_wrote_is_json_too(tmp_path: Path) -> None:
    named = ("--node", "worker1", "--node", "worker2", "--version", VERSION)
    output = at_home(tmp_path, "init", "new.toml", *named, "--json")
    assert json.loads(output.text) == {
        "schema": 1,
        "inventory": "new.toml",
        "nodes": ["worker1", "worker2"],
        "left_out": [],
        "release": VERSION,
    }


def test_what_exists_is_never_touched_be_it_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "nodeprov.toml").write_text("mine")
    (tmp_path / "link.toml").symlink_to("nowhere")
    for name in ("nodeprov.toml", "link.toml"):
        output = at_home(tmp_path, "init", name, "--node", "worker1", "--version", VERSION)
        assert output.returncode == 2
        assert output.stderr.decode().startswith(f"{name} exists, and is left as it is\nhint: ")
    assert (tmp_path / "nodeprov.toml").read_text() == "mine"
    assert files(tmp_path) == {"nodeprov.toml", "link.toml"}


@pytest.mark.parametrize("name", ["x.yaml", "hosts", "x.ini"])
def test_a_name_under_which_it_would_be_ansibles_is_refused(tmp_path: Path, name: str) -> None:
    output = at_home(tmp_path, "init", name, "--node", "worker1", "--version", VERSION)
    assert output.returncode == 2
    assert "hint: name it nodeprov.toml" in output.stderr.decode()
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no node is named\nhint: name them: --node worker1=10.0.0.11, for each; or take the cluster's"),
        (["--node", "Worker=1"], "--node Worker=1: 'Worker' is not a name as Kubernetes has it"),
        (["--node", "worker1=root@10.0.0.1"], "--node worker1=root@10.0.0.1: 'root@10.0.0.1' is not a host name"),
        (["--node", "worker1="], "--node worker1=: '' is not a host name"),
        (["--node", "=10.0.0.1"], "--node =10.0.0.1: '' is not a name as Kubernetes has it"),
        (["--node", "a=1", "--node", "a=2"], "--node names a twice"),
        (["--node", "a", "--from-cluster"], "--from-cluster and --node: the nodes come from one of the two"),
        (["--node", "a", "--version", "newest"], "--version: 'newest' is not a release such as"),
        (["--node", "a", "--user", "a b"], "--user: 'a b' is not a word without blanks"),
        (["--node", "a", "--kubectl-host", "-oX"], "--kubectl-host: '-oX' is not a host name"),
        (["--node", "a=1", "--node", "b=1", "--version", VERSION], "nodeprov.toml:"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_nothing_is_written(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    output = at_home(tmp_path, "init", *arguments)
    assert output.returncode in (1, 2)
    assert said in output.stderr.decode()
    assert files(tmp_path) == set()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    output = at_home(tmp_path, "init", "a/b.toml", "--node", "worker1", "--version", VERSION)
    assert output.returncode == 1
    assert output.stderr.decode().startswith("cannot write a/b.toml: No such file or directory\nhint: ")


@pytest.mark.parametrize("asked", [[], ["--version", "latest"]], ids=["not said", "latest"])
def test_the_newest_release_is_asked_of_where_releases_are_published(
    tmp_path: Path, server: ReleaseServer, asked: list[str]
) -> None:
    output = at_home(tmp_path, "init", "--node", "worker1", "--base-url", server.url, *asked)
    assert output.returncode == 0, output.said
    (node,) = parse((tmp_path / "nodeprov.toml").read_text(), "nodeprov.toml").nodes
    assert (node.settings.release.version, node.settings.release.base_url) == (VERSION, server.url)


def test_where_the_newest_cannot_be_found_it_is_to_be_said(tmp_path: Path) -> None:
    output = at_home(tmp_path, "init", "--node", "worker1", "--base-url", str(tmp_path / "nowhere"))
    assert output.returncode == 1
    assert output.stderr.decode().rstrip().endswith("or name the release: --version 20260905.0")
    assert files(tmp_path) == set()


def test_while_there_is_no_inventory_a_hint_names_options() -> None:
    error = NodeprovError("not let in as ops", f"{SET_IN_INVENTORY}, or start an agent (ssh-add)")
    assert without_inventory(error).hint == "add --user NAME --identity-file FILE, or start an agent (ssh-add)"


def kubectl(folder: Path, script: str) -> str:
    """Put a kubectl before the others on the PATH; the real one is asked by the lab's tests."""
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "kubectl").write_text(f"#!/bin/sh\n{script}\n")
    (bin_ / "kubectl").chmod(0o755)
    return f"{bin_}:{os.environ['PATH']}"


def test_the_nodes_of_the_cluster_are_taken_with_what_ssh_knows_of_them(tmp_path: Path) -> None:
    master = item("master", (("InternalIP", "10.0.0.10"),))
    master["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = ""
    items = [master, item(), item("worker-2", (("InternalIP", "10.0.0.12"),)), item("win-1", system="windows")]
    (tmp_path / "nodes.json").write_text(json.dumps({"items": items}))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host worker-1\n  HostName 10.9.9.9\n")
    path = kubectl(
        tmp_path, f'[ "$*" = "--kubeconfig k --context c get nodes -o json" ] && cat {tmp_path}/nodes.json'
    )
    output = at_home(
        tmp_path, "init", "--from-cluster", "--kubeconfig=k", "--context=c", "--version", VERSION, PATH=path
    )
    assert output.returncode == 0, output.said
    assert (
        output.stderr.decode() == "left out: win-1 is windows/amd64: the runtime is for linux, amd64 and arm64\n"
    )
    text = (tmp_path / "nodeprov.toml").read_text()
    inventory = parse(text, "nodeprov.toml")
    assert [(node.name, node.ssh.address) for node in inventory.nodes] == [
        ("worker-1", "worker-1"),
        ("worker-2", "10.0.0.12"),
    ]
    assert "[nodes.worker-1]  # as ~/.ssh/config says: it has a Host of this name\n" in text
    cluster = inventory.nodes[0].settings.cluster
    assert (cluster.host, cluster.kubeconfig, cluster.context) == (None, "k", "c")
    assert inventory.ssh("master").address == "10.0.0.10"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'The connection was refused' >&2; exit 1",
            "kubectl get nodes: exit status 1: The connection was refused",
        ),
        ("echo '<html>'", "kubectl printed no list of nodes, but: '<html>'"),
        ("echo '{\"items\": []}'", "the cluster has no node for the runtime: it has no nodes"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_told(tmp_path: Path, script: str, said: str) -> None:
    output = at_home(tmp_path, "init", "--from-cluster", "--version", VERSION, PATH=kubectl(tmp_path, script))
    assert output.returncode == 1
    assert said in output.stderr.decode()
    assert "hint: " in output.stderr.decode()
    assert files(tmp_path) == set()
