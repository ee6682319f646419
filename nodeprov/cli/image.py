"""`nodeprov image`: the image of the proof's pods as a file, for a registry of one's own."""

from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.output import say, show_text
from nodeprov.errors import UsageError
from nodeprov.kubernetes import images
from nodeprov.local_files import write_new


@options.command(
    "nodeprov image proof.tar && docker load --input proof.tar",
    "skopeo copy docker-archive:proof.tar docker://registry.example.com/nodeprov-proof:1",
    codes="0: written, 2: FILE exists, or the architecture is not one of the runtime's",
)
def image(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist.")],
    architecture: Annotated[
        str,
        typer.Option("--architecture", metavar="NAME", help="Architecture, as `uname -m` prints it on the nodes."),
    ] = "x86_64",
) -> None:
    """Write the image of the test pod to a file, for a registry of your own.

    You need it only if no image may be imported on the nodes: push it to a registry,
    and name it in the inventory, in the table proof.
    """
    if architecture not in images.GO_ARCHITECTURES:
        raise UsageError(
            f"there is no image for {architecture}", f"--architecture is {' or '.join(images.GO_ARCHITECTURES)}"
        )
    program = images.probe(architecture)
    write_new(file, images.archive(program, architecture))
    show_text(f"{file}: {images.reference(program)} for {architecture}")
    say('next: push it to a registry, and set [proof] image = "REGISTRY/nodeprov-proof:TAG"')
