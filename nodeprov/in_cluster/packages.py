"""The packages of Debian in the image of the engine: pinned by their digests, and fetched once."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.releases.cache import explain_disk_errors, insist_on_ours
from nodeprov.releases.container_image import Member
from nodeprov.releases.deb import members_in
from nodeprov.releases.pace import USUAL, Progress
from nodeprov.releases.source import normal_base_url

DEBIAN = "https://deb.debian.org/debian"
SNAPSHOT = "https://snapshot.debian.org/archive/debian/"
"""Where a package is still when Debian has a later one: the archive as it was on a day."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PINS = Path(__file__).with_name("packages.toml")


@dataclass(frozen=True, slots=True)
class Package:
    """A package: its name, where it lies in Debian's archive, its size in bytes and its SHA-512 digest in hex."""

    name: str
    path: str
    size_bytes: int
    sha512: str


@dataclass(frozen=True, slots=True)
class Packages:
    """All packages of an image, by architecture as `uname -m` prints it, and a day on which they were there."""

    of: dict[str, tuple[Package, ...]]
    day: str

    @property
    def origins(self) -> tuple[str, ...]:
        """Where they are asked for, one after the other."""
        return DEBIAN, f"{SNAPSHOT}{self.day}"


def pinned(pins: Path = _PINS) -> Packages:
    """Read which packages go into the image."""
    value = tomllib.loads(pins.read_text())
    of = {
        architecture: tuple(
            Package(name, **(each.get(debian) or each["all"])) for name, each in sorted(value["package"].items())
        )
        for architecture, debian in ARCHITECTURES.items()
    }
    return Packages(of, value["snapshot"])


def fetched(
    packages: Packages, architecture: str, cache: Path, on_progress: Progress, origins: tuple[str, ...] = ()
) -> tuple[Path, ...]:
    """Have the packages for an architecture here, each with its pinned digest.

    Args:
        packages: those that are pinned.
        architecture: what `uname -m` prints.
        cache: a folder of this machine's user; it is made.
        on_progress: called with the file, and the bytes done.
        origins: other addresses of the archive, or folders; empty for Debian's own.

    Raises:
        NodeprovError: none of the origins has a package, or what it has is another.
    """
    folder = cache / "debian"
    insist_on_ours(cache, folder)
    with explain_disk_errors(cache):
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(
            _fetched(each, folder, on_progress, origins or packages.origins) for each in packages.of[architecture]
        )


def _fetched(package: Package, folder: Path, on_progress: Progress, origins: tuple[str, ...]) -> Path:
    from nodeprov.releases.download import download  # brings requests
    from nodeprov.releases.origin import Absent, Origin

    target = folder / f"{package.sha512[:32]}-{package.path.rpartition('/')[2]}"
    for origin in origins:
        try:
            with Origin(normal_base_url(origin), USUAL) as connected:
                download(connected, package.path, target, sha512=package.sha512, on_progress=on_progress)
        except Absent:
            continue
        return target
    raise NodeprovError(
        f"{package.path} is nowhere: neither at {' nor at '.join(origins)}",
        "name a mirror or a folder that has it: --debian URL; a later nodeprov has later packages",
    )


def unpacked(paths: tuple[Path, ...]) -> Iterator[tuple[str, Member]]:
    """Read what of the packages goes into the image: the program and its libraries, zones, and all licences."""
    for path in paths:
        is_tools = path.name.partition("-")[2].startswith("util-linux_")
        wanted = _is_tool if is_tools else _is_wanted
        yield from members_in(path, wanted, where=str(path)).items()


_UNWANTED = (
    "etc/",
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/lintian/",
    "usr/share/zoneinfo/right/",
    "usr/share/zoneinfo/posix/",
    "usr/lib/python3.13/ensurepip/",
    "usr/lib/python3.13/pydoc_data/",
    "usr/lib/python3.13/idlelib/",
    "usr/lib/python3.13/turtledemo/",
)


def _is_tool(path: str) -> bool:
    return path == "usr/bin/nsenter" or path.endswith("/copyright")


def _is_wanted(path: str) -> bool:
    if path.startswith("usr/share/doc/"):
        return path.endswith("/copyright")
    return not path.startswith(_UNWANTED) and "/gconv/" not in path
