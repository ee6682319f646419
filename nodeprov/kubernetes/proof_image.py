"""The image of the pods that prove a node: one static program, brought along, so that nothing is pulled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Host, check
from nodeprov.hosts.script import rendered
from nodeprov.inventory import Settings
from nodeprov.kubernetes.image_archive import GO_ARCHITECTURES, Image, Layer, image_archive
from nodeprov.node.daemon import Daemon

PROBE = "/probe"
IMPORT_TIMEOUT_SECONDS = 120.0
_PROGRAMS = Path(__file__).parent / "probe" / "bin"


def probe(architecture: str) -> bytes:
    """Return the program for an architecture, as `uname -m` prints it; raise NodeprovError if there is none."""
    path = _PROGRAMS / f"probe-{architecture}"
    try:
        return path.read_bytes()
    except OSError as error:
        raise NodeprovError(
            f"this nodeprov was installed without {path.name}: {error.strerror}",
            "install it again (in a checkout: script/bootstrap), or set [proof] pod = false",
        ) from None


def check_programs(architecture: str, settings: Settings) -> tuple[Problem, ...]:
    """Find out before anything is touched whether the pod that is to prove a node could be made at all."""
    if not (settings.cluster.enabled and settings.proof.pod) or settings.proof.image:
        return ()
    if architecture not in GO_ARCHITECTURES:
        return ()  # nor is any runtime published for it, which is said elsewhere
    try:
        probe(architecture)
    except NodeprovError as error:
        return (Problem(error.message, error.hint),)
    return ()


def reference(program: bytes) -> str:
    """Name the image of a program; another program has another name."""
    return f"localhost/nodeprov-proof:{hashlib.sha256(program).hexdigest()[:12]}"


def archive(program: bytes, architecture: str) -> bytes:
    """Write the image as `ctr images import` reads it."""
    image = Image(reference(program), (PROBE, "serve"))
    return image_archive(Layer(programs={PROBE.lstrip("/"): program}), [image], architecture)


@dataclass(frozen=True, slots=True)
class ProofImage:
    """The image of a proof's pods: its name, whether kubelet may pull it, and what to do when that fails."""

    reference: str
    pull_policy: str
    hint: str


@contextmanager
def available(host: Host, architecture: str, daemon: Daemon, settings: Settings) -> Iterator[ProofImage]:
    """Have the image on the node for as long as it is needed, unless the inventory names one to be pulled."""
    named = settings.proof.image
    if named:
        yield ProofImage(named, "IfNotPresent", f"can the node pull {named}, and does it hold {PROBE}?")
        return
    program = probe(architecture)
    image = ProofImage(reference(program), "Never", "journalctl -u kubelet on the node")
    values = {"ctr": daemon.ctr, "socket": daemon.socket, "name": image.reference}
    output = host.run(
        rendered("cluster/import-image.sh.j2", **values),
        stdin=archive(program, architecture),
        timeout_seconds=IMPORT_TIMEOUT_SECONDS,
    )
    check(output, "cannot import the image of the proof", where=host.name, hint="or name one: [proof] image")
    try:
        yield image
    finally:
        # An image that stays harms nothing, and must not hide what was seen; kubelet collects it in time.
        with suppress(NodeprovError):
            host.run(rendered("cluster/remove-image.sh.j2", **values))
