from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from nodeprov.errors import UsageError
from nodeprov.hosts.local import run_checked, run_program
from nodeprov.hosts.ssh_signatures import AGENT, BUNDLE, LOCK, PLAN, NotSigned, sign, verify
from tests.support.signing import allowed, ssh_key

CONTENT = b"what is signed\n"


def refusal(content: bytes, signature: bytes, namespace: str, signers: Path) -> str:
    with pytest.raises(NotSigned) as caught:
        verify(content, signature, namespace, signers)
    return str(caught.value)


@pytest.mark.parametrize("namespace", [LOCK, PLAN, BUNDLE])
def test_what_somebody_has_signed_is_theirs(tmp_path: Path, namespace: str) -> None:
    signature = sign(CONTENT, namespace, str(ssh_key("ann")))
    assert verify(CONTENT, signature, namespace, allowed(tmp_path, "bob", "ann")) == "ann@example.com"


def test_openssh_verifies_it_too(tmp_path: Path) -> None:
    (tmp_path / "sig").write_bytes(sign(CONTENT, LOCK, str(ssh_key("ann"))))
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(allowed(tmp_path, "ann")), "-I", "ann@example.com"]
    run_checked([*argv, "-n", "nodeprov.lock", "-s", str(tmp_path / "sig")], "cannot verify", stdin=CONTENT)


def test_another_content_purpose_or_signer_is_refused(tmp_path: Path) -> None:
    signature = sign(CONTENT, LOCK, str(ssh_key("ann")))
    signers = allowed(tmp_path, "ann")
    assert "something else" in refusal(CONTENT + b" ", signature, LOCK, signers)
    assert "another purpose than nodeprov.plan" in refusal(CONTENT, signature, PLAN, signers)
    assert "SHA256:" in refusal(CONTENT, signature, LOCK, allowed(tmp_path, "bob"))


def test_a_signer_may_be_allowed_for_one_purpose_alone(tmp_path: Path) -> None:
    signers = allowed(tmp_path, "ann", options='namespaces="nodeprov.plan" ')
    assert verify(CONTENT, sign(CONTENT, PLAN, str(ssh_key("ann"))), PLAN, signers) == "ann@example.com"
    assert "does not allow" in refusal(CONTENT, sign(CONTENT, LOCK, str(ssh_key("ann"))), LOCK, signers)


def test_a_signer_whose_time_is_over_is_refused(tmp_path: Path) -> None:
    signers = allowed(tmp_path, "ann", options='valid-before="20200101" ')
    assert "does not allow" in refusal(CONTENT, sign(CONTENT, LOCK, str(ssh_key("ann"))), LOCK, signers)


def test_every_byte_of_a_signature_counts(tmp_path: Path) -> None:
    signature = sign(CONTENT, LOCK, str(ssh_key("ann")))
    signers = allowed(tmp_path, "ann")
    chance = random.Random(20261128)
    for _ in range(200):
        at, byte = chance.randrange(len(signature)), chance.randrange(1, 256)
        altered = bytearray(signature)
        altered[at] ^= byte
        refusal(CONTENT, bytes(altered), LOCK, signers)
    for altered_text in (
        signature + b"\n",
        b" " + signature,
        signature[:-1],
        b"",
        signature.replace(b"\n", b"\r\n"),
    ):
        refusal(CONTENT, altered_text, LOCK, signers)


def test_signers_that_cannot_be_read_are_an_error_of_the_inventory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="allowed signers"):
        verify(CONTENT, sign(CONTENT, LOCK, str(ssh_key("ann"))), LOCK, tmp_path / "none")


def test_the_agents_only_key_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_agent(tmp_path, monkeypatch)
    run_checked(["ssh-add", "-q", str(ssh_key("ann"))], "cannot add")
    try:
        assert verify(CONTENT, sign(CONTENT, LOCK, AGENT), LOCK, allowed(tmp_path, "ann")) == "ann@example.com"
        run_checked(["ssh-add", "-q", str(ssh_key("bob"))], "cannot add")
        with pytest.raises(UsageError, match="2 keys: ann, bob"):
            sign(CONTENT, LOCK, AGENT)
        public = str(ssh_key("bob").with_suffix(".pub"))
        assert verify(CONTENT, sign(CONTENT, LOCK, public), LOCK, allowed(tmp_path, "bob")) == "bob@example.com"
    finally:
        run_program(["ssh-agent", "-k"])


def with_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run_checked(["ssh-agent", "-s", "-a", str(folder / "agent")], "no agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "agent"))
    monkeypatch.setenv("SSH_AGENT_PID", said.split("SSH_AGENT_PID=")[1].split(";")[0])


def test_without_an_agent_it_is_said_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UsageError, match="--key FILE"):
        sign(CONTENT, LOCK, AGENT)
    assert "SSH_AUTH_SOCK" not in os.environ
