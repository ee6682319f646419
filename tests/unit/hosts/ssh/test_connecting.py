"""Reaching a server and being greeted by it: what it says, what is tried again, and what ssh_config says of it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import paramiko  # noqa: TID251  the other side
import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh import connecting
from tests.support.ssh_server import Manners, SshServer, lets_in, refusal, serving

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh that reads ssh_config")
OPENSSH = b"Not allowed at this time\r\n"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "AFTER_A_DROP", {"multiplier": 0.0, "max": 0.0})


@pytest.mark.parametrize("said", [OPENSSH, b"Exceeded MaxStartups\r\n", b"", b"no line"])
def test_a_connection_that_is_dropped_is_made_again(tmp_path: Path, said: bytes) -> None:
    with serving(tmp_path, Manners(turned_away=(said,) * (connecting.DROPS - 1))) as server:
        assert lets_in(server.host())
        assert len(server.peers) == connecting.DROPS


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (OPENSSH, 'it refuses the connection: it says "Not allowed at this time" '),
        (b"Exceeded MaxStartups\r\n", 'it says "Exceeded MaxStartups" '),
        (b"no more \x1b[2Jroom\n" * 9, '"no more \x1b[2Jroom; no more'),
        (b"", "it closes the connection at once (port "),
    ],
)
def test_what_a_server_says_in_place_of_a_greeting_is_shown(tmp_path: Path, said: bytes, shown: str) -> None:
    with serving(tmp_path, Manners(turned_away=(said,) * 99)) as server:
        error = refusal(server.host())
        assert shown in error.message
        assert f"tried {connecting.DROPS} times" in error.message
        assert "not an SSH server" not in error.message
        assert all(word in error.hint for word in ("MaxStartups", "PerSourcePenalties", f"ssh -p {server.port} "))
        assert len(server.peers) == connecting.DROPS


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n<html>",
        b"<!DOCTYPE HTML>\n<html lang=en>\n",
        b"220 mail.example.com ESMTP\r\n",
        b"+OK POP3 ready\r\n",
        b"* OK IMAP4rev1\r\n",
    ],
)
def test_what_is_no_ssh_server_is_not_asked_again(tmp_path: Path, said: bytes) -> None:
    with serving(tmp_path, Manners(turned_away=(said,) * 9)) as server:
        error = refusal(server.host())
        first = said.decode().splitlines()[0]
        assert error.message.startswith(f'what answers is not an SSH server: it says "{first}')
        assert len(server.peers) == 1


def test_a_proxy_command_says_why_it_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        error = refusal(
            server.host("ProxyCommand sh -c 'sleep 0.2; echo please log in at the gate >&2; exit 3'\n")
        )
        assert error.message == "its ProxyCommand ended: please log in at the gate"
        assert not server.peers


def relay(folder: Path, port: int, *first: str) -> str:
    """Write a ProxyCommand that does something first."""
    script = folder / "relay.py"
    script.write_text(
        f"""\
import os, socket, threading
to = socket.create_connection(("127.0.0.1", {port}))
def back():
    try:
        while data := to.recv(65536):
            os.write(1, data)
    finally:
        os._exit(0)
threading.Thread(target=back).start()
while data := os.read(0, 65536):
    to.sendall(data)
to.shutdown(socket.SHUT_WR)
"""
    )
    steps = "; ".join([*first, f"exec {shutil.which('python3')} {script}"])
    return f"ProxyCommand sh -c {shlex.quote(steps)}\n"


def test_a_proxy_command_carries_a_connection_and_may_write_known_hosts(tmp_path: Path) -> None:
    """As sss_ssh_knownhostsproxy of sssd does, with GlobalKnownHostsFile /var/lib/sss/pubconf/known_hosts."""
    with serving(tmp_path) as server:
        known = f"{server.name} {server.key}"
        server.known_hosts.unlink()
        config = relay(tmp_path, server.port, f"echo '{known}' > {server.known_hosts}")
        said = {"known_hosts": None}
        assert lets_in(server.host(f"{config}GlobalKnownHostsFile {server.known_hosts}\n", **said))
        server.manners.turned_away = (OPENSSH,) * (len(server.peers) + 2)
        assert lets_in(server.host(f"{config}GlobalKnownHostsFile {server.known_hosts}\n", **said))


def test_an_interruption_leaves_a_proxy_command_to_the_undo(tmp_path: Path) -> None:
    """A terminal sends it to all that run on it."""
    with serving(tmp_path) as server:
        host = server.host(relay(tmp_path, server.port, f"echo $$ > {tmp_path}/pid"))
        assert host.sh("echo in").text == "in\n"
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGINT)
        assert host.sh("echo still").text == "still\n"
        host.close()
        assert len(server.peers) == 1


def test_the_address_that_is_come_from_is_chosen(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert lets_in(server.host("BindAddress 127.0.0.9\n"))
        assert server.peers == ["127.0.0.9"]
        assert "cannot be reached" in refusal(server.host("AddressFamily inet6\n")).message
        assert lets_in(server.host("AddressFamily inet\n"))


def test_a_machine_is_reached_as_often_as_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(tmp_path) as server:

        def begin() -> None:
            late = socket.create_server(("127.0.0.1", port))
            with late:
                server._greet(late.accept()[0], 0)
                threading.Event().wait(3)

        server.known_hosts.write_text(f"[127.0.0.1]:{port} {server.key}\n")
        assert "Connection refused" in refusal(server.host(port=port)).message
        timer = threading.Timer(0.5, begin)
        timer.start()
        assert lets_in(server.host("ConnectionAttempts 4\n", port=port))
        timer.join()


@pytest.mark.parametrize(
    ("config", "attribute", "agreed"),
    [
        ("Ciphers aes256-gcm@openssh.com,aes128-ctr", "local_cipher", "aes256-gcm@openssh.com"),
        ("Ciphers aes128-ctr,aes256-gcm@openssh.com", "local_cipher", "aes128-ctr"),
        ("Ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com", "local_cipher", "aes256-gcm@"),
        ("MACs hmac-sha2-512\nCiphers aes256-ctr", "local_mac", "hmac-sha2-512"),
        ("HostKeyAlgorithms ecdsa-sha2-nistp256", "host_key_type", "ecdsa-sha2-nistp256"),
        ("Compression yes", "local_compression", "zlib"),
    ],
)
def test_algorithms_are_those_of_the_configuration(
    tmp_path: Path, config: str, attribute: str, agreed: str
) -> None:
    with serving(tmp_path) as server:
        host = server.host(f"{config}\n")
        assert host.sh("echo in").text == "in\n"
        assert agreed in getattr(host._connected().transport, attribute)
        host.close()


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("ecdh-sha2-nistp384", ("ecdh-sha2-nistp384",)),
        ("sntrup761x25519-sha512@openssh.com,curve25519-sha256", ("curve25519-sha256@libssh.org",)),
    ],
)
def test_key_exchanges_are_those_of_the_configuration(
    tmp_path: Path, wanted: str, offered: tuple[str, ...]
) -> None:
    """curve25519-sha256 has two names, and paramiko has one of them."""
    with serving(tmp_path) as server:
        host = server.host(f"KexAlgorithms {wanted}\n")
        assert host.sh("echo in").text == "in\n"
        assert tuple(host._connected().transport.get_security_options().kex) == offered
        host.close()


@pytest.mark.parametrize("directive", ["Ciphers chacha20-poly1305@openssh.com", "MACs umac-64@openssh.com"])
def test_algorithms_that_paramiko_does_not_have_are_named(tmp_path: Path, directive: str) -> None:
    with serving(tmp_path) as server:
        error = refusal(server.host(f"{directive}\n"))
        name, _, value = directive.partition(" ")
        assert error.message == f"{name} of the ssh configuration names none that nodeprov has: {value}"
        assert "add one" in error.hint


def test_what_is_not_followed_is_named_when_the_server_is_not_reached(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.close()
        config = "BindInterface lo\nConnectTimeout 7\nControlPath ~/.ssh/%C\nStrictHostKeyChecking no\n"
        message = refusal(server.host(config)).message
        assert "cannot be reached: Connection refused; not followed of the ssh configuration: " in message
        assert "BindInterface lo (use BindAddress)" in message
        assert "ConnectTimeout 7 ([ssh] connect_timeout_seconds counts)" in message
        assert "ControlPath" in message
        assert "StrictHostKeyChecking" not in message


def test_dev_null_is_a_configuration(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert lets_in(server.host(config_file="/dev/null"))


def test_a_jump_host_that_forwards_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_visit: Any, _number: int, _origin: Any, _to: Any) -> int:
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    monkeypatch.setattr(
        "tests.support.ssh_server._Visit.check_channel_direct_tcpip_request", refuse, raising=False
    )
    with serving(tmp_path) as jump:
        config = (
            f"Host bastion\n HostName 127.0.0.1\n Port {jump.port}\n User jumper\n IdentityFile {jump.identity}\n"
            "Host node\n HostName 127.0.0.1\n ProxyJump bastion\n"
        )
        error = refusal_of_node(jump, config)
        assert error.message.startswith("cannot be reached from bastion: ")
        assert "let jumper forward there: AllowTcpForwarding" in error.hint


def refusal_of_node(jump: SshServer, config: str) -> NodeprovError:
    host = jump.host(config, port=None)
    host._ssh = type(host._ssh)(
        address="node", known_hosts=str(jump.known_hosts), config_file=str(jump.folder / "config")
    )
    return refusal(host)
