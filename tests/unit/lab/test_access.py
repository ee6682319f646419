from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov_lab.access import known_hosts, make_key, remote_command, ssh_argv
from nodeprov_lab.base import Machine

ODD = ["a b", "", "'", '"', "$HOME `id` $(id)", "back\\slash", "two\nlines", "*", "-n", "--", "~", "é", ";", "&&"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_arguments_arrive_exactly_as_given(shell: str) -> None:
    _, line = remote_command(["printf", "%s\\0", *ODD])
    # sshd hands the line to the user's shell as this does
    assert run_program([shell, "-c", line]).stdout.decode().split("\0")[:-1] == ODD


def test_without_a_command_ssh_logs_in() -> None:
    assert remote_command([]) == []


def test_a_login_trusts_only_the_labs_keys() -> None:
    argv = ssh_argv("root", "10.0.0.1", Path("/lab/key"), Path("/lab/known_hosts"))
    assert argv[:5] == ["ssh", "-F", "/dev/null", "-i", "/lab/key"]
    assert "StrictHostKeyChecking=yes" in argv
    assert "UserKnownHostsFile=/lab/known_hosts" in argv
    assert "GlobalKnownHostsFile=/dev/null" in argv
    assert argv[-1] == "root@10.0.0.1"


def test_a_machine_is_known_by_its_name_and_its_address() -> None:
    key = make_key()
    line = known_hosts([Machine("worker1", "10.0.0.1", "worker", "10.1.0.0/24")], [key])
    names, kind, public = line.split()
    assert (names, kind) == ("worker1,10.0.0.1", "ssh-ed25519")
    assert base64.b64decode(public)[4:15] == b"ssh-ed25519"


def test_a_key_is_one_that_openssh_reads(tmp_path: Path) -> None:
    key = make_key()
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_bytes(key.private)
    paramiko = pytest.importorskip("paramiko")
    loaded = paramiko.Ed25519Key.from_private_key_file(os.fspath(file))
    assert loaded.get_base64() == key.public.split()[1]
