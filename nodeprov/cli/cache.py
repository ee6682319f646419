"""`nodeprov cache list` and `nodeprov cache prune`: the releases that this machine keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import confirm, say, show_json, show_table
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.releases.cache_contents import Kept, KeptPackage

KEEP = 2

cache = typer.Typer(
    help="The releases that this machine keeps.",
    epilog=options.examples(
        "nodeprov cache list",
        "nodeprov cache prune --keep 1",
        codes="0: done, 1: not confirmed, or the cache cannot be read or changed",
    ),
    no_args_is_help=True,
    add_completion=False,
)


@cache.command("list")
def list_releases(
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Show the releases that are kept here: their origin, version, architecture and size. Nothing is changed.

    Below them: how many packages of apt suites were measured as evidence for locks.
    """
    from nodeprov.local_files import cache_folder
    from nodeprov.releases.cache_contents import contents, packages

    found, evidence = contents(cache_folder()), packages(cache_folder())
    if as_json:
        show_json(
            {
                "cache": str(cache_folder()),
                "releases": [_json(each) for each in found],
                "packages": [_json_of_package(each) for each in evidence],
            }
        )
        return
    if found:
        _show(found)
    else:
        say(f"no release is in {cache_folder()}")
    for is_partial, what in ((False, "of measured files"), (True, "of interrupted downloads")):
        some = [each.size_bytes for each in evidence if each.is_partial is is_partial]
        if some:
            say(f"packages of apt suites {what}: {len(some)}, {_size(sum(some))}")


@cache.command()
def prune(
    keep: Annotated[
        int,
        typer.Option(
            "--keep", metavar="N", help="Keep so many versions of each origin and architecture, the newest."
        ),
    ] = KEEP,
    yes: options.Yes = False,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Remove older releases, damaged ones, and what interrupted downloads of releases and packages have left.

    What is removed is downloaded again when a run needs it. A release that is being downloaded stays. Do not prune
    while a run from this machine brings a release to a node: that run would fail, and undo what it did.
    """
    from nodeprov.local_files import cache_folder
    from nodeprov.releases.cache import explain_disk_errors
    from nodeprov.releases.cache_contents import contents, prune_packages, superfluous
    from nodeprov.releases.cache_contents import prune as prune_some

    if keep < 0:
        raise UsageError(f"--keep is {keep}, and not a number of versions", "write it as --keep 1")
    going = superfluous(contents(cache_folder()), keep)
    if going and not as_json:
        _show(going)
    if going and not yes:
        confirm(f"Remove {len(going)} of them?", "look at the list above", "nothing was removed")
    with explain_disk_errors(cache_folder()):
        removed = prune_some(going)
        parts = prune_packages(cache_folder())
    if as_json:
        values = {
            "removed": [_json(each) for each in removed],
            "in_use": [_json(e) for e in going if e not in removed],
            "packages": [_json_of_package(each) for each in parts or ()],
        }
        show_json({"cache": str(cache_folder()), **values})
        return
    for each in going:
        if each not in removed:
            say(f"kept: {each.version} for {each.architecture} is being downloaded by another run")
    size = sum(each.size_bytes for each in removed)
    if parts is None:
        say("kept: what is here of a package is being downloaded by another run")
    elif parts:
        say(f"removed what was left of a package's download: {_size(sum(each.size_bytes for each in parts))}")
    say(
        f"removed {len(removed)} of them: {size >> 20} MiB"
        if going
        else "nothing else to remove"
        if parts
        else "nothing to remove"
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB" if size_bytes >> 20 else f"{size_bytes} bytes"


def _show(found: Sequence[Kept]) -> None:
    from rich.table import Table
    from rich.text import Text

    from nodeprov.redaction import visible
    from nodeprov.reports.when import when_text

    now = datetime.now(UTC).isoformat()
    table = Table(box=None, pad_edge=False, show_header=True)
    for name in ("origin", "version", "architecture", "size", "stored", "state"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for each in found:
        stored = when_text(_stored(each), now)
        row = (each.origin, each.version, each.architecture, f"{each.size_bytes >> 20} MiB", stored, each.state)
        table.add_row(*(Text(visible(text)) for text in row))
    show_table(table)


def _json_of_package(each: KeptPackage) -> dict[str, Any]:
    return {
        "sha512": each.path.name.partition(".")[0],
        "bytes": each.size_bytes,
        "path": str(each.path),
        "state": "partial" if each.is_partial else "measured",
    }


def _json(each: Kept) -> dict[str, Any]:
    return {
        "origin": each.origin,
        "version": each.version,
        "architecture": each.architecture,
        "bytes": each.size_bytes,
        "stored": _stored(each),
        "path": str(each.path),
        "state": each.state,
    }


def _stored(each: Kept) -> str:
    return datetime.fromtimestamp(each.stored_at, UTC).isoformat(timespec="seconds")
