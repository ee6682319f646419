"""The host keys that are trusted: of files and of KnownHostsCommand, less the revoked ones."""

import os
import shlex
import shutil
from pathlib import Path

import paramiko  # noqa: TID251  the other side
import pytest

from nodeprov.hosts.local import run_checked
from tests.support.ssh_server import Manners, lets_in, new_key, refusal, serving

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh that reads ssh_config")


def test_a_command_knows_the_key(tmp_path: Path) -> None:
    """As FreeIPA's: KnownHostsCommand /usr/bin/sss_ssh_knownhosts %H."""
    with serving(tmp_path) as server:
        asked = tmp_path / "asked"
        command = command_of(tmp_path, f'echo "$@" >> {asked}; echo "$5" {server.key}')
        config = f"UserKnownHostsFile /dev/null\nKnownHostsCommand {command} %I %t '%f %%' %n %H ${{HOME}}\n"
        assert lets_in(server.host(config, known_hosts=None))
        kind, home = server.manners.host_key.get_name(), os.environ["HOME"]
        order, hostname = asked.read_text().splitlines()
        assert order == f"ORDER NONE NONE % 127.0.0.1 {server.name} {home}"
        assert hostname.startswith(f"HOSTNAME {kind} SHA256:")


def test_a_command_that_does_not_know_the_key_is_named(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        config = f"UserKnownHostsFile /dev/null\nKnownHostsCommand {command_of(tmp_path, 'true')} %H\n"
        error = refusal(server.host(config, known_hosts=None))
        assert f"({server.name} is not in KnownHostsCommand)" in error.message
        assert "/dev/null" not in error.message + error.hint
        assert 'known_hosts = "~/.ssh/known_hosts"' in error.hint
        assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> ~/.ssh/known_hosts" in error.hint


def test_a_command_that_fails_ends_the_connection(tmp_path: Path) -> None:
    """Also where a file knows the key: as ssh does it."""
    with serving(tmp_path) as server:
        command = command_of(tmp_path, "echo the directory is down >&2; exit 5")
        error = refusal(server.host(f"KnownHostsCommand {command} %H\n"))
        assert error.message == (
            "KnownHostsCommand of the ssh configuration failed: exit status 5: the directory is down"
        )
        assert error.hint == f"try it: {command} {shlex.quote(server.name)}"
        missing = refusal(server.host("KnownHostsCommand /nowhere/sss %H\n"))
        assert "cannot run /nowhere/sss" in missing.message
        assert not server.offered


def test_a_command_that_has_another_key_is_where_it_is_to_be_corrected(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        other = new_key(tmp_path / "other").with_suffix(".pub").read_text()
        command = command_of(tmp_path, f"echo '{server.name} {other.strip()}'")
        error = refusal(server.host(f"KnownHostsCommand {command}\n", known_hosts="/dev/null"))
        assert "the host key has changed" in error.message
        assert "ssh-keygen" not in error.hint
        assert str(command) in error.hint


@pytest.mark.parametrize("file", ["UserKnownHostsFile /dev/null", "UserKnownHostsFile none"])
def test_without_a_file_the_hint_names_one_that_keeps_it(tmp_path: Path, file: str) -> None:
    with serving(tmp_path) as server:
        error = refusal(server.host(f"{file}\nStrictHostKeyChecking accept-new\n", known_hosts=None))
        assert "/dev/null" not in error.hint
        assert "/etc/ssh" not in error.hint
        assert 'known_hosts = "~/.ssh/known_hosts" below [ssh] in the inventory' in error.hint
        assert "StrictHostKeyChecking accept-new (a key that is not known is never accepted)" in error.message


def test_an_authority_is_not_supported_and_said(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        authority = new_key(tmp_path / "ca").with_suffix(".pub").read_text()
        server.known_hosts.write_text(f"@cert-authority * {authority}")
        error = refusal(server.host())
        assert "not known" in error.message
        assert "@cert-authority" in error.message


@pytest.mark.parametrize("form", ["a list", "a KRL"])
def test_a_revoked_key_is_refused(tmp_path: Path, form: str) -> None:
    with serving(tmp_path) as server:
        listed = tmp_path / "revoked keys"
        listed.write_text(f"# a comment\n{server.key} lost\n")
        if form == "a KRL":
            krl = tmp_path / "krl"
            run_checked(["ssh-keygen", "-q", "-k", "-f", str(krl), str(listed)], "ssh-keygen")
            listed = krl
        config = f'RevokedHostKeys "{listed}"\n'
        assert "its host key is revoked" in refusal(server.host(config)).message
        server.manners.host_key = paramiko.ECDSAKey.generate()
        server.known_hosts.write_text(f"{server.name} {server.key}\n")
        assert lets_in(server.host(config))


def test_while_revoked_keys_cannot_be_read_nobody_is_trusted(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        error = refusal(server.host("RevokedHostKeys /nowhere/revoked\n"))
        assert "/nowhere/revoked: No such file" in error.message
        assert not server.offered


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, Manners(host_key=paramiko.RSAKey.generate(2048))) as server:
        assert lets_in(server.host())
        error = refusal(server.host("RequiredRSASize 3072\n"))
        assert "has 2048 bits, and RequiredRSASize is 3072" in error.message


def command_of(folder: Path, body: str) -> Path:
    path = folder / "command"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
