"""`nodeprov sign`: a signature of a lock, a bundle or a saved plan, by an SSH key, in a file beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli import options
from nodeprov.cli.inventory import trust_found
from nodeprov.cli.output import say, show_text
from nodeprov.cli.signed import signature_of
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts import ssh_signatures
from nodeprov.local_files import expanded, read_bounded, write_whole


@options.command(
    "nodeprov sign nodeprov.lock",
    "nodeprov sign bundle.tar",
    "nodeprov sign upgrade.plan --key ~/.ssh/id_ed25519",
    codes="0: signed, 1: ssh-keygen does not sign, 2: it is nothing that is signed, or the key may not sign it",
)
def sign(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A lock, a bundle, or a plan saved by `nodeprov plan --out`.")
    ],
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="KEY|agent",
            help="The private key's file, or the public key's if the SSH agent has the private one.",
        ),
    ] = ssh_signatures.AGENT,
    inventory: options.Inventory = None,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Sign a lock, a bundle or a saved plan with an SSH key; the inventory lists the accepted signers.

    The signature is written beside it, as FILE.sig.
    """
    namespace, content = _signed(file)
    trust = trust_found(inventory, os.environ)
    signature = ssh_signatures.sign(content, namespace, key if key == "agent" else str(expanded(key)))
    allowed = trust.allowed_signers if trust else None
    if allowed is not None:
        try:
            say(f"signed by {ssh_signatures.verify(content, signature, namespace, expanded(allowed))}")
        except NodeprovError as error:
            error.hint = error.hint or f"sign with a key that is in {allowed}: --key FILE"
            raise error.at(str(file)) from None
    else:
        say("it is not required yet: set [trust] allowed_signers = FILE in the inventory to require it")
    write_whole(signature_of(file), signature, option="nodeprov sign")
    show_text(str(signature_of(file)))


def _signed(file: Path) -> tuple[str, bytes]:
    """Return what a signature of a file is for, and of which bytes; raise UsageError if the file is not good."""
    from nodeprov.cli.bundled import verified
    from nodeprov.releases.bundle import is_bundle

    if is_bundle(file):
        return ssh_signatures.BUNDLE, verified(file).layout.index
    text = read_bounded(file, "file", "nodeprov sign FILE")
    return _namespace(file, text), text.encode()


def _namespace(file: Path, text: str) -> str:
    from nodeprov.engine import saved_plan
    from nodeprov.releases.lock_text import from_text
    from nodeprov.runtimes import SOFTWARE

    if saved_plan.is_saved(text):
        saved_plan.from_text(text, str(file), __version__)
        return ssh_signatures.PLAN
    try:
        from_text(text, SOFTWARE, where=str(file))
    except UsageError as error:
        error.hint = (
            "a lock, a bundle or a saved plan is signed: nodeprov lock, nodeprov bundle, nodeprov plan --out FILE"
        )
        raise
    return ssh_signatures.LOCK
