"""What a server says beside the protocol."""

from pathlib import Path

import paramiko  # noqa: TID251  the other side
import pytest

from nodeprov.hosts.ssh.words import quoted, shown
from tests.support.ssh_server import refusal, serving


def test_what_a_server_says_as_it_hangs_up_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(visit: paramiko.ServerInterface, _username: str) -> int:
        (transport,) = server.transports
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_DISCONNECT)
        message.add_int(2)
        message.add_string("Too many authentication failures")
        message.add_string("en")
        transport._send_message(message)  # type: ignore[attr-defined]
        transport.close()
        return paramiko.common.AUTH_FAILED

    monkeypatch.setattr("tests.support.ssh_server._Visit.check_auth_none", hang_up)
    with serving(tmp_path) as server:
        assert 'it says "Too many authentication failures"' in refusal(server.host()).message
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("one\r\n", "one"),
        ("\n\none\n\ntwo\nthree\n", "one; two; three"),
        ("one\ntwo\nthree\nfour\n", "one; two; three..."),
        ("x" * 400, "x" * 300 + "..."),
        ("password: hunter2\n", "password: (not shown)"),
        ("", ""),
    ],
)
def test_what_is_said_is_shortened(text: str, short: str) -> None:
    assert shown(text) == short


def test_who_says_nothing_is_not_quoted() -> None:
    assert quoted("it says", "no") == 'it says "no"'
    assert quoted("it says", "") == ""


def test_paramiko_has_the_privates_that_are_reached_into() -> None:
    for owner, name in ((paramiko.Transport, "_parse_disconnect"), (paramiko.packet.Packetizer, "_read_timeout")):
        assert callable(getattr(owner, name))
