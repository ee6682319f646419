"""Logging in: without a key, by key files, and what is said when nobody is let in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import paramiko  # noqa: TID251  the other side
import pytest
from paramiko import Message  # noqa: TID251
from paramiko.auth_handler import AuthHandler  # noqa: TID251

from nodeprov.hosts.passwords import Passwords
from tests.support.ssh_server import FidoKey, Manners, fido_agent, lets_in, new_key, refusal, serving

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh that reads ssh_config")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the user's own agent and keys."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


class TestNone:
    """A server that asks for nothing, as Tailscale SSH; and what else its first answer tells."""

    def test_who_needs_no_key_is_let_in(self, tmp_path: Path) -> None:
        with serving(tmp_path, Manners(lets_in_by_none=True, methods="")) as server:
            assert lets_in(server.host("PubkeyAuthentication no\n", identity_file=None))
            assert server.offered == []

    def test_no_key_is_offered_where_none_lets_in(self, tmp_path: Path) -> None:
        with serving(tmp_path, Manners(methods="password,keyboard-interactive")) as server:
            error = refusal(server.host())
            assert error.message == "it does not accept keys for root, only by password, keyboard-interactive"
            assert server.offered == []

    @pytest.mark.parametrize("offered", ["gssapi-with-mic,hostbased", "gssapi-with-mic,publickey", "publickey"])
    def test_ways_that_are_not_followed_are_named(self, tmp_path: Path, offered: str) -> None:
        with serving(tmp_path, Manners(methods=offered, accepts=frozenset())) as server:
            message = refusal(server.host("GSSAPIAuthentication yes\nHostbasedAuthentication yes\n")).message
            assert "not followed of the ssh configuration: GSSAPIAuthentication yes (" in message
            assert "HostbasedAuthentication yes (" in message

    def test_what_the_server_shows_is_said(self, tmp_path: Path) -> None:
        shown = "tailnet policy does not permit you to SSH as user root\n"
        with serving(tmp_path, Manners(banner=shown, accepts=frozenset())) as server:
            message = refusal(server.host()).message
            assert message.endswith('; it shows "tailnet policy does not permit you to SSH as user root"')

    def test_a_server_that_waits_for_a_person_says_for_what(self, tmp_path: Path) -> None:
        """As Tailscale's check mode, which answers when the page has been opened."""
        page = "# To authenticate, visit: https://login.example.com/a/12\n"
        with serving(tmp_path, Manners(banner=page, answers_logins=False)) as server:
            error = refusal(server.host("ConnectTimeout 30\n", connect_timeout_seconds=1))
            assert "the login as root with no key was not answered within 1 s" in error.message
            assert "visit: https://login.example.com/a/12" in error.message
            assert "ConnectTimeout 30" in error.message
            assert "a page to open" in error.hint


def test_a_login_asks_once_whether_it_may_and_does_not_wait_to_hear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    usual = AuthHandler._parse_service_request  # type: ignore[attr-defined]

    def heard(handler: AuthHandler, message: Message) -> None:
        asked.append("service")
        usual(handler, message)

    monkeypatch.setattr(AuthHandler, "_parse_service_request", heard)  # the server's
    second = new_key(tmp_path / "second")
    accepts = frozenset({paramiko.PKey.from_path(second).asbytes()})
    with serving(tmp_path, Manners(accepts=accepts)) as server:
        assert lets_in(server.host(f"IdentityFile {second}\n"))
        assert len(server.offered) == 2
    assert asked == ["service"]


class TestKeyFiles:
    """A file that is named and gives no key is never passed over in silence."""

    def test_a_fido_key_belongs_into_an_agent(self, tmp_path: Path) -> None:
        key = FidoKey(tmp_path / "id_ed25519_sk")
        with serving(tmp_path) as server:
            for named in (key.path, f"{key.path}.pub"):
                error = refusal(server.host(identity_file=str(named)))
                assert f"{named} is a FIDO key, which only an agent can use" in error.message
                assert f"ssh-add {key.path}" in error.hint
            in_config = refusal(server.host(f"IdentityFile {key.path}\n", identity_file=None))
            assert f"{key.path} is a FIDO key" in in_config.message
            assert server.offered == []

    def test_nobody_is_asked_for_the_pin_of_a_fido_key(self, tmp_path: Path) -> None:
        key = FidoKey(tmp_path / "id_ed25519_sk")
        text = key.path.read_text()
        key.path.write_text(text)
        asked: list[str] = []

        def ask(prompt: str) -> str:
            asked.append(prompt)
            return ""

        with serving(tmp_path) as server:
            refusal(server.host(passwords=Passwords(ask), identity_file=str(key.path)))
        assert asked == []

    def test_beside_other_keys_it_is_named_too(self, tmp_path: Path) -> None:
        key = FidoKey(tmp_path / "id_ed25519_sk")
        with serving(tmp_path, Manners(accepts=frozenset())) as server:
            error = refusal(server.host(f"IdentityFile {key.path}\n"))
            assert f"not let in as root with {server.identity}; {key.path} is a FIDO key" in error.message

    def test_an_agent_that_has_the_token_is_asked(self, tmp_path: Path) -> None:
        """paramiko's server knows no such keys: that they are let in is shown in the lab."""
        key = FidoKey(tmp_path / "id_ed25519_sk")
        with serving(tmp_path) as server, fido_agent(tmp_path, key) as path:
            message = refusal(server.host(f"IdentityAgent {path}\n", identity_file=str(key.path))).message
            assert "with the agent's token" in message
            assert "FIDO" not in message

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("ssh-ed25519 AAAA me", "is a public key, and no agent has its private key"),
            ("PuTTY-User-Key-File-3: ssh-ed25519\n", "is not a private key that can be read here"),
            ("", "is not a private key that can be read here"),
            (None, "and no agent has the key of its .pub file"),
        ],
    )
    def test_a_file_that_gives_no_key_is_named(self, tmp_path: Path, content: str | None, said: str) -> None:
        named = tmp_path / "named"
        if content is None:
            new_key(named).unlink()
        else:
            named.write_text(content)
        with serving(tmp_path) as server:
            error = refusal(server.host(f"IdentityFile {named}\n", identity_file=None))
            assert f"{named} {said}" in error.message.replace("is not there, ", "")

    def test_files_that_are_named_and_missing_are_said(self, tmp_path: Path) -> None:
        with serving(tmp_path) as server:
            error = refusal(server.host("IdentityFile /nowhere/one\n", identity_file=None))
            assert "no agent has one, and there is none of /nowhere/one" in error.message

    def test_a_passphrase_is_not_asked_for_in_batch_mode(self, tmp_path: Path) -> None:
        locked = new_key(tmp_path / "locked", "ed25519", "secret")
        with serving(tmp_path) as server:
            passwords = Passwords(lambda _prompt: "secret")
            said: dict[str, Any] = {"passwords": passwords, "identity_file": str(locked)}
            assert f"{locked} needs its passphrase" in refusal(server.host("BatchMode yes\n", **said)).message
            assert lets_in(server.host(**said))


class TestWhatMayBeOffered:
    """Directives that forbid keys."""

    @pytest.mark.parametrize("config", ["PubkeyAuthentication no", "PreferredAuthentications password"])
    def test_no_key_is_offered_where_none_may_be(self, tmp_path: Path, config: str) -> None:
        with serving(tmp_path) as server:
            message = refusal(server.host(f"{config}\n")).message
            assert "PubkeyAuthentication or PreferredAuthentications of the ssh configuration" in message
            assert server.offered == []
            assert lets_in(server.host("PreferredAuthentications gssapi-with-mic,publickey\n"))

    @pytest.mark.parametrize(
        ("config", "kind"),
        [
            ("PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256", "ed25519"),
            ("PubkeyAcceptedAlgorithms ssh-ed25519", "rsa"),
            ("RequiredRSASize 4096", "rsa"),
        ],
    )
    def test_a_key_of_another_kind_is_not_offered(self, tmp_path: Path, config: str, kind: str) -> None:
        key = new_key(tmp_path / "mine", kind)
        with serving(tmp_path) as server:
            message = refusal(server.host(f"{config}\n", identity_file=str(key))).message
            assert f"{key} is ruled out by PubkeyAcceptedAlgorithms or RequiredRSASize" in message
            assert server.offered == []
            assert lets_in(server.host(identity_file=str(key)))

    def test_tokens_of_a_pkcs11_provider_are_named(self, tmp_path: Path) -> None:
        with serving(tmp_path, Manners(accepts=frozenset())) as server:
            message = refusal(server.host("PKCS11Provider /usr/lib/opensc.so\n")).message
            assert "PKCS11Provider /usr/lib/opensc.so (give the token's keys to an agent: ssh-add -s" in message
