"""`nodeprov support`: an archive for a bug report."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli import options
from nodeprov.cli.main import DONE, FAILED
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.diagnosis.support import Part
    from nodeprov.inventory import Inventory, Node


@options.command(
    "nodeprov support worker1",
    "nodeprov support worker1 --out report.tar.gz",
    codes="0: written, with what could be read, 1: written, and the node could not be reached",
)
def support(
    node: Annotated[str, typer.Argument(metavar="NODE", help="One node.", autocompletion=options.node_names)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="File to write; it must not exist. By default one in this folder."
        ),
    ] = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    ask_sudo_password: options.AskSudoPassword = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = 0,
    _no_color: options.NoColor = False,
) -> None:
    """Write an archive for a bug report: a node's state, journals and settings, without secrets.

    Nothing is changed on the node. The archive has names and addresses of machines:
    look through it before you send it.
    """
    from nodeprov.cli.inventory import load
    from nodeprov.cli.session import connect
    from nodeprov.diagnosis.support import archive, collect
    from nodeprov.inventory import select
    from nodeprov.local_files import refuse_existing, write_private
    from nodeprov.runtimes import FAMILY

    if out is not None:
        refuse_existing(out)
    whole = load(inventory, sets)
    chosen = select(whole, [node])
    if len(chosen) > 1:
        raise UsageError(f"{node} is {len(chosen)} nodes", "name one: an archive is of one node")
    now = datetime.now(UTC)
    name = f"nodeprov-support-{chosen[0].name}"
    path = out or Path(f"{name}-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    with connect(whole, chosen, ask_sudo_password=ask_sudo_password) as fleet:
        found = collect(chosen[0], fleet.hosts.of(chosen[0]), FAMILY)
    parts = (*_own_parts(whole, chosen[0]), *found)
    write_private(path, archive(name, parts, int(now.timestamp())))
    _show(path, parts, as_json=as_json)
    say("names and addresses of machines are in it: look through it before you send it")
    of_node = [part for part in found if not part.name.startswith("cluster/")]
    raise typer.Exit(FAILED if all(part.why for part in of_node) else DONE)


def _own_parts(whole: Inventory, node: Node) -> tuple[Part, ...]:
    """Describe this machine: which nodeprov, on what, and the settings in force."""
    import platform

    from nodeprov.diagnosis.support import Part
    from nodeprov.inventory.explanation import inventory_text
    from nodeprov.redaction import redacted

    own = {
        "nodeprov": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "packages": dict(_packages()),
    }
    return (
        Part("nodeprov.json", json.dumps(own, indent=1) + "\n"),
        Part("settings.toml", redacted(inventory_text(whole, [node]))),
    )


def _packages() -> list[tuple[str, str]]:
    from importlib import metadata

    try:
        needed = metadata.requires("nodeprov") or []
    except metadata.PackageNotFoundError:
        return []
    names = sorted({re.split(r"[^\w.-]", each)[0] for each in needed if "extra ==" not in each})
    return [(name, metadata.version(name)) for name in names]


def _show(path: Path, parts: tuple[Part, ...], *, as_json: bool) -> None:
    files = [(part.name, len(part.text.encode(errors="backslashreplace"))) for part in parts if not part.why]
    missing = [(part.name, part.why) for part in parts if part.why]
    if as_json:
        there = [{"name": name, "bytes": size} for name, size in files]
        why_not = [{"name": name, "why": why} for name, why in missing]
        show_json({"archive": str(path), "files": there, "missing": why_not})
        return
    lines = [f"{path}:", *(f"  {size:>8}  {name}" for name, size in files)]
    show_text("\n".join([*lines, *(f"   missing  {name}: {why}" for name, why in missing)]))
