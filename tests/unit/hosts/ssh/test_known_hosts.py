from __future__ import annotations

import base64
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from nodeprov.hosts.route import name_of
from nodeprov.hosts.ssh.known_hosts import Verdict, judge, parse, read
from nodeprov_lab.access import make_key

OURS, THEIRS = (make_key().public for _ in range(2))
KEY = base64.b64decode(OURS.split()[1])


@pytest.mark.parametrize(
    ("names", "host", "known"),
    [
        ("node", "node", True),
        ("node", "NODE", True),
        ("NODE", "node", True),
        ("a,node,b", "node", True),
        ("node", "other", False),
        ("*.example.com", "node.example.com", True),
        ("*.example.com,!node.example.com", "node.example.com", False),
        ("10.0.0.?", "10.0.0.1", True),
        ("10.0.0.?", "10.0.0.12", False),
        ("[node]:2222", "[node]:2222", True),
        ("[node]:2222", "node", False),
        ("node", "[node]:2222", False),
        ("[*]:2222", "[node]:2222", True),
        ("fd00::1", "fd00::1", True),
        ("|1|nonsense", "node", False),
        ("|1|AAAA|AAAA", "node", False),
    ],
)
def test_a_line_speaks_of_the_hosts_that_it_names(names: str, host: str, known: bool) -> None:
    found = judge(parse(f"{names} {OURS}\n", "known_hosts"), host, KEY)
    assert found is (Verdict.TRUSTED if known else Verdict.UNKNOWN)


@pytest.mark.parametrize("host", ["node", "[10.0.0.1]:2222"])
def test_a_name_may_be_hashed(tmp_path: Path, host: str) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{host} {OURS}\n")
    run_checked(["ssh-keygen", "-q", "-H", "-f", str(path)], "ssh-keygen")
    entries = read([str(path)])
    assert host not in path.read_text()
    assert judge(entries, host, KEY) is Verdict.TRUSTED
    assert judge(entries, "other", KEY) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (f"node {OURS}\n", Verdict.TRUSTED),
        (f"node {THEIRS}\nnode {OURS} comment\n", Verdict.TRUSTED),
        (f"node {THEIRS}\n", Verdict.CHANGED),
        ("", Verdict.UNKNOWN),
        (f"# node {OURS}\n\n", Verdict.UNKNOWN),
        (f"node {OURS}\n@revoked * {OURS}\n", Verdict.REVOKED),
        (f"@revoked node {THEIRS}\n", Verdict.UNKNOWN),
        (f"@cert-authority node {OURS}\n", Verdict.UNKNOWN),
        ("node ssh-ed25519 not!base64\nnode\n@\n", Verdict.UNKNOWN),
    ],
    ids=range(9),  # the keys are new ones each time, and two processes must agree on a test's name
)
def test_a_key_is_judged_by_all_lines(text: str, verdict: Verdict) -> None:
    assert judge(parse(text, "known_hosts"), "node", KEY) is verdict


def test_a_file_that_is_not_there_trusts_nobody(tmp_path: Path) -> None:
    (tmp_path / "there").write_text(f"node {OURS}\n")
    (entry,) = read([str(tmp_path / "missing"), str(tmp_path / "there")])
    assert (entry.path, entry.kind) == (str(tmp_path / "there"), "ssh-ed25519")


def test_a_host_is_named_with_its_port_unless_it_is_the_usual_one() -> None:
    assert (name_of("node", 22), name_of("node", 2222)) == ("node", "[node]:2222")
