"""The list of directives, against what the installed `ssh -G` prints, and against the manual."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.inventory import manual
from nodeprov.inventory.ssh_config import RULES, Fate, Stage, not_followed

NAMES = {name.lower(): rule for rule in RULES for name in rule.names}
OPTIONAL = """
AddressFamily inet
AddKeysToAgent 1h
BindAddress 127.0.0.1
BindInterface lo
CanonicalDomains example.com
CanonicalizePermittedCNAMEs *.a.example.com:*.b.example.com
CertificateFile ~/x-cert.pub
ChannelTimeout session=1h
ConnectTimeout 3
ControlPath /tmp/%C
DynamicForward 1080
HostKeyAlias other
IdentityAgent /run/agent
IgnoreUnknown x
KbdInteractiveDevices pam
KnownHostsCommand /usr/bin/sss_ssh_knownhosts %H
LocalCommand true
LocalForward 1 a:2
LogVerbose a.c
PKCS11Provider /usr/lib/x.so
PermitRemoteOpen none
PreferredAuthentications publickey
RemoteCommand true
RemoteForward 3 b:4
RevokedHostKeys /etc/ssh/revoked
SecurityKeyProvider /usr/lib/sk.so
SendEnv LANG
SetEnv A=b
Tag blue
VersionAddendum x
"""
"""Directives that are printed only if they are set; a client that does not know one says so."""


def printed(tmp_path: Path, more: str) -> dict[str, str]:
    """Ask the installed ssh, leaving out what it does not know."""
    path, lines = tmp_path / "config", [*OPTIONAL.splitlines(), more]
    while True:
        path.write_text("\n".join(lines))
        output = run_program(["ssh", "-G", "-T", "-F", str(path), "node"])
        unknown = [int(number) for number in re.findall(r"line (\d+): (?:Bad|Unsupp)", output.stderr.decode())]
        if output.returncode == 0:
            return dict(line.lower().partition(" ")[::2] for line in output.text.splitlines())
        assert unknown, output.said
        lines = [line for number, line in enumerate(lines, 1) if number not in unknown]


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh")
@pytest.mark.parametrize("more", ["ProxyJump a", "ProxyCommand nc %h %p"])
def test_every_directive_that_ssh_prints_has_its_fate(tmp_path: Path, more: str) -> None:
    found = printed(tmp_path, more)
    assert len(found) > 80
    assert "knownhostscommand" in found
    assert sorted(set(found) - set(NAMES)) == []


def test_no_directive_has_two_fates() -> None:
    names = [name.lower() for rule in RULES for name in rule.names]
    assert len(names) == len(set(names))


def test_the_manual_lists_them_all() -> None:
    text = manual.files()["inventory.md"]
    section = text.partition("## ssh_config\n")[2].partition("\n## ")[0]
    for rule in RULES:
        (line,) = [line for line in section.splitlines() if f"`{rule.names[0]}`" in line]
        assert all(f"`{name}`" in line for name in rule.names)
        assert rule.doc in line
    for fate in Fate:
        assert f"### {fate.value}\n" in section


def test_what_may_make_a_login_fail_has_a_stage_or_is_said_otherwise() -> None:
    for rule in RULES:
        assert bool(rule.stages) == (rule.fate is Fate.NAMED and rule.names[0] != "KbdInteractiveAuthentication")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.stages], ids=lambda rule: rule.names[0])
def test_what_is_set_and_not_followed_is_named_where_it_matters(rule: object) -> None:
    assert isinstance(rule, type(RULES[0]))
    for name in rule.names:
        options = {name.lower(): ["some/value"]}
        for stage in Stage:
            named = not_followed(options, stage)
            assert named == ((f"{name} some/value ({rule.doc})",) if stage in rule.stages else ())
        for harmless in ("no", "none", "", *rule.harmless):
            assert not not_followed({name.lower(): [harmless]}, rule.stages[0])
