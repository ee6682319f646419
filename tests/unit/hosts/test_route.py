"""The route by the configuration of OpenSSH's client."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.route import (
    Algorithms,
    Lookup,
    Target,
    ask_fabric,
    ask_openssh,
    lookup_by,
    our_name,
    route,
    with_variables,
)
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


AGENTS = {
    "": "$SSH_AUTH_SOCK",
    "SSH_AUTH_SOCK": "$SSH_AUTH_SOCK",
    "$OTHER_SOCK": "$OTHER_SOCK",
    "/run/%r@%h:%p": "/run/admin@10.0.0.12:2222",
    "~/agent": str(Path.home() / "agent"),
    "%d/agent": str(Path.home() / "agent"),
    "${NODEPROV_TEST_FOLDER}/agent": "/from/the/environment/agent",
    '"/with a blank/agent.sock"': "/with a blank/agent.sock",
    "none": None,
    "NONE": None,
}


@pytest.mark.parametrize("said", AGENTS)
def test_an_agent_is_named_as_openssh_reads_it(
    reader: Lookup, tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEPROV_TEST_FOLDER", "/from/the/environment")
    config = "HostName 10.0.0.12\nUser admin\nPort 2222\n" + (f"IdentityAgent {said}\n" if said else "")
    assert way(reader, tmp_path, config, Ssh("node"))[0].agent == AGENTS[said]


def test_tokens_are_those_of_ssh_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What OpenSSH 9.2 and later print of each."""
    tokens = way(ask_fabric_of(tmp_path), tmp_path, "User admin\nHostKeyAlias the-node\n", Ssh("node"))[0].tokens
    assert {key: tokens[key] for key in "%hiknpr"} == {
        "%": "%",
        "h": "node",
        "i": str(os.getuid()),
        "k": "the-node",
        "n": "node",
        "p": "22",
        "r": "admin",
    }
    digest = hashlib.sha1(f"{tokens['l']}node22admin".encode()).hexdigest()
    assert tokens["C"] == digest
    monkeypatch.setenv("NODEPROV_TEST_SET", "100%h")
    text = "%%h %h %x ${NODEPROV_TEST_UNSET} ${NODEPROV_TEST_SET}"
    assert with_variables(text, tokens) == "%h node %x ${NODEPROV_TEST_UNSET} 100%h"


def test_variables_of_a_proxy_command_are_the_shells(reader: Lookup, tmp_path: Path) -> None:
    (hop,) = way(reader, tmp_path, "ProxyCommand echo '${HOME}' %h\n", Ssh("node"))
    assert hop.proxy_command == "echo '${HOME}' node"


@pytest.mark.parametrize("change", ["+aes128-cbc", "-aes*", "^aes256-ctr"])
def test_a_change_to_the_algorithms_is_made_by_ssh(reader: Lookup, tmp_path: Path, change: str) -> None:
    (hop,) = way(reader, tmp_path, f"Ciphers {change}\n", Ssh("node"))
    assert not any(name.startswith(("+", "-", "^")) for name in hop.algorithms.ciphers)


def test_directives_of_a_login_are_read(reader: Lookup, tmp_path: Path) -> None:
    config = """
    Host node
      AddressFamily inet6
      BatchMode yes
      BindAddress 10.0.0.1
      CertificateFile ~/%r-cert.pub
      Ciphers aes256-ctr,aes128-ctr
      Compression yes
      ConnectionAttempts 3
      HostKeyAlgorithms ssh-ed25519
      KexAlgorithms curve25519-sha256
      KnownHostsCommand /usr/bin/known "of %H" %%h
      MACs hmac-sha2-256
      PubkeyAcceptedAlgorithms rsa-sha2-512
      PubkeyAuthentication no
      RevokedHostKeys /etc/ssh/revoked
      User admin
    """
    hop, other = (way(reader, tmp_path, config, Ssh(name))[0] for name in ("node", "other"))
    assert (hop.address_family, hop.bind_address, hop.attempts) == ("inet6", "10.0.0.1", 3)
    assert (hop.batch, hop.keys_allowed) == (True, False)
    assert hop.certificate_files == (str(Path.home() / "admin-cert.pub"),)
    assert hop.known_hosts_command == ("/usr/bin/known", "of %H", "%%h")
    assert hop.revoked_host_keys == ("/etc/ssh/revoked",)
    assert hop.algorithms == Algorithms(
        ciphers=("aes256-ctr", "aes128-ctr"),
        macs=("hmac-sha2-256",),
        key_exchange=("curve25519-sha256",),
        host_keys=("ssh-ed25519",),
        user_keys=("rsa-sha2-512",),
        compression=True,
    )
    assert other.algorithms == Algorithms()
    assert (other.address_family, other.attempts, other.batch, other.keys_allowed) == ("any", 1, False, True)


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh")
def test_openssh_says_only_what_is_set(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("StrictHostKeyChecking accept-new\n")
    found = ask_openssh(str(tmp_path / "config"), "node", "admin", None)
    assert set(found) <= {"hostname", "host", "port", "user", "stricthostkeychecking"}
    assert found["stricthostkeychecking"] == ["accept-new"]


def test_a_key_is_accepted_into_a_file_that_keeps_it(reader: Lookup, tmp_path: Path) -> None:
    def accepting(config: str, known_hosts: str | None = None) -> str:
        return way(reader, tmp_path, config, Ssh("node", known_hosts=known_hosts))[0].accepting

    assert accepting("").endswith("/.ssh/known_hosts")
    assert accepting("UserKnownHostsFile /dev/null\n") == ""
    assert accepting("UserKnownHostsFile none\n") == ""
    assert accepting("UserKnownHostsFile /dev/null /known/two\n") == "/known/two"
    assert accepting("UserKnownHostsFile /dev/null\n", known_hosts="/known/mine") == "/known/mine"


def test_quotes_that_do_not_end_are_no_traceback() -> None:
    with pytest.raises(NodeprovError, match="cannot understand KnownHostsCommand") as caught:
        route(Ssh("node"), lambda _alias, _user, _port: {"knownhostscommand": ["/bin/x 'y"]})
    assert caught.value.hint


def ask_fabric_of(folder: Path) -> Lookup:
    return lambda alias, user, port: ask_fabric(str(folder / "config"), alias, user, port)


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
