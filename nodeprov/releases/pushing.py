"""A bundle's images, lock and wheels in a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from nodeprov.releases import bundling, oci
from nodeprov.releases.bundle import Bundle
from nodeprov.releases.pace import Progress
from nodeprov.releases.registry import Registry


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a tag stands for: its kind, and the SHA-256 digest in hex."""

    tag: str
    kind: str
    digest: str


@dataclass(slots=True)
class Pushed:
    """What is in the registry now; the numbers of blobs that were sent, and that were there before."""

    tags: list[Tagged] = field(default_factory=list)
    sent: int = 0
    there: int = 0


def push(bundle: Bundle, registry: Registry, on_progress: Progress) -> Pushed:
    """Push all of a bundle, and tag it: blobs first, then what names them, so that all that is tagged is whole.

    Raises:
        NodeprovError: the registry cannot be reached, does not let us in, or does not take something.
    """
    done = Pushed()
    pushing = _Pushing(bundle, registry, on_progress, done)
    for each in bundle.manifests:
        pushing.all_of(each)
    for each, tag in _tags(bundle):
        pushing.tag(tag, str(each["annotations"][bundling.KIND]), _digest(each), str(each["mediaType"]))
    index = bundle.layout.index
    registry.push_manifest(f"bundle-{bundle.lock.release}", oci.INDEX, index)
    done.tags.append(Tagged(f"bundle-{bundle.lock.release}", "bundle", oci.sha256(index)))
    return done


def _tags(bundle: Bundle) -> Iterator[tuple[Mapping[str, Any], str]]:
    writer = json.loads(bundle.layout.index)["annotations"].get(bundling.WRITER, "0")
    for each in bundle.manifests:
        kind = each["annotations"][bundling.KIND]
        named = bundle.lock.release if kind in (bundling.RELEASE, "lock") else writer
        yield each, named if kind == bundling.RELEASE else f"{kind}-{named}"


def _digest(described: Mapping[str, Any]) -> str:
    return str(described["digest"]).removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class _Pushing:
    bundle: Bundle
    registry: Registry
    on_progress: Progress
    done: Pushed
    seen: set[str] = field(default_factory=set)

    def all_of(self, described: Mapping[str, Any]) -> None:
        """Push what is described, and before it all that it describes."""
        digest, media_type = _digest(described), str(described["mediaType"])
        if media_type not in (oci.INDEX, oci.MANIFEST):
            if digest not in self.seen:  # what is no image has the same configuration as others
                self._blob(digest)
            self.seen.add(digest)
            return
        value = json.loads(self.bundle.layout.text(digest))
        for each in value["manifests"] if media_type == oci.INDEX else (value["config"], *value["layers"]):
            self.all_of(each)
        self.registry.push_manifest(f"sha256:{digest}", media_type, self.bundle.layout.text(digest))

    def tag(self, tag: str, kind: str, digest: str, media_type: str) -> None:
        self.registry.push_manifest(tag, media_type, self.bundle.layout.text(digest))
        self.done.tags.append(Tagged(tag, kind, digest))

    def _blob(self, digest: str) -> None:
        def opened() -> AbstractContextManager[BinaryIO]:
            return self.bundle.layout.stream(digest)

        size = self.bundle.layout.size_bytes(digest)
        self.on_progress(f"pushing {digest[:12]}", 0, size)
        if self.registry.push_blob(digest, opened):
            self.done.sent += 1
        else:
            self.done.there += 1
        self.on_progress(f"pushing {digest[:12]}", size, size)
