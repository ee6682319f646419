"""What tests need of the network, made once and kept: `python -m tests.support.parts` makes all.

Processes of tests have a lab of their own, and no network: what is not made before them is not made. No other file
of tests builds, or installs Debian; tests/unit/test_house.py looks.
"""

from __future__ import annotations

import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

from nodeprov.in_cluster import packages
from nodeprov.local_files import cache_folder
from nodeprov_lab.apt_suite import DEBIAN_NAMES
from nodeprov_lab.cache import Cache
from nodeprov_lab.daemons import VERSIONS, Daemons
from nodeprov_lab.gobuild import KWOK, REGISTRY, GoBuilder, find_go
from nodeprov_lab.gvisor_releases import both_folder
from nodeprov_lab.host import may_lower_oom_score, own_capabilities
from nodeprov_lab.parts import SUITE, chosen_mirror, debian_tree, make_parts

ARM, INTEL = "aarch64", "x86_64"
EMULATOR = "qemu-aarch64-static"
CRUN, YAJL = "crun.real", "libyajl.so.2"


def builder(processor: str = "") -> GoBuilder:
    """Return what builds the lab's programs; `processor` is Debian's name of another one than this machine's."""
    go = find_go()
    assert go is not None, "no go that can build the lab's programs: script/bootstrap"
    return GoBuilder(_cache(), go, _hear_nothing, processor=processor)


def registry() -> Path:
    """Return a registry of others' making, a program."""
    return builder().build(REGISTRY) / "registry"


def nginx() -> Path:
    """Return a tree with Debian's nginx, and what it depends on."""

    def make(folder: Path) -> None:
        debian_tree(folder / "root", SUITE, "nginx", chosen_mirror(), _hear_nothing)

    return _cache().folder("nginx", {"suite": SUITE, "machine": platform.machine()}, make) / "root"


def crun() -> Path:
    """Return a folder with Debian's crun, and its one library that is not in a small Debian."""

    def make(folder: Path) -> None:
        tree = folder / "tree"
        debian_tree(tree, SUITE, "crun", chosen_mirror(), _hear_nothing)
        (library,) = (tree / "usr/lib").glob(f"*/{YAJL}")
        shutil.copy(library.resolve(), folder / YAJL)
        shutil.copy(tree / "usr/bin/crun", folder / CRUN)
        shutil.rmtree(tree)

    return _cache().folder(
        "crun", {"suite": SUITE, "mirror": chosen_mirror(), "machine": platform.machine()}, make
    )


def releases_for_both_processors() -> Path:
    """Return the folder of a mirror with both processors' releases."""
    builders = {INTEL: builder(), ARM: builder(DEBIAN_NAMES[ARM])}
    return both_folder(builders, _cache(), _hear_nothing, tolerant=_tolerant())


def uname_for_aarch64() -> Path | None:
    """Return a program for aarch64 that says so; None where nothing here could run it."""
    if shutil.which(EMULATOR) is None:
        return None

    def make(folder: Path) -> None:
        tree = folder.with_name(f"{folder.name}.tree")
        debian_tree(tree, SUITE, "busybox-static", chosen_mirror(), _hear_nothing, architecture=DEBIAN_NAMES[ARM])
        shutil.copy2(tree / "usr/bin/busybox", folder / "uname")
        shutil.rmtree(tree)

    ingredients = {"suite": SUITE, "mirror": chosen_mirror(), "architecture": ARM}
    return _cache().folder("busybox", ingredients, make) / "uname"


def engine_packages(architecture: str) -> tuple[Path, ...]:
    """Return Debian's packages for the engine's image."""
    return packages.fetched(packages.pinned(), architecture, cache_folder(), lambda *_: None)


def _lab() -> None:
    go = find_go()
    assert go is not None, "script/bootstrap"
    make_parts(_cache(), go, chosen_mirror(), _hear_nothing, tolerant=_tolerant())


def _containerds() -> Mapping[str, Callable[[], object]]:
    daemons = Daemons(_hear_nothing)
    return {f"containerd {each}": partial(daemons.programs, each) for each in VERSIONS}


@cache
def _tolerant() -> bool:
    """Tell whether the lab's gVisor is built for a machine like this one, so that it is built once."""
    return not may_lower_oom_score(own_capabilities())


def _cache() -> Cache:
    return Cache(cache_folder() / "lab")


def _hear_nothing(_event: object) -> None:
    pass


def main() -> None:
    """Make all that is not made yet, and say what each cost."""
    parts: dict[str, Callable[[], object]] = {
        "the lab": _lab,
        "KWOK": lambda: builder().build(KWOK),
        "a registry": registry,
        "a program that asks containerd for pods": Daemons(_hear_nothing).crirun,
        **_containerds(),
        "nginx": nginx,
        "crun": crun,
        "gVisor for both processors": releases_for_both_processors,
        "a program for aarch64": uname_for_aarch64,
        "packages of the engine's image": lambda: [engine_packages(each) for each in (INTEL, ARM)],
    }
    for name, make in parts.items():
        began = time.monotonic()
        make()
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
