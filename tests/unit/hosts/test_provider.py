"""Which hosts a run against a node gets, over SSH and on the node itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nodeprov.errors import UsageError
from nodeprov.hosts.base import Place, plain
from nodeprov.hosts.local import LocalHost, run_checked
from nodeprov.hosts.provider import LocalNode, SshHosts
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Inventory, parse
from nodeprov.plan.files import FileAt
from tests.support.memory_host import tree_of

TEXT = """
[release]
version = "20260905.0"
[nodes.worker1]
address = "10.0.0.1"
[nodes.worker2]
address = "10.0.0.2"
"""


def inventory(more: str = "", text: str = TEXT) -> Inventory:
    return parse(text + more, "nodes.toml")


class TestSsh:
    def test_a_node_is_reached_by_ssh_and_kubectl_runs_here(self) -> None:
        whole = inventory()
        with SshHosts(whole) as hosts:
            found = hosts.of(whole.nodes[0])
        assert isinstance(found[Place.NODE], SshHost)
        assert isinstance(found[Place.CLUSTER], LocalHost)
        assert (found[Place.NODE].name, found[Place.CLUSTER].name) == ("worker1", "localhost")

    def test_a_node_without_a_cluster_has_one_host(self) -> None:
        whole = inventory("[cluster]\nenabled = false\n")
        with SshHosts(whole) as hosts:
            assert set(hosts.of(whole.nodes[0])) == {Place.NODE}

    def test_what_runs_kubectl_is_one_host_for_all_nodes(self) -> None:
        whole = inventory('[cluster]\nhost = "worker2"\n')
        with SshHosts(whole) as hosts:
            first, second = (hosts.of(node) for node in whole.nodes)
        assert first[Place.CLUSTER] is second[Place.CLUSTER] is second[Place.NODE]

    def test_a_kubectl_host_that_nothing_describes_is_refused(self) -> None:
        """As the nodes of one inventory may be asked for with another one at hand."""
        whole = inventory('[cluster]\nhost = "master"\n[hosts.master]\naddress = "10.0.0.3"\n')
        with SshHosts(inventory()) as hosts, pytest.raises(UsageError, match="'master', which is neither a node"):
            hosts.of(whole.nodes[0])


@pytest.mark.parametrize(("soft", "nodes", "then"), [(64, 2, 514), (1000, 2, 1000), (64, 5000, 4096)])
def test_as_many_files_may_be_open_as_there_are_nodes(soft: int, nodes: int, then: int) -> None:
    """In a process of its own, as its limit is lowered for good."""
    tried = f"""
import resource
from nodeprov.hosts.provider import FILES_BESIDES, _allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, 4096))
_allow_open_files(FILES_BESIDES + {nodes})
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert run_checked([sys.executable, "-c", tried], "cannot try it").split() == [str(then), "4096"]


class TestThisMachine:
    def test_a_file_of_it_is_the_nodes(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("here")
        whole = inventory("[cluster]\nenabled = false\n")
        with LocalNode("worker1") as hosts:
            found = hosts.of(whole.nodes[0])
            (state,) = found[Place.NODE].ask([FileAt(f"{tmp_path}/file")])
        assert set(found) == {Place.NODE}
        assert state.content == b"here"

    def test_it_is_no_other_node(self) -> None:
        with LocalNode("worker1") as hosts, pytest.raises(UsageError, match="is worker1, and not worker2"):
            hosts.of(inventory().nodes[1])

    def test_kubectl_runs_on_no_other_machine(self) -> None:
        whole = inventory('[cluster]\nhost = "worker2"\n')
        with LocalNode("worker1") as hosts, pytest.raises(UsageError, match="is worker1, and not worker2"):
            hosts.of(whole.nodes[0])

    def test_what_ends_late_there_names_the_nodes_own_setting(self) -> None:
        more = "[ssh]\ncommand_timeout_seconds = 1\n[cluster]\ntimeout_seconds = 2\n"
        node = inventory(more).nodes[0]
        with LocalNode("worker1") as hosts:
            said = {place: host.run(plain("sh", "exec sleep 30")).said for place, host in hosts.of(node).items()}
        assert said == {
            Place.NODE: "it did not end within 1 s and was ended (to wait longer: [ssh] command_timeout_seconds)",
            Place.CLUSTER: "it did not end within 2 s and was ended (to wait longer: [cluster] timeout_seconds)",
        }

    def test_what_leads_out_of_a_container_stands_before_every_shell_of_the_node(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.mkdir()
        (source / "a").write_bytes(b"12345")
        with LocalNode("worker1", enter=("env", f"OUTSIDE={tmp_path}/outside")) as hosts:
            found = hosts.of(inventory().nodes[0])
            node = found[Place.NODE]
            assert node.run(plain("sh", 'printf "$OUTSIDE"')).text == f"{tmp_path}/outside"
            held = node.hold(plain("sh", 'echo "$OUTSIDE"; cat > /dev/null'))
            held.release()
            assert held.first_line == f"{tmp_path}/outside"
            assert found[Place.CLUSTER].run(plain("sh", 'printf "$OUTSIDE"')).text == ""

    @pytest.mark.skipif(os.geteuid() != 0, reason="a tree is given to root")
    def test_its_commands_and_uploads_are_heard_of_by_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "a").write_bytes(b"12345")
        commands: list[str] = []
        with LocalNode(
            "worker1", on_command=lambda host, script: commands.append(f"{host}: {script.text.splitlines()[-1]}")
        ) as hosts:
            node = hosts.of(inventory().nodes[0])[Place.NODE]
            node.run(plain("sh", "true"))
            node.write_tree(f"{tmp_path}/r1", tree_of(tmp_path / "source"), tmp_path / "source")
        assert commands[0] == "worker1: true"
        assert any(f"cat > {tmp_path}/.r1.nodeprov-" in command for command in commands)
