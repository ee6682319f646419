"""Login programs: what they are told, what they give, and when they are asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nodeprov.dispatch.access import from_kubeconfig
from nodeprov.dispatch.login import Login
from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_checked

V1 = "client.authentication.k8s.io/v1"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
PROGRAM = """#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > "$(dirname "$0")/told"
echo run >> "$(dirname "$0")/runs"
cat "$(dirname "$0")/$1-$KIND"
"""


class Site:
    """A folder with a login program, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOON
        self.program = folder / "login"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def gives(self, kind: str = "ExecCredential", **status: Any) -> None:
        (self.folder / "print-it").write_text(json.dumps({"apiVersion": V1, "kind": kind, "status": status}))

    def login(self, **said: Any) -> Login:
        given = {"command": str(self.program), "args": ["print"], "env": [{"name": "KIND", "value": "it"}]}
        cluster = {"server": "https://x", "insecure-skip-tls-verify": False}
        return Login({"apiVersion": V1, **given, **said}, cluster, run, lambda: self.now)

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text().splitlines())

    def told(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.folder / "told").read_text())
        return value


def run(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    return run_checked(argv, "log in", environment=environment)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_program_is_told_what_client_go_tells_it_and_gives_a_token(site: Site) -> None:
    site.gives(token="t1")
    assert site.login().credential().token == "t1"
    assert site.told() == {"kind": "ExecCredential", "apiVersion": V1, "spec": {"interactive": False}}
    site.login(provideClusterInfo=True).credential()
    assert site.told()["spec"]["cluster"] == {"server": "https://x"}


def test_it_is_asked_again_when_that_has_expired_or_was_refused_and_not_before(site: Site) -> None:
    site.gives(token="t1", expirationTimestamp=(NOON + timedelta(hours=1)).isoformat())
    login = site.login()
    assert [login.credential().token for _ in range(3)] == ["t1"] * 3
    assert site.runs == 1
    site.now = NOON + timedelta(hours=2)
    site.gives(token="t2")
    assert login.credential().token == "t2"
    login.refuse("t1")  # by a thread that was late
    assert (login.credential().token, site.runs) == ("t2", 2)
    login.refuse("t2")
    login.credential()
    assert site.runs == 3


def test_a_kubeconfig_with_a_login_program_gives_its_certificate(site: Site) -> None:
    site.gives(clientCertificateData="CERT", clientKeyData="KEY")
    said = {
        "apiVersion": V1,
        "command": str(site.program),
        "args": ["print"],
        "env": [{"name": "KIND", "value": "it"}],
    }
    value = {"clusters": [{"cluster": {"server": "https://x"}}], "users": [{"user": {"exec": said}}]}
    access = from_kubeconfig(value, "kubeconfig", run)
    assert access.given_certificate() == "CERT\nKEY\n"
    assert access.current_token() == ""


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"interactiveMode": "Always"}, "wants a terminal"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "speaks client.authentication.k8s.io/v1alpha1"),
    ],
)
def test_what_is_not_done_is_said(site: Site, said: dict[str, Any], what: str) -> None:
    with pytest.raises(NodeprovError, match=what):
        site.login(**said)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Other", {"token": "secret"}),
        ("ExecCredential", {}),
        ("ExecCredential", {"token": 7}),
        ("ExecCredential", {"token": "two\nlines secret"}),
        ("ExecCredential", {"clientCertificateData": "secret"}),
        ("ExecCredential", {"token": "secret", "expirationTimestamp": "soon"}),
    ],
)
def test_what_is_no_credential_is_refused_and_not_shown(site: Site, kind: str, status: dict[str, Any]) -> None:
    site.gives(kind, **status)
    with pytest.raises(NodeprovError, match="what it prints is no ExecCredential") as raised:
        site.login().credential()
    assert "secret" not in str(raised.value)


def test_a_program_that_fails_is_told_with_the_hint_of_who_made_the_kubeconfig(site: Site) -> None:
    with pytest.raises(NodeprovError, match="No such file") as raised:
        site.login(installHint="pipx install login").credential()
    assert raised.value.hint == "pipx install login"
