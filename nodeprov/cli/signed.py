"""Signatures beside files: FILE.sig, made by `nodeprov sign`, and asked for where signers are configured."""

import shlex
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.local_files import expanded, read_bounded


def signature_of(file: Path) -> Path:
    """Name the file that has the signature of another one."""
    return file.with_name(f"{file.name}.sig")


def signed_by(file: Path, content: bytes, namespace: str, allowed_signers: str | None) -> str:
    """Return who has signed a file, and "" where nobody has to.

    Args:
        file: beside which the signature lies.
        content: what was read of it.
        namespace: what the signature must be for.
        allowed_signers: the file of [trust] allowed_signers, if that is set.

    Raises:
        UsageError: it must be signed, and is not by one of them, or was altered since.
    """
    if allowed_signers is None:
        return ""
    from nodeprov.hosts.ssh_signatures import NotSigned, verify  # few have signers

    signature = signature_of(file)
    hint = f"read it, and if it is right, sign it: nodeprov sign {shlex.quote(str(file))}"
    if not signature.exists():
        raise NotSigned(
            f"it is not signed, and {allowed_signers} requires that: {signature} does not exist", hint
        ).at(str(file))
    text = read_bounded(signature, "signature", hint)
    try:
        return verify(content, text.encode(), namespace, expanded(allowed_signers))
    except NotSigned as error:
        error.hint = error.hint or hint
        raise error.at(str(signature)) from None
    except NodeprovError as error:
        raise error.at(str(file)) from None
