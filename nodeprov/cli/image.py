"""`nodeprov image`: images as files, for a registry of one's own: the proof's, the engine's, a release's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import bar, say, show_json, show_text
from nodeprov.errors import UsageError
from nodeprov.inventory import syntax
from nodeprov.kubernetes import images
from nodeprov.local_files import cache_folder, new_file, refuse_existing, write_new

if TYPE_CHECKING:
    from nodeprov.releases.container_image import Build, Written


@options.command(
    "nodeprov image proof.tar && docker load --input proof.tar",
    "nodeprov image --engine engine.tar",
    "nodeprov image --release 20260905.0 release.tar",
    "skopeo copy --all oci-archive:engine.tar docker://registry.example.com/nodeprov-engine:1",
    codes="0: written, 1: a part cannot be had, 2: FILE exists, or the architecture is not one of the runtime's",
)
def image(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist.")],
    engine: Annotated[
        bool, typer.Option("--engine", help="Write the image of the pods that install nodes from in the cluster.")
    ] = False,
    release: Annotated[
        str | None,
        typer.Option("--release", metavar="VERSION", help="Write the image of a locked release, for these pods."),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            metavar="NAME",
            help="Architecture, as `uname -m` prints it on the nodes. "
            "Default: x86_64; with --engine and --release: all.",
        ),
    ] = None,
    debian: Annotated[
        str | None,
        typer.Option(
            "--debian", metavar="URL", help="With --engine: a mirror of Debian's archive, or a folder like it."
        ),
    ] = None,
    lock: options.Lock = None,
    bundle: options.From = None,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _no_color: options.NoColor = False,
) -> None:
    """Write the image of the test pod, the engine or a release to a file, for a registry.

    The test pod's, the default, you need only if no image may be imported on the nodes:
    push it to a registry, and name it in the inventory, in the table proof.
    The others are for pods that install nodes from in the cluster: for all architectures,
    made without a container daemon, and the same bytes each time. Name them by their digests.
    """
    if engine and release:
        raise UsageError("--engine and --release are two images", "write them one after the other")
    options.only_with("--engine", engine, {"--debian": debian is not None})
    if architecture is not None and architecture not in images.GO_ARCHITECTURES:
        raise UsageError(
            f"there is no image for {architecture}", f"--architecture is {' or '.join(images.GO_ARCHITECTURES)}"
        )
    if release and not syntax.RELEASE.accepts(release):
        raise UsageError(f"--release {release!r} is not {syntax.RELEASE.expected}", "nodeprov image --help")
    refuse_existing(file)
    if engine:
        written = _engine(file, [architecture] if architecture else [*images.GO_ARCHITECTURES], debian)
        _show(file, written, as_json=as_json)
    elif release:
        from nodeprov.releases.layers import SMALL

        builds = _builds(release, architecture, lock, bundle, inventory, sets)
        _show(file, _written(file, _release_reference(release), builds, level=SMALL), as_json=as_json)
    else:
        _proof(file, architecture or "x86_64", as_json=as_json)


def _proof(file: Path, architecture: str, *, as_json: bool) -> None:
    program = images.probe(architecture)
    content = images.archive(program, architecture)
    write_new(file, content)
    if as_json:
        said = {"reference": images.reference(program), "digest": "", "architectures": [architecture]}
        show_json({"image": str(file), "bytes": len(content), **said})
        return
    show_text(f"{file}: {images.reference(program)} for {architecture}")
    say('next: push it to a registry, and set [proof] image = "REGISTRY/nodeprov-proof:TAG"')


def _engine(file: Path, architectures: Sequence[str], debian: str | None) -> Written:
    from nodeprov.in_cluster.engine_image import REFERENCE, build
    from nodeprov.in_cluster.packages import fetched, pinned
    from nodeprov.releases.layers import SMALLEST

    packages, builds = pinned(), {}
    with bar() as on_progress:
        for each in architectures:
            found = fetched(packages, each, cache_folder(), on_progress, (debian,) if debian else ())
            builds[each] = build(each, found)
    return _written(file, REFERENCE, builds, level=SMALLEST)


def _release_reference(version: str) -> str:
    from nodeprov.in_cluster.release_image import reference

    return reference(version)


def _builds(
    version: str,
    architecture: str | None,
    lock: Path | None,
    bundle: Path | None,
    inventory: Path | None,
    sets: list[str] | None,
) -> dict[str, Build]:
    """Obtain the release, which must be the locked one: a node takes no other."""
    from nodeprov.cli.inventory import load
    from nodeprov.cli.locking import insist_on_lock, lock_path, with_lock
    from nodeprov.cli.obtaining import releases_of
    from nodeprov.in_cluster.release_image import build
    from nodeprov.runtimes import SOFTWARE

    loaded = load(inventory, sets)
    whole, locked = with_lock(loaded, lock, bundle)
    found = insist_on_lock(locked, lock_path(loaded, lock)[0])
    found.lock.insist_on(version, where=str(found.path))
    obtain, wanted = releases_of(found), whole.nodes[0].settings.release
    names = [architecture] if architecture else sorted(found.lock.builds)
    return {each: build(obtain(SOFTWARE, wanted, each)) for each in names}


def _written(file: Path, reference: str, builds: Mapping[str, Build], *, level: int) -> Written:
    from nodeprov.releases.container_image import write_image

    with (
        new_file(file) as target,
        tempfile.TemporaryDirectory(dir=file.parent, prefix=".nodeprov-") as scratch,
        bar() as on_progress,
    ):
        return write_image(reference, builds, target, Path(scratch), on_progress, level=level)


def _show(file: Path, written: Written, *, as_json: bool) -> None:
    name = f"{written.reference.rpartition(':')[0]}@{written.digest}"
    size, architectures = file.stat().st_size, list(written.architectures)
    if as_json:
        said = {"reference": written.reference, "digest": written.digest, "architectures": architectures}
        show_json({"image": str(file), "bytes": size, **said})
        return
    show_text(f"{file}: {written.reference} for {', '.join(architectures)}\n{name}")
    say(f"{size / 1e6:.1f} MB; next: skopeo copy --all oci-archive:{file} docker://REGISTRY/NAME:TAG")
