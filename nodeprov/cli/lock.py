"""`nodeprov lock`: writes which bytes a release is, and who says so, into a file for review; or compares it."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options, output
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from nodeprov.releases.lock import Lock


class Kind(StrEnum):
    """A kind of evidence."""

    ORIGIN = "origin"
    SECOND_ORIGIN = "second-origin"
    APT = "apt"


@options.command(
    "nodeprov lock --release latest",
    "nodeprov lock --release 20260905.0 --arch x86_64 --arch aarch64 --require apt",
    "nodeprov lock --diff --release latest",
    "nodeprov lock --check",
    codes="0: written, or as it was, 1: it cannot be had, or evidence is missing, 3: --check found differences",
)
def lock(
    release: Annotated[
        str | None,
        typer.Option("--release", metavar="latest|DATE", help="Default: that of the inventory."),
    ] = None,
    arch: options.Architectures = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", metavar="URL", help="Another origin to compare the digests with."),
    ] = None,
    require: Annotated[
        Kind | None,
        typer.Option("--require", help="Refuse a lock without evidence at least as strong as this."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; compare the lock with the inventory and the origin.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what --release, by default latest, would change.")
    ] = False,
    file: options.Lock = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Write the digests of a release, and who confirms them, into a file for review; or compare it.

    The lock is a file beside the inventory. As long as it is there, plan and install use nothing else.
    """
    from nodeprov.cli.inventory import load
    from nodeprov.cli.lock_asking import Asking
    from nodeprov.cli.locking import insist_on_lock, lock_path, read_lock

    if check and (diff or release or arch or witness):
        raise UsageError("--check compares the lock as it is", "nodeprov lock --check")
    if check and diff:
        raise UsageError("--check and --diff answer two questions", "give one of them")
    whole = load(inventory, sets)
    path, _ = lock_path(whole, file)
    with output.bar() as on_progress:
        asking = Asking(whole, on_progress)
        if check or diff:
            from nodeprov.cli import lock_reports

            found = insist_on_lock(read_lock(whole, path) if path.exists() else None, path)
            if check:
                lock_reports.check(asking, found, require, as_json=as_json)
            lock_reports.diff(asking, found.lock, release or "latest", as_json=as_json)
            return
        before = _before(path)
        made = asking.made(before, release, arch or (), witness or ())
    _refuse_weak(made, require, path)
    _write(path, before, made, as_json=as_json)


def _before(path: Path) -> tuple[str, Lock] | None:
    """Read the lock that is to be written anew, whoever signed it; one that is damaged counts as none."""
    from nodeprov.local_files import read_bounded
    from nodeprov.releases.lock_text import from_text
    from nodeprov.runtimes import SOFTWARE

    if not path.exists():
        return None
    text = read_bounded(path, "lock", "name another one: --lock FILE")
    try:
        return text, from_text(text, SOFTWARE, where=str(path))
    except UsageError as error:
        say(f"{path} is replaced, and nothing of it is kept: {error.message}")
        return None


def _refuse_weak(made: Lock, require: Kind | None, path: Path) -> None:
    if require is None or not (lacking := made.lacking(require)):
        return
    from nodeprov.runtimes import SOFTWARE

    package = SOFTWARE.package
    hints = {
        Kind.APT: f"[trust] apt_keyring = FILE, with the keys of {package.keys_at if package else 'its project'}; "
        "not all releases have a signed suite",
        Kind.SECOND_ORIGIN: "name another origin: --witness URL",
    }
    raise NodeprovError(
        f"there is no evidence as strong as {require} for {', '.join(lacking)}",
        hints.get(require, "nodeprov lock"),
        where=str(path),
    )


def _write(path: Path, before: tuple[str, Lock] | None, made: Lock, *, as_json: bool) -> None:
    from nodeprov.cli.signed import signature_of
    from nodeprov.local_files import write_whole
    from nodeprov.releases.lock_text import from_text, lock_json, to_text
    from nodeprov.runtimes import SOFTWARE

    text = to_text(made)
    if from_text(text, SOFTWARE, where=str(path)) != made:
        raise NodeprovError("what was locked cannot be written so that it is read back", where=str(path))
    is_new = before is None or before[0] != text
    if is_new:
        write_whole(path, text.encode(), option="--lock")
    if as_json:
        show_json({"lock": lock_json(made), "path": str(path), "written": is_new, "evidence": _evidence(made)})
    else:
        show_text(f"{path}: {'written' if is_new else 'as it was'}: {made.software} {made.release}\n{_told(made)}")
    if is_new and signature_of(path).exists():
        say(f"{signature_of(path)} is of the lock before: nodeprov sign {shlex.quote(str(path))}")


def _evidence(made: Lock) -> list[dict[str, Any]]:
    return [
        {"architecture": name, "member": member, "kinds": sorted(build.evidence(member))}
        for name, build in made.builds.items()
        for member in build.members
    ]


def _told(made: Lock) -> str:
    lines = []
    for name, build in made.builds.items():
        common = frozenset.intersection(*(build.evidence(member) for member in build.members))
        size = sum(file.size_bytes for file in build.members.values())
        evidence = ", ".join(sorted(common)) or "none"
        lines.append(f"  {name}: {len(build.members)} files, {size} bytes; evidence for all of them: {evidence}")
    return "\n".join(lines)
