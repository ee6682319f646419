"""Configurations of ssh that say the same of every host, and what is remembered of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nodeprov.hosts import plain_config
from nodeprov.hosts.route import ask_openssh
from nodeprov.local_files import cache_folder

PLAIN = [
    "",
    "# a comment\n\nHost *\n  SendEnv LANG LC_*\n  HashKnownHosts yes\n",
    "User admin\nPort=2222\nCiphers aes256-ctr\n",
    "IdentityFile ~/.ssh/other\nServerAliveInterval 5\n  Host=*\nCompression yes\n",
    "Include more.d/*.conf\n",
    'UserKnownHostsFile "/tmp/a b"\n',
]
PER_HOST = [
    "Host worker*\n  Port 2222\n",
    "Host * !bastion\n  Port 2222\n",
    "Host a *\n",
    "Match all\n  Port 2222\n",
    "match exec true\n",
    "HostName 10.0.0.1\n",
    "ProxyJump bastion\n",
    "ProxyCommand nc h p\n",
    "CanonicalizeHostname yes\n",
    "IdentityFile ~/.ssh/%h\n",
    "IdentityFile ${KEYS}/id\n",
    "Tag lab\n",
    "?\n",
]


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh")
def test_of_any_host_is_said_what_ssh_says_of_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    assert plain_config.stamps(str(path)) is not None
    for alias in ("worker1", "Worker-2.Example.org", "10.0.0.11", "fe80::1"):
        for user, port in ((None, None), ("root", 2200)):
            shared = ask_openssh(str(path), alias, user, port)
            path.write_text(f"{text}\nHost nobody.invalid\n")  # what is no longer plain is asked about anew
            assert plain_config.stamps(str(path)) is None
            assert ask_openssh(str(path), alias, user, port) == shared
            path.write_text(text)


@pytest.mark.parametrize("text", PER_HOST)
def test_what_may_tell_hosts_apart_is_not_plain(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    assert plain_config.stamps(str(tmp_path / "config")) is None
    (tmp_path / "outer").write_text(f"Include {tmp_path}/conf*\n")
    assert plain_config.stamps(str(tmp_path / "outer")) is None


def test_files_that_include_one_another_are_not_plain(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(f"Include {path}\n")
    assert plain_config.stamps(str(path)) is None


def test_a_file_that_is_included_counts(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"Include {tmp_path}/more.d/*\n")
    before = plain_config.stamps(str(tmp_path / "config"))
    (tmp_path / "more.d").mkdir()
    (tmp_path / "more.d" / "one").write_text("Port 2222\n")
    after = plain_config.stamps(str(tmp_path / "config"))
    assert before is not None
    assert after is not None
    assert len(after) == len(before) + 1


class Asked:
    """Answers, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Mapping[str, Sequence[str]]:
        self.times += 1
        return {"port": ["2222"]}


def forgotten() -> None:
    """As in another process."""
    plain_config._known.clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NODEPROV_CACHE", str(tmp_path / "cache"))
    forgotten()
    return cache_folder() / "ssh-config"


def test_what_ssh_has_answered_is_remembered_by_the_next_process(folder: Path) -> None:
    ask, files = Asked(), [("/etc/ssh/ssh_config", 1, 2, 3)]
    for _ in range(3):
        assert plain_config.remembered(["-l", "root"], files, ask) == {"port": ["2222"]}
        forgotten()
    assert ask.times == 1
    plain_config.remembered(["-l", "admin"], files, ask)
    plain_config.remembered(["-l", "root"], [("/etc/ssh/ssh_config", 1, 2, 4)], ask)
    assert ask.times == 3
    assert len([*folder.iterdir()]) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"port": 22}', '{"port": [22]}', "null", "x" * (1 << 17)])
def test_a_damaged_memory_is_asked_about_again(folder: Path, content: str) -> None:
    ask = Asked()
    plain_config.remembered(["-l", "root"], [], ask)
    forgotten()
    [file] = folder.iterdir()
    file.write_text(content)
    assert plain_config.remembered(["-l", "root"], [], ask) == {"port": ["2222"]}
    assert ask.times == 2


def test_what_others_may_have_written_is_not_believed(folder: Path) -> None:
    ask = Asked()
    plain_config.remembered(["-l", "root"], [], ask)
    forgotten()
    [file] = folder.iterdir()
    file.write_text(json.dumps({"port": ["1"]}))
    file.chmod(0o666)
    assert plain_config.remembered(["-l", "root"], [], ask) == {"port": ["2222"]}
