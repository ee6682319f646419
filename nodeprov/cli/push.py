"""`nodeprov push`: a bundle's images, lock and wheels, into a registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import bar, say, show_json, show_text


@options.command(
    "nodeprov push bundle.tar registry.example.com/mirror/runtime",
    "nodeprov push bundle.tar 10.0.0.5:5000/runtime --plain-http",
    codes="0: all of it is there, 1: the registry does not take it, 2: the bundle is altered or not signed",
)
def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `nodeprov bundle`.")],
    repository: Annotated[
        str,
        typer.Argument(
            metavar="REGISTRY/REPO", help="The repository, without a tag: tags are made from the versions."
        ),
    ],
    plain_http: Annotated[bool, typer.Option("--plain-http", help="The registry has no TLS.")] = False,
    inventory: options.SignersInventory = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Push a bundle's images, lock and wheels to a registry of your own.

    The login is that of ~/.docker/config.json ($DOCKER_CONFIG), as `docker login` writes it.
    What is there already is not sent again.
    """
    from nodeprov.cli.bundled import verified
    from nodeprov.cli.inventory import trust_found
    from nodeprov.cli.signed import signed_by
    from nodeprov.local_files import expanded
    from nodeprov.releases.pushing import push as push_all
    from nodeprov.releases.registry import Place, Registry, login_of

    place = Place.of(repository)
    login = login_of(place.host, expanded(os.environ.get("DOCKER_CONFIG") or "~/.docker"))
    bundle, trust = verified(file), trust_found(inventory, os.environ)
    allowed = trust.allowed_signers if trust else None
    if signer := signed_by(file, bundle.layout.index, "nodeprov.bundle", allowed):
        say(f"signed by {signer}")
    with bar() as on_progress, Registry(place, login, plain_http=plain_http) as registry:
        done = push_all(bundle, registry, on_progress)
    if as_json:
        tags = [{"tag": each.tag, "kind": each.kind, "digest": f"sha256:{each.digest}"} for each in done.tags]
        show_json({"repository": repository, "tags": tags, "sent": done.sent, "there": done.there})
        return
    show_text("\n".join(f"{repository}:{each.tag}" for each in done.tags))
    say(f"{done.sent} blobs were sent, {done.there} were there already")
