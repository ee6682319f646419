"""Images for a lab's machines, which have no registry to pull from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nodeprov.errors import UsageError
from nodeprov.hosts.base import check
from nodeprov.hosts.local import run_program
from nodeprov_lab.base import Lab, Machine, OnEvent, step
from nodeprov_lab.parallel import at_once

_COMMAND = ("ctr", "--namespace", "k8s.io", "images", "import", "-")
_TIMEOUT_SECONDS = 900.0


def import_image(lab: Lab, archive: Path, on_event: OnEvent) -> None:
    """Import an archive of images on every machine; raise NodeprovError, which names the machine, if one fails."""
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {archive}: {error.strerror}", "docker save IMAGE > FILE") from None
    at_once([partial(_import, lab, machine, archive, content, on_event) for machine in lab.machines])


def _import(lab: Lab, machine: Machine, archive: Path, content: bytes, on_event: OnEvent) -> None:
    with step(on_event, f"importing {archive.name} on {machine.name}"):
        argv = lab.ssh_argv(machine.name, _COMMAND, terminal=False)
        output = run_program(argv, stdin=content, timeout_seconds=_TIMEOUT_SECONDS)
        check(output, "cannot import the image", where=machine.name, hint=f"is {archive} what docker save writes?")
