"""Agents: IdentityAgent with its words, paths and variables, and the certificates that they have."""

import base64
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko  # noqa: TID251  what is reached into is paramiko's own
import pytest

from nodeprov.hosts.local import run_checked, run_program, start_daemon
from tests.support.ssh_server import Manners, lets_in, new_key, refusal, serving

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh that reads ssh_config")
Agents = Callable[..., str]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the user's own agent and keys."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agents]:
    """Start agents that hold keys."""
    started: list[int] = []

    def start(*keys: Path) -> str:
        path = tmp_path / f"agent socket {len(started)}"
        started.append(start_daemon(["ssh-agent", "-D", "-a", str(path)], tmp_path / "agent.log"))
        # Its socket is there before it listens; 2 is ssh-add's word for an agent that cannot be asked.
        while run_program(["ssh-add", "-l"], environment={"SSH_AUTH_SOCK": str(path)}).returncode == 2:
            time.sleep(0.02)
        for key in keys:
            run_checked(["ssh-add", "-q", str(key)], "ssh-add", environment={"SSH_AUTH_SOCK": str(path)})
        return str(path)

    yield start
    for pid in started:
        os.kill(pid, signal.SIGTERM)


def blob(path: Path) -> bytes:
    return base64.b64decode(path.with_name(f"{path.name}.pub").read_text().split()[1])


def only(path: Path) -> Manners:
    return Manners(accepts=frozenset({blob(path)}))


@pytest.mark.parametrize("said", ["PATH", "${NODEPROV_TEST_AGENT}", "$NODEPROV_TEST_AGENT"])
def test_the_agent_of_the_configuration_is_asked(
    tmp_path: Path, agent: Agents, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(tmp_path / "mine")
    path = agent(key)
    monkeypatch.setenv("NODEPROV_TEST_AGENT", path)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent())
    with serving(tmp_path, only(key)) as server:
        config = f'IdentityFile none\nIdentityAgent "{said.replace("PATH", path)}"\n'
        assert lets_in(server.host(config, identity_file=None))


def test_no_agent_is_asked_where_none_is_wanted(
    tmp_path: Path, agent: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent(new_key(tmp_path / "mine")))
    with serving(tmp_path) as server:
        assert "no key to log in with" in refusal(server.host("IdentityAgent none\n", identity_file=None)).message
        assert lets_in(server.host("IdentityAgent SSH_AUTH_SOCK\n", identity_file=None))
        assert lets_in(server.host(identity_file=None))


def test_an_agent_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, Manners(accepts=frozenset())) as server:
        for identity in (None, str(server.identity)):
            message = refusal(server.host("IdentityAgent /nowhere/sock\n", identity_file=identity)).message
            assert "the agent at /nowhere/sock cannot be asked: No such file or directory" in message


def test_a_public_key_names_one_that_an_agent_has(tmp_path: Path, agent: Agents) -> None:
    """As 1Password has it: IdentityFile ~/.ssh/work.pub, and the private half nowhere else."""
    keys = [new_key(tmp_path / f"key{number}") for number in range(7)]
    path = agent(*keys)
    for key in keys:
        key.unlink()
    with serving(tmp_path, only(keys[6])) as server:
        for named in (keys[6], f"{keys[6]}.pub"):
            server.offered.clear()
            config = f'IdentityAgent "{path}"\nIdentitiesOnly yes\nIdentityFile {named}\n'
            assert lets_in(server.host(config, identity_file=None))
            assert len(server.offered) == 1
            assert lets_in(server.host(f'IdentityAgent "{path}"\n', identity_file=str(named)))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_certificates_are_shown(tmp_path: Path, agent: Agents, kind: str) -> None:
    """Beside the key, in an agent, and by CertificateFile for either; OpenSSH judges them in the lab."""
    key, authority = new_key(tmp_path / "mine", kind), new_key(tmp_path / "ca")
    run_checked(["ssh-keygen", "-q", "-s", str(authority), "-I", "me", str(key.with_suffix(".pub"))], "ssh-keygen")
    certificate = tmp_path / "mine-cert.pub"
    beside, elsewhere = agent(key), tmp_path / "elsewhere"
    certificate.rename(elsewhere)
    alone = agent(key)
    with serving(tmp_path, Manners(accepts=frozenset())) as server:
        for config, identity in (
            (f'IdentityAgent "{beside}"\nIdentityFile none\n', None),
            (f'IdentityAgent "{alone}"\nCertificateFile {elsewhere}\nIdentityFile none\n', None),
            (f"CertificateFile {elsewhere}\nIdentityAgent none\n", str(key)),
        ):
            server.offered.clear()
            refusal(server.host(config, identity_file=identity))
            assert any("-cert-v01" in name for name in server.offered), (config, server.offered)


def test_paramiko_has_the_privates_that_are_reached_into() -> None:
    for name in ("_connect", "_close"):
        assert callable(getattr(paramiko.agent.AgentSSH, name))
