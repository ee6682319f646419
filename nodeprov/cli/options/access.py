"""The inventory, what is set besides, the releases and locks that are meant, and the password."""

from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

Inventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="FILE",
        help="The inventory: a TOML file, or Ansible's (.ini, .yml). Default: $NODEPROV_INVENTORY, else the "
        "nearest nodeprov.toml or inventory.toml, here or in a folder above.",
    ),
]
SignersInventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="FILE",
        help="The inventory that says who may sign plans (trust.allowed_signers). Found as for `plan`.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one value for this run: release.version=20260905.0, or nodes.worker1.port=2222.",
    ),
]
AskSudoPassword = Annotated[
    bool,
    typer.Option(
        "--ask-sudo-password",
        "-K",
        help="Ask for sudo's password before connecting, not when it is needed. "
        "Without a terminal it is the first line of standard input.",
    ),
]
Lock = Annotated[
    Path | None,
    typer.Option(
        "--lock",
        metavar="FILE",
        help="The lock. Default: trust.lock, else nodeprov.lock beside the inventory, if there is one.",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Take the release, and the lock if there is none, from this file of `nodeprov bundle`; no network.",
    ),
]
Architectures = Annotated[
    list[str] | None,
    typer.Option(
        "--arch",
        metavar="NAME",
        help="Default: those of the lock; if there is none, all for which the release is published.",
    ),
]
