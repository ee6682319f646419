"""The way to a machine, begun before it is needed."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.approach import Approach, dialled, route_of
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Ssh
from tests.support.ssh_server import Manners, SshServer, lets_in, serving


def reached(server: SshServer, config: str = "") -> Ssh:
    return server.host(config)._ssh


def test_a_connection_that_was_begun_is_the_one_that_is_used(tmp_path: Path) -> None:
    with serving(tmp_path, Manners()) as server:
        host = SshHost("worker1", reached(server), approach=Approach(reached(server)))
        assert lets_in(host)
        assert len(server.peers) == 1
        host.close()
        assert lets_in(host)  # anew, as an approach serves one login
        assert len(server.peers) == 2


def test_one_that_the_server_drops_is_made_again(tmp_path: Path) -> None:
    with serving(tmp_path, Manners(turned_away=(b"",))) as server:
        assert lets_in(SshHost("worker1", reached(server), approach=Approach(reached(server))))
        assert len(server.peers) == 2


def test_a_host_that_is_never_asked_lets_go_of_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        approach = Approach(Ssh("127.0.0.1", port=listening.getsockname()[1], config_file="/dev/null"))
        peer, _ = listening.accept()
        SshHost("worker1", Ssh("127.0.0.1"), approach=approach).close()
        peer.settimeout(5)
        assert peer.recv(1) == b""


@pytest.mark.parametrize("config", ["Host 127.0.0.1\n  ProxyJump other\n", "ProxyCommand sleep 1\n"])
def test_who_is_not_reached_directly_is_not_called_before(tmp_path: Path, config: str) -> None:
    with serving(tmp_path, Manners()) as server:
        approach = Approach(reached(server, config))
        assert approach.route()
        assert approach._connection is not None
        assert approach._connection.result(timeout=5) is None
        assert server.peers == []


def test_what_is_wrong_with_the_way_is_raised_where_it_is_asked_for(tmp_path: Path) -> None:
    ssh = Ssh("127.0.0.1", config_file=str(tmp_path / "none"))
    with pytest.raises(NodeprovError, match="there is no ssh configuration"):
        Approach(ssh).route()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nobody = Ssh("127.0.0.1", port=port, config_file="/dev/null")
    approach = Approach(nobody)
    with pytest.raises(ConnectionRefusedError):
        approach.dial(approach.route()[0])


def test_the_family_of_addresses_is_the_configurations() -> None:
    [target] = route_of(Ssh("127.0.0.1", config_file="/dev/null"))
    with pytest.raises(OSError, match=r"\w"):
        dialled(dataclasses.replace(target, address_family="inet6"), 1)
