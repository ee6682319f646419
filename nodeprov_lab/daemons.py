"""Other containerds than the one that the lab runs, for the tests."""

import platform
import shutil
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.local_files import cache_folder
from nodeprov_lab.base import OnEvent
from nodeprov_lab.cache import Cache
from nodeprov_lab.gobuild import CONTAINERD, CONTAINERD_VERSION, CRIRUN, Component, GoBuilder, containerd, find_go
from nodeprov_lab.images import make_images
from nodeprov_lab.parts import chosen_mirror, debian_tree

DEBIAN = "Debian 12's"
BUILT = ("1.7.35", "2.0.14", "2.1.9", "2.2.9", "2.3.4", "2.3.7")
"""One of each line; of 2.3 also one from before 2.3.5, which corrected what it does with drop-ins."""
VERSIONS = (DEBIAN, *BUILT, CONTAINERD_VERSION)
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
_SUITE = "bookworm"


class Daemons:
    """Makes containerds, or finds them made."""

    def __init__(self, on_event: OnEvent) -> None:
        self._cache = Cache(cache_folder() / "lab")  # where the lab's other parts are kept
        self._debian_mirror = chosen_mirror()
        self._on_event = on_event

    def programs(self, version: str) -> Path:
        """Return the folder with a version's containerd, ctr and shim of runc."""
        if version == DEBIAN:
            ingredients = {"suite": _SUITE, "mirror": self._debian_mirror, "machine": platform.machine()}
            return self._cache.folder("containerd-debian", ingredients, self._take_debians)
        component = CONTAINERD if version == CONTAINERD_VERSION else containerd(version)
        return self._build(component) / "node/usr/local/bin"

    def crirun(self) -> Path:
        """Return the program that asks a containerd for a pod, as kubelet does."""
        return self._build(CRIRUN) / "crirun"

    def images(self) -> bytes:
        """Return the archive of images that such a pod needs."""
        return make_images(self._cache)

    def _build(self, component: Component) -> Path:
        go = find_go()
        if go is None:
            raise NodeprovError("no go that can build containerd", "script/bootstrap")
        return GoBuilder(self._cache, go, self._on_event).build(component)

    def _take_debians(self, folder: Path) -> None:
        tree = folder.with_name(f"{folder.name}.tree")
        debian_tree(tree, _SUITE, "containerd", self._debian_mirror, self._on_event)
        for name in PROGRAMS:
            shutil.copy2(tree / "usr/bin" / name, folder / name)
        shutil.rmtree(tree)
