"""`nodeprov bundle`: all that machines behind an air gap need, in one file."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov import __version__
from nodeprov.cli import options
from nodeprov.cli.output import bar, say, show_json, show_text
from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.releases.bundling import Contents, Image

PROOF_NAME = "localhost/nodeprov-test-pod"
NO_WHEELS = "or leave them out: --no-wheels"


@options.command(
    "nodeprov bundle bundle.tar --wheels wheels",
    "nodeprov bundle bundle.tar --no-wheels --arch x86_64",
    "nodeprov sign bundle.tar",
    codes="0: written, 1: a release cannot be had, 2: there is no lock, FILE exists, or a wheel is missing",
)
def bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist.")],
    wheels: Annotated[
        Path | None,
        typer.Option("--wheels", metavar="DIR", help="A folder with the wheels of nodeprov and what it needs."),
    ] = None,
    no_wheels: Annotated[bool, typer.Option("--no-wheels", help="Leave the wheels out.")] = False,
    arch: options.Architectures = None,
    lock: options.Lock = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Write releases, their lock, the test pod's image and nodeprov's wheels into one file.

    Behind an air gap it is all that is needed. It is an OCI image layout in a tar:
    `install --from FILE`, `ctr image import` and `nodeprov push` use it. The same input gives the same bytes.
    """
    from nodeprov.local_files import new_file, refuse_existing
    from nodeprov.releases.bundling import write_bundle

    refuse_existing(file)
    found = _wheels(wheels, no_wheels=no_wheels)
    contents = _contents(found, lock, inventory, sets, arch)
    with (
        new_file(file) as target,
        tempfile.TemporaryDirectory(dir=file.parent, prefix=".nodeprov-") as scratch,
        bar() as on_progress,
    ):
        write_bundle(contents, target, Path(scratch), on_progress)
    size = file.stat().st_size
    architectures = [each.architecture for each in contents.releases]
    if as_json:
        names = [each.name for each in contents.wheels]
        show_json(
            {
                "bundle": str(file),
                "bytes": size,
                "release": contents.lock.release,
                "architectures": architectures,
                "wheels": names,
            }
        )
        return
    show_text(f"{file}: {contents.lock.software} {contents.lock.release} for {', '.join(architectures)}")
    say(f"{size >> 20} MiB, {len(contents.wheels)} wheels; next: nodeprov sign {shlex.quote(str(file))}")


def _wheels(folder: Path | None, *, no_wheels: bool) -> tuple[Path, ...]:
    from nodeprov.releases.wheels import read_wheels

    if folder is not None and no_wheels:
        raise UsageError("--wheels and --no-wheels contradict each other", "give one of them")
    if folder is None and not no_wheels:
        raise UsageError(
            "nodeprov's own wheels belong in it, and it cannot know where they are",
            f"in a checkout: pip wheel --wheel-dir wheels . ; then add --wheels wheels; {NO_WHEELS}",
        )
    return read_wheels(folder, "nodeprov", __version__, NO_WHEELS) if folder else ()


def _contents(
    wheels: tuple[Path, ...],
    lock: Path | None,
    inventory: Path | None,
    sets: list[str] | None,
    arch: list[str] | None,
) -> Contents:
    """Obtain what is locked."""
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import insist_on_lock, lock_path, with_lock
    from nodeprov.cli.obtaining import releases_of
    from nodeprov.releases.bundling import Contents
    from nodeprov.runtimes import SOFTWARE

    loaded = load(inventory, sets)
    whole, locked = with_lock(loaded, lock)
    found = insist_on_lock(locked, lock_path(loaded, lock)[0])
    for each in arch or ():
        SOFTWARE.check_architecture(each)
    obtain, wanted = releases_of(found), whole.nodes[0].settings.release
    names = sorted({*(arch or found.lock.builds)})
    releases = tuple(obtain(SOFTWARE, wanted, each) for each in names)
    return Contents(found.lock, found.text, releases, _proof(names), wheels, __version__)


def _proof(architectures: list[str]) -> Image:
    from nodeprov.kubernetes import images
    from nodeprov.releases.bundling import Image

    parts = {each: images.parts(images.probe(each), each) for each in architectures}
    return Image(PROOF_NAME, __version__, parts)
