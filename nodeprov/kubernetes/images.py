"""Container images that need no registry: how one is written, and that of the pods that prove a node."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Host, check, rendered
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Go and image registries call what `uname -m` prints."""


@dataclass(frozen=True, slots=True)
class Image:
    """A name and the command that a container of it runs by default."""

    reference: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """What is in the images: folders, programs by path, and links by path; nothing has a time or an owner."""

    folders: tuple[str, ...] = ()
    programs: Mapping[str, bytes] | None = None
    links: Mapping[str, str] | None = None


def image_archive(layer: Layer, images: Sequence[Image], machine: str) -> bytes:
    """Write images, which share one layer, as one archive; the same layer gives the same bytes.

    `machine` is what `uname -m` prints. The format is that of `docker save`: https://github.com/moby/docker-image-spec
    """
    content = _layer(layer)
    digest = hashlib.sha256(content).hexdigest()
    files = {f"{digest}/layer.tar": content}
    manifest = []
    for image in images:
        config = _config(image, digest, machine)
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        files[name] = config
        manifest.append({"Config": name, "RepoTags": [image.reference], "Layers": [f"{digest}/layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, each in files.items():
            _add_file(tar, path, each, 0o644)
    return archive.getvalue()


def _layer(layer: Layer) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in layer.folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, content in (layer.programs or {}).items():
            _add_file(tar, path, content, 0o755)
        for path, target in (layer.links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return archive.getvalue()


def _config(image: Image, layer_digest: str, machine: str) -> bytes:
    config = {
        "architecture": GO_ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Cmd": list(image.command), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{}],
    }
    return json.dumps(config, sort_keys=True).encode()


def _add_file(tar: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


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
        return ()  # nor is any runtime published for it, which is reported elsewhere
    try:
        probe(architecture)
    except NodeprovError as error:
        return (Problem(error.message, error.hint),)
    return ()


REPOSITORY = "localhost/nodeprov-proof:"
"""How the name of each image of a proof begins."""


def reference(program: bytes) -> str:
    """Name the image of a program; another program has another name."""
    return f"{REPOSITORY}{hashlib.sha256(program).hexdigest()[:12]}"


def archive(program: bytes, architecture: str) -> bytes:
    """Write the image as `ctr images import` reads it."""
    return image_archive(_layer_of(program), [_image_of(program)], architecture)


def parts(program: bytes, architecture: str) -> tuple[bytes, bytes]:
    """Return the image's configuration and its only layer, for an archive of another form."""
    layer = _layer(_layer_of(program))
    return _config(_image_of(program), hashlib.sha256(layer).hexdigest(), architecture), layer


def identity(program: bytes, architecture: str) -> str:
    """Return the image's ID, the digest of its configuration, by which CRI notes it down.

    CRI makes a second image of that name for each that it hears of, and leaves it when the first one goes
    (containerd: internal/cri/server/images/image_pull.go, `UpdateImage`).
    """
    return f"sha256:{hashlib.sha256(parts(program, architecture)[0]).hexdigest()}"


def _image_of(program: bytes) -> Image:
    return Image(reference(program), (PROBE, "serve"))


def _layer_of(program: bytes) -> Layer:
    return Layer(programs={PROBE.lstrip("/"): program})


@dataclass(frozen=True, slots=True)
class ProofImage:
    """The image of a proof's pods: its name, whether kubelet may pull it, and what to do when that fails."""

    reference: str
    pull_policy: str
    hint: str


def proof_image(architecture: str, settings: Settings) -> ProofImage:
    """Say which image a proof's pods have: the one that the inventory names, or our own, imported on the node."""
    if named := settings.proof.image:
        return ProofImage(named, "IfNotPresent", f"can the node pull {named}, and does it hold {PROBE}?")
    return ProofImage(reference(probe(architecture)), "Never", "journalctl -u kubelet on the node")


@contextmanager
def available(host: Host, architecture: str, daemon: Daemon, settings: Settings) -> Iterator[ProofImage]:
    """Have the image on the node for as long as it is needed, unless the inventory names one to be pulled."""
    image = proof_image(architecture, settings)
    if settings.proof.image:
        yield image
        return
    program = probe(architecture)
    values = {**_of_node(daemon), "id": identity(program, architecture), "name": image.reference}
    output = host.run(
        rendered("cluster/import-image.sh.j2", **values, snapshotter=daemon.effective.snapshotter),
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


def remove_all(host: Host, architecture: str, daemon: Daemon, settings: Settings) -> None:
    """Remove the images of proofs that were killed, and what earlier versions left of them.

    Where the inventory names one, somebody may have imported it under our name.
    """
    if settings.proof.image or architecture not in GO_ARCHITECTURES:
        return
    with suppress(NodeprovError):  # as above
        values = {**_of_node(daemon), "id": identity(probe(architecture), architecture)}
        host.run(rendered("cluster/remove-image.sh.j2", **values, name=REPOSITORY))


def _of_node(daemon: Daemon) -> dict[str, Any]:
    return {"ctr": daemon.ctr, "socket": daemon.socket}
