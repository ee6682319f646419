"""The route by the configuration of OpenSSH's client."""

from __future__ import annotations

import getpass
import os
import shutil
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh.route import Lookup, Target, ask_fabric, ask_openssh, lookup_by, our_name, route
from nodeprov.inventory import Ssh
from nodeprov.local_files import expanded

READERS = [
    pytest.param(ask_openssh, id="OpenSSH", marks=pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh")),
    pytest.param(ask_fabric, id="fabric"),
]


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Lookup:
    """Read the file `config`, by each of the two."""
    path = tmp_path / "config"
    path.touch()
    return lambda alias, user, port: request.param(str(path), alias, user, port)


def way(reader: Lookup, tmp_path: Path, config: str, ssh: Ssh) -> tuple[Target, ...]:
    (tmp_path / "config").write_text(config)
    return route(ssh, reader)


def test_without_a_configuration_the_address_is_the_host(reader: Lookup, tmp_path: Path) -> None:
    (hop,) = way(reader, tmp_path, "", Ssh("10.0.0.12"))
    assert (hop.alias, hop.address, hop.port, hop.user) == ("10.0.0.12", "10.0.0.12", 22, getpass.getuser())
    assert hop.known_as == "10.0.0.12"
    assert hop.known_hosts[0].endswith("/.ssh/known_hosts")
    assert "/etc/ssh/ssh_known_hosts" in hop.known_hosts
    assert any(path.endswith("/.ssh/id_ed25519") for path in hop.identity_files)
    assert not hop.identities_only


def test_an_alias_brings_all_that_is_said_of_it(reader: Lookup, tmp_path: Path) -> None:
    config = """
    Host node
      HostName 10.0.0.12
      User admin
      Port 2222
      IdentityFile /keys/%r@%h
      IdentityFile ~/second
      IdentitiesOnly yes
      UserKnownHostsFile /known/one /known/two
      HostKeyAlias the-node
    """
    (hop,) = way(reader, tmp_path, config, Ssh("node"))
    assert (hop.address, hop.user, hop.port) == ("10.0.0.12", "admin", 2222)
    assert hop.identity_files == ("/keys/admin@10.0.0.12", str(Path("~/second").expanduser()))
    assert hop.identities_only
    assert hop.known_hosts[:2] == ("/known/one", "/known/two")
    assert hop.known_as == "the-node"


def test_what_the_inventory_says_goes_first(reader: Lookup, tmp_path: Path) -> None:
    config = "Host *\n User other\n Port 2222\n IdentityFile /keys/other\n UserKnownHostsFile /known/other\n"
    said = Ssh("node", user="admin", port=22, identity_file="/keys/mine", known_hosts="/known/mine")
    (hop,) = way(reader, tmp_path, config, said)
    assert (hop.user, hop.port, hop.identity_files) == ("admin", 22, ("/keys/mine", "/keys/other"))
    assert hop.known_hosts[0] == "/known/mine"
    assert "/known/other" not in hop.known_hosts


def test_a_jump_host_has_its_own_configuration_and_nothing_of_the_nodes(reader: Lookup, tmp_path: Path) -> None:
    config = """
    Host bastion
      HostName bastion.example.com
      User jumper
      IdentityFile /keys/jump
      ProxyJump none
    Host *
      ProxyJump bastion
    """
    said = Ssh("10.0.0.12", user="admin", port=2222, identity_file="/keys/mine", known_hosts="/known/mine")
    jump, node = way(reader, tmp_path, config, said)
    assert (jump.alias, jump.address, jump.user, jump.port) == ("bastion", "bastion.example.com", "jumper", 22)
    assert jump.identity_files == ("/keys/jump",)
    assert jump.known_hosts[0] == "/known/mine"
    assert any(path.endswith("/.ssh/known_hosts") for path in jump.known_hosts)
    assert (node.address, node.user, node.port) == ("10.0.0.12", "admin", 2222)


@pytest.mark.parametrize(
    ("said", "jumps"),
    [
        ("one", [("one", 22, "me")]),
        ("admin@one:2222", [("one", 2222, "admin")]),
        ("admin@[fd00::1]:2222", [("fd00::1", 2222, "admin")]),
        ("ssh://admin@one:2222", [("one", 2222, "admin")]),
        ("admin@one,two:33", [("one", 22, "admin"), ("two", 33, "me")]),
    ],
)
def test_a_jump_may_be_written_in_every_way(
    reader: Lookup, tmp_path: Path, said: str, jumps: list[tuple[str, int, str]]
) -> None:
    *found, node = way(reader, tmp_path, f"Host node\n ProxyJump {said}\nHost *\n User me\n", Ssh("node"))
    assert [(hop.address, hop.port, hop.user) for hop in found] == jumps
    assert node.address == "node"


def test_a_jump_host_may_be_behind_another(reader: Lookup, tmp_path: Path) -> None:
    config = "Host node\n ProxyJump inner\nHost inner\n ProxyJump outer\n"
    assert [hop.address for hop in way(reader, tmp_path, config, Ssh("node"))] == ["outer", "inner", "node"]


def test_jump_hosts_in_a_circle_are_refused(reader: Lookup, tmp_path: Path) -> None:
    with pytest.raises(NodeprovError, match="goes in circles"):
        way(reader, tmp_path, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n", Ssh("a"))


def test_a_proxy_command_is_told_where_to_go(reader: Lookup, tmp_path: Path) -> None:
    (hop,) = way(reader, tmp_path, "Host node\n HostName h\n ProxyCommand nc %h %p\n", Ssh("node", port=2222))
    assert hop.proxy_command in ("nc h 2222", "nc h 22")  # fabric knows the port of the file only


@pytest.mark.parametrize(
    ("address", "port", "name"), [("fd00::1", 22, "fd00::1"), ("fd00::1", 2222, "[fd00::1]:2222")]
)
def test_an_ipv6_address_is_an_address(reader: Lookup, tmp_path: Path, address: str, port: int, name: str) -> None:
    (hop,) = way(reader, tmp_path, "", Ssh(address, port=port))
    assert (hop.address, hop.port, hop.known_as) == (address, port, name)


def test_an_agent_may_be_forbidden(reader: Lookup, tmp_path: Path) -> None:
    assert way(reader, tmp_path, "", Ssh("node"))[0].agent
    assert not way(reader, tmp_path, "IdentityAgent none\n", Ssh("node"))[0].agent


def test_a_configuration_that_cannot_be_read_is_no_traceback(reader: Lookup, tmp_path: Path) -> None:
    with pytest.raises(NodeprovError, match="configuration"):
        way(reader, tmp_path, "Host\n = \nNonsense!\n", Ssh("node"))


def test_a_configuration_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NodeprovError, match=f"there is no ssh configuration {tmp_path}/none") as caught:
        lookup_by(f"{tmp_path}/none")
    assert "config_file" in caught.value.hint


def test_whoever_has_no_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as a user who is in no passwd."""

    def unnamed() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unnamed)
    (hop,) = route(Ssh("10.0.0.12"), lambda _alias, _user, _port: {})
    assert our_name() == hop.user == str(os.getuid())


def test_the_command_that_shows_a_hosts_keys_knows_its_port() -> None:
    assert Target("a", "10.0.0.1", 22, "root").keyscan == "ssh-keyscan 10.0.0.1"
    assert Target("a", "10.0.0.1", 2222, "root").keyscan == "ssh-keyscan -p 2222 10.0.0.1"


def test_the_home_of_nobody_is_not_there_and_no_traceback() -> None:
    assert expanded("~/x") == Path.home() / "x"
    assert expanded("~nosuchuser/x") == Path("~nosuchuser/x")
    with pytest.raises(NodeprovError, match="there is no ssh configuration ~nosuchuser/config"):
        lookup_by("~nosuchuser/config")
