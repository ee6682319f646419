"""What a virtual machine must have before it can be a node: in its box already, or brought to it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from nodeprov.hosts.base import check
from nodeprov.templates import render
from nodeprov_lab.access import RemoteShell
from nodeprov_lab.base import OnEvent, step
from nodeprov_lab.cache import digest_of
from nodeprov_lab.debian import PACKAGES

STAMP = "/usr/local/lib/nodeprov-lab/programs"
"""The file on a machine that says which trees of programs it has."""

_PACKAGES_TIMEOUT_SECONDS = 900.0
_TREE_TIMEOUT_SECONDS = 600.0


def stamp_of(trees: Sequence[Path]) -> str:
    """Name these trees, whose folders are named after what they are made of."""
    return digest_of({"trees": " ".join(f"{tree.parent.name}/{tree.name}" for tree in trees)})


def bring(shell: RemoteShell, trees: Sequence[Path], on_event: OnEvent) -> None:
    """Have Debian's packages and the trees of programs on a machine that was not made from our own box."""
    wanted = stamp_of(trees)
    if shell.run(f"cat {STAMP}").text == wanted:
        return
    with step(on_event, f"installing Debian's packages on {shell.name}"):
        script = render("lab/packages.sh.j2", packages=PACKAGES)
        output = shell.run(script, timeout_seconds=_PACKAGES_TIMEOUT_SECONDS)
        check(output, "cannot install packages", where=shell.name, hint=_HINT)
    with step(on_event, f"copying the programs to {shell.name}"):
        for tree in trees:
            script = "tar -x -C / --no-same-owner --no-overwrite-dir"
            output = shell.run(script, stdin=tree_archive(tree), timeout_seconds=_TREE_TIMEOUT_SECONDS)
            check(output, "cannot copy programs", where=shell.name, hint=_HINT)
        script = f"mkdir -p {Path(STAMP).parent} && cat > {STAMP}"
        check(shell.run(script, stdin=wanted.encode()), "cannot write a file", where=shell.name, hint=_HINT)


_HINT = "a machine without Internet needs a box that has all of it: nodeprov lab up --provider vagrant --build-box"


def tree_archive(tree: Path) -> bytes:
    """Write a folder as a tar archive to be unpacked at the root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(tree, arcname=".")
    return out.getvalue()
