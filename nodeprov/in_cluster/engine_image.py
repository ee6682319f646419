"""The image of the engine: Debian's Python, nsenter, nodeprov, and what nodeprov's engine imports."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import nodeprov
from nodeprov import __version__
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.packages import ARCHITECTURES, unpacked
from nodeprov.in_cluster.pod import COMMAND
from nodeprov.releases.container_image import Build, Member

REFERENCE = f"localhost/nodeprov-engine:{__version__}"
LIBRARIES = ("jinja2", "markupsafe", "tomlkit")
"""What the engine imports besides Python's own; each is, or can be, Python alone."""
_SITE = "usr/lib/python3/dist-packages"
_MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "usr/bin/python3": "python3.13"}
"""Links that no package has: those of a merged /usr (in lib64 lies the loader by which a program is started)."""
_MOUNTED = ("proc", "sys", "dev", "tmp", "root", "etc/nodeprov", "releases")
"""Folders for what is mounted in a container: its own root cannot be written."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build(architecture: str, packages: tuple[Path, ...], libraries: Sequence[Path] = ()) -> Build:
    """Put the image for an architecture together.

    Args:
        architecture: what `uname -m` prints.
        packages: of Debian, for that architecture.
        libraries: the folders of LIBRARIES; by default those that this Python imports.
    """
    system = dict(unpacked(packages))
    links = {path: Member(target=target) for path, target in _MERGED.items()}
    if ARCHITECTURES[architecture] == "amd64":
        links["lib64"] = Member(target="usr/lib64")
    own = dict(_own(architecture))
    for folder in libraries or [_folder(name) for name in LIBRARIES]:
        own |= _python(folder, folder.name)
        own |= dict(_licences(folder.name))
    environment = {"PATH": _PATH, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "HOME": "/root"}
    folders = {f"{name}/.keep": Member() for name in _MOUNTED}
    return Build([{**system, **links, **folders}, own], COMMAND, environment)


def _folder(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise NodeprovError(f"this nodeprov has no {name} beside it", "install it again: pip install nodeprov")
    return Path(found.submodule_search_locations[0])


def _licences(name: str) -> Iterator[tuple[str, Member]]:
    """Take what a package's authors ask to be kept with it."""
    for each in importlib.metadata.files(name) or ():
        if each.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            yield f"usr/share/doc/{name}/{each.name}", Member(Path(str(each.locate())).read_bytes())


def _own(architecture: str) -> Iterator[tuple[str, Member]]:
    """Take nodeprov as it runs here, the templates of a checkout included."""
    folder = Path(nodeprov.__file__).parent
    yield from _python(folder, "nodeprov").items()
    for path in folder.glob(f"*/*/bin/*-{architecture}"):
        yield f"{_SITE}/nodeprov/{path.relative_to(folder).as_posix()}", Member(path.read_bytes(), 0o755)
    for path in folder.rglob("*.toml"):
        yield f"{_SITE}/nodeprov/{path.relative_to(folder).as_posix()}", Member(path.read_bytes())
    templates = next(each for each in (folder / "templates", folder.parent / "templates") if each.is_dir())
    for path in sorted(each for each in templates.rglob("*.j2") if each.is_file()):
        yield f"{_SITE}/nodeprov/templates/{path.relative_to(templates).as_posix()}", Member(path.read_bytes())


def _python(folder: Path, name: str) -> dict[str, Member]:
    """Take the modules of a package; a compiled one of this machine would be for no other."""
    return {
        f"{_SITE}/{name}/{path.relative_to(folder).as_posix()}": Member(path.read_bytes())
        for path in sorted(folder.rglob("*.py"))
        if path.name != "hatch_build.py"
    }
