"""Signatures of files by people's SSH keys, as ssh-keygen -Y makes and verifies them."""

import base64
import shutil
import tempfile
from pathlib import Path

from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_attached, run_program
from nodeprov.local_files import read_bounded

LOCK, PLAN, BUNDLE = "nodeprov.lock", "nodeprov.plan", "nodeprov.bundle"
"""What a signature is for (its namespace): one of a lock says nothing of a plan with the same bytes."""
AGENT = "agent"
"""Stands for the only key that the SSH agent has."""

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_SIGNERS_HINT = "[trust] allowed_signers: a line has a name, and a public key: ops@example.com ssh-ed25519 AAAA..."


class NotSigned(UsageError):
    """A file is not signed, or not by somebody who may, or was altered since."""


def sign(content: bytes, namespace: str, key: str) -> bytes:
    """Sign with a key: a private key's file, a public key's file whose private key the agent has, or `agent`.

    ssh-keygen asks for a passphrase, or for a touch of the token, on our terminal.
    Raises NodeprovError if it cannot be signed.
    """
    with tempfile.TemporaryDirectory(prefix="nodeprov-") as place:
        folder = Path(place)
        (folder / "content").write_bytes(content)
        if key == AGENT:
            (folder / "key.pub").write_text(_only_key_of_agent())
            key = str(folder / "key.pub")
        _insist_on_ssh_keygen()
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, str(folder / "content")]
        if run_attached(argv) != 0 or not (folder / "content.sig").exists():
            raise NodeprovError(
                f"ssh-keygen has not signed with {key}", "name a key of yours: --key ~/.ssh/id_ed25519"
            )
        return (folder / "content.sig").read_bytes()


def verify(content: bytes, signature: bytes, namespace: str, allowed_signers: Path) -> str:
    """Verify a signature, and return the name of who signed.

    Args:
        content: what is signed.
        signature: the text that `sign` returns.
        namespace: what it must be for.
        allowed_signers: a file as ssh-keygen(1) describes it under ALLOWED SIGNERS.

    Raises:
        NotSigned: it is no signature of this content for this purpose by one of them.
        UsageError: their file cannot be read.
    """
    read_bounded(allowed_signers, "list of allowed signers", _SIGNERS_HINT)
    _insist_on_form(signature)
    _insist_on_ssh_keygen()
    with tempfile.TemporaryDirectory(prefix="nodeprov-") as place:
        file = Path(place) / "signature"
        file.write_bytes(signature)
        checked = _keygen("check-novalidate", file, content, "-n", namespace)
        if checked.returncode != 0:
            raise NotSigned(
                f"what was signed is something else, or for another purpose than {namespace}: {_said(checked)}"
            )
        found = _keygen("find-principals", file, b"", "-f", str(allowed_signers))
        for name in found.text.splitlines() if found.returncode == 0 else ():
            options = ("-f", str(allowed_signers), "-I", name, "-n", namespace)
            if (last := _keygen("verify", file, content, *options)).returncode == 0:
                return name
            found = last
        by = checked.text.strip().rpartition(" with ")[2] or "an unknown key"
        raise NotSigned(f"it is signed by {by}, which {allowed_signers} does not allow: {_said(found)}")


def _keygen(command: str, signature: Path, content: bytes, *options: str) -> Output:
    return run_program(["ssh-keygen", "-Y", command, "-s", str(signature), *options], stdin=content)


def _said(output: Output) -> str:
    return output.said.rstrip(".").lower()


def _insist_on_ssh_keygen() -> None:
    if shutil.which("ssh-keygen") is None:
        hint = "apt-get install openssh-client (Debian, Ubuntu), dnf install openssh (Fedora, RHEL)"
        raise NodeprovError("ssh-keygen is not on this machine, and signatures are checked by it", hint)


def _insist_on_form(signature: bytes) -> None:
    """Refuse what ssh-keygen would read past: each byte of the text counts, also blanks and the last bits."""
    try:
        text = signature.decode("ascii")
        first, *lines, last, rest = text.split("\n")
        blob = base64.b64decode("".join(lines), validate=True)
        again, width = base64.b64encode(blob).decode(), len(lines[0])
    except (ValueError, LookupError):
        raise _not_of_the_form() from None
    written = [again[start : start + width] for start in range(0, len(again), width)] if width else []
    if (first, last, rest) != (_BEGIN, _END, "") or lines != written:
        raise _not_of_the_form()


def _not_of_the_form() -> NotSigned:
    return NotSigned("this is not the text of an SSH signature, or it was altered")


def _only_key_of_agent() -> str:
    output = run_program(["ssh-add", "-L"])
    keys = [line for line in output.text.splitlines() if line.startswith(("ssh-", "ecdsa-", "sk-"))]
    if output.returncode != 0 or not keys:
        raise UsageError(
            "the SSH agent has no key, or there is no agent", "ssh-add FILE, or name a key: --key FILE"
        )
    if len(keys) > 1:
        names = ", ".join(line.split(" ", 2)[-1] for line in keys)
        raise UsageError(
            f"the SSH agent has {len(keys)} keys: {names}", "name the public key's file: --key FILE.pub"
        )
    return keys[0] + "\n"
