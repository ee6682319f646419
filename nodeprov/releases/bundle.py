"""A bundle that was made elsewhere: verified as a whole, and its releases brought into the cache."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from nodeprov.errors import NodeprovError
from nodeprov.releases import bundling, oci
from nodeprov.releases.archive import unpack_layer
from nodeprov.releases.cache import CacheFolder, explain_disk_errors
from nodeprov.releases.layout_tar import AGAIN, INDEX, LAYOUT, Altered, Layout, blob_path, read_layout
from nodeprov.releases.lock import Lock, LockedBuild
from nodeprov.releases.lock_text import from_text
from nodeprov.releases.pace import Progress
from nodeprov.releases.programs import check_programs
from nodeprov.releases.source import ReleaseSource, Software

T = TypeVar("T")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,99}")
_KINDS: dict[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every byte was verified: its lock, and where the layers of its releases are.

    `manifests` has what its index describes, in its order.
    """

    layout: Layout
    lock: Lock
    lock_text: str
    layers: Mapping[str, str]
    manifests: tuple[Mapping[str, Any], ...]

    @property
    def where(self) -> str:
        """The file, for messages."""
        return str(self.layout.path)

    def insist_on(self, lock: Lock, *, where: str) -> None:
        """Raise NodeprovError if its releases are not what another lock has for their architectures."""
        lock.insist_on(self.lock.release, where=where)
        for architecture in self.layers:
            if architecture in lock.builds:
                for said in _differences(self.lock.builds[architecture], lock.builds[architecture]):
                    raise NodeprovError(
                        f"for {architecture} it has another {said} than {where}",
                        "they do not belong together: use the bundle that was made with this lock",
                        where=self.where,
                    )

    def into_cache(self, source: ReleaseSource, architecture: str, build: LockedBuild) -> None:
        """Have its release for an architecture in the cache, as if it had been downloaded.

        Raises:
            NodeprovError: it has none for it, or one with other files than are locked, or the disk is full.
        """
        if architecture not in self.layers:
            raise NodeprovError(
                f"it has nothing for {architecture}: it has {' and '.join(self.layers)}",
                "make one for all architectures of the lock: nodeprov bundle FILE",
                where=self.where,
            )
        folder = source.folder(self.lock.release, architecture)
        with explain_disk_errors(source.cache):
            if _is_there(folder, build):
                return
            with folder.locked(source.on_progress):
                if not _is_there(folder, build):
                    self._store(source, folder, architecture, build)

    def _store(self, source: ReleaseSource, folder: CacheFolder, architecture: str, build: LockedBuild) -> None:
        digest, tree = self.layers[architecture], folder.staging / "tree"
        total, what = self.layout.size_bytes(digest), f"unpacking {self.lock.release} for {architecture}"
        where = f"{self.where}: {blob_path(digest)}"
        with self.layout.stream(digest) as layer:
            unpack_layer(
                layer,
                tree,
                software=source.software.name,
                on_progress=lambda done: source.on_progress(what, done, total),
                where=where,
                hint="no `nodeprov bundle` has made this: do not install it",
            )
        try:
            _insist_on_files(tree, build)
            check_programs(tree, architecture, source.software.programs)
        except NodeprovError as error:
            folder.discard()
            raise error.at(where) from None
        sizes = {name: file.size_bytes for name, file in build.artifacts.items()}
        folder.store(tree, build.layout, build.pins, sizes)


def read_bundle(path: Path, software: Software, on_progress: Progress) -> Bundle:
    """Read a bundle, and verify it as a whole; raise UsageError, naming the blob or field, if it is altered."""
    layout = read_layout(path, on_progress)
    return _Reading(layout, software).bundle()


def is_bundle(path: Path) -> bool:
    """Tell by its beginning whether a file is meant to be a bundle."""
    try:
        with path.open("rb") as file:
            return file.read(len(LAYOUT) + 1) == LAYOUT.encode() + b"\0"
    except OSError:
        return False


class _Reading:
    """One reading, which ends at the first fault."""

    def __init__(self, layout: Layout, software: Software) -> None:
        self._layout, self._software = layout, software
        self._seen: set[str] = set()

    def bundle(self) -> Bundle:
        index = self._value(self._layout.index, INDEX)
        manifests = self._typed(index, "manifests", list, INDEX)
        self._insist_on_seal(index, manifests)
        for each in manifests:
            self._walk(each, INDEX)
        self._insist_on_names(index["annotations"], [self._kind(each) for each in manifests])
        if spare := sorted(self._layout.parts.keys() - self._seen):
            self._refuse(f"{blob_path(spare[0])} is in it, and nothing names it")
        lock_text = self._only_layer(self._only(manifests, "artifactType", bundling.LOCK), bundling.LOCK_TEXT)
        text = self._layout.text(lock_text).decode("utf-8", "replace")
        lock = from_text(text, self._software, where=f"{self._layout.path}: nodeprov.lock")
        return Bundle(self._layout, lock, text, dict(self._layers(manifests, lock)), tuple(manifests))

    def _insist_on_seal(self, index: dict[str, Any], manifests: list[Any]) -> None:
        annotations = {**self._typed(index, "annotations", dict, INDEX)}
        annotations.pop(bundling.SHA256, None)
        if bundling.sealed_index(manifests, annotations) != self._layout.index:
            self._refuse(f"{INDEX} is not as it was written: its {bundling.SHA256} is of something else")

    def _insist_on_names(self, annotations: Mapping[str, Any], kinds: list[str]) -> None:
        """Refuse other names than we write: by them it is tagged in a registry, where one may lead elsewhere."""
        for number, kind in enumerate(kinds):
            if kind not in bundling.KINDS:
                self._refuse(f"{bundling.KIND} of {INDEX} is {kind!r:.60}, and none that is known")
            if kind in kinds[:number]:
                self._refuse(f"{bundling.KIND} of {INDEX} is {kind!r} twice")
        writer = annotations.get(bundling.WRITER, "0")
        if not (isinstance(writer, str) and _VERSION.fullmatch(writer)):
            self._refuse(f"{bundling.WRITER} of {INDEX} is {writer!r:.60}, and no version")

    def _layers(self, manifests: list[Any], lock: Lock) -> Iterator[tuple[str, str]]:
        names = {platform: name for name, platform in oci.ARCHITECTURES.items()}
        found = [each for each in manifests if self._kind(each) == bundling.RELEASE]
        if len(found) != 1:
            self._refuse(f"{INDEX} has {len(found)} releases, and a bundle has one")
        where, done = self._place(found[0]), set[str]()
        for each in self._typed(self._blob(found[0], oci.INDEX), "manifests", list, where):
            platform = self._typed(each, "platform", dict, where)
            architecture = names.get(str(platform.get("architecture")), "")
            if platform.get("os") != "linux" or architecture not in lock.builds:
                self._refuse(f"{where} has a release for {platform}, and the lock in it has none")
            if architecture in done:
                self._refuse(f"{where} has two releases for {architecture}")
            done.add(architecture)
            config = self._typed(self._blob(each), "config", dict, self._place(each))
            if self._blob(config).get("architecture") != platform["architecture"]:
                self._refuse(f"{self._place(config)} is not for {architecture}")
            yield architecture, self._only_layer(each, oci.LAYER_ZSTD)

    def _kind(self, described: dict[str, Any]) -> str:
        return self._typed(self._typed(described, "annotations", dict, INDEX), bundling.KIND, str, INDEX)

    def _only(self, some: list[Any], key: str, value: str) -> dict[str, Any]:
        found = [each for each in some if each.get(key) == value]
        if len(found) != 1:
            self._refuse(f"{INDEX} has {len(found)} of {key} {value}, and a bundle has one")
        only: dict[str, Any] = found[0]
        return only

    def _only_layer(self, manifest: dict[str, Any], media_type: str) -> str:
        where = self._place(manifest)
        layers = self._typed(self._blob(manifest, oci.MANIFEST), "layers", list, where)
        if len(layers) != 1 or layers[0].get("mediaType") != media_type:
            self._refuse(f"{where} has {len(layers)} layers, and should have one of type {media_type}")
        return self._digest(layers[0], where)

    def _walk(self, described: Any, where: str) -> None:
        """See that what is described is there, with all that it describes itself."""
        digest = self._digest(described, where)
        size_bytes = self._typed(described, "size", int, where)
        if digest not in self._layout.parts:
            self._refuse(f"{blob_path(digest)} is missing, which {where} names")
        if self._layout.size_bytes(digest) != size_bytes:
            self._refuse(f"{blob_path(digest)} has not the size that {where} says: {size_bytes}")
        self._seen.add(digest)
        media_type, below = self._typed(described, "mediaType", str, where), blob_path(digest)
        if media_type == oci.INDEX:
            for each in self._typed(self._blob(described), "manifests", list, below):
                if self._typed(each, "mediaType", str, below) != oci.MANIFEST:  # as deep as it goes
                    self._refuse(f"{below} has something that is not a manifest")
                self._walk(each, below)
        elif media_type == oci.MANIFEST:
            value = self._blob(described)
            for each in (
                self._typed(value, "config", dict, below),
                *self._typed(value, "layers", list, below),
            ):
                if self._typed(each, "mediaType", str, below) in (oci.MANIFEST, oci.INDEX):
                    self._refuse(f"{below} has a manifest within a manifest")
                self._walk(each, below)

    def _blob(self, described: Any, kind: str = "") -> dict[str, Any]:
        """Read what is described; of the `kind` that it must be, as only what is below some kinds was walked."""
        place = self._place(described)
        if kind and (found := described.get("mediaType")) != kind:
            self._refuse(f"{place} is {found}, and should be {kind}")
        return self._value(self._layout.text(self._digest(described, place)), place)

    def _place(self, described: Any) -> str:
        return blob_path(self._digest(described, INDEX))

    def _digest(self, described: Any, where: str) -> str:
        kind, _, digest = self._typed(described, "digest", str, where).partition(":")
        if kind != "sha256" or len(digest) != 2 * hashlib.sha256().digest_size:
            self._refuse(f"a digest of {where} is {kind}:{digest:.80}, and no sha256")
        return digest

    def _value(self, content: bytes, where: str) -> dict[str, Any]:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            self._refuse(f"{where} is no JSON: {error}")
        if not isinstance(value, dict):
            self._refuse(f"{where} is no JSON object")
        found: dict[str, Any] = value
        return found

    def _typed(self, value: Any, key: str, kind: type[T], where: str) -> T:
        found = value.get(key) if isinstance(value, dict) else None
        if type(found) is not kind:
            self._refuse(f"{key} of {where} is missing, or not {_KINDS[kind]}")
        return found

    def _refuse(self, said: str) -> NoReturn:
        raise Altered(said, AGAIN, where=str(self._layout.path))


def _is_there(folder: CacheFolder, build: LockedBuild) -> bool:
    entry = folder.read()
    if entry is None or dict(entry.sha512) != build.pins:
        return False
    found = {each.path: each.sha512_in(folder.tree) for each in entry.files}
    return found == {name: each.sha512 for name, each in build.members.items()}


def _differences(one: LockedBuild, other: LockedBuild) -> Iterator[str]:
    for mine, others in ((one.artifacts, other.artifacts), (one.members, other.members)):
        for name in sorted({*mine, *others}):
            if name not in mine or name not in others or mine[name].sha512 != others[name].sha512:
                yield name


def _insist_on_files(tree: Path, build: LockedBuild) -> None:
    found = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if not path.is_dir()}
    for name in sorted({*found, *build.members}):
        if name not in found or name not in build.members:
            said = "is missing" if name not in found else "is in it, and not in the lock"
            raise NodeprovError(f"{name} {said}", AGAIN)
        with found[name].open("rb") as file:
            sha512 = hashlib.file_digest(file, "sha512").hexdigest()
        if sha512 != build.members[name].sha512:
            raise NodeprovError(
                f"{name} has the sha512 {sha512}, and should have {build.members[name].sha512}", AGAIN
            )
