"""A folder of wheels: those of a program, and of all that it needs."""

from __future__ import annotations

import email
import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from nodeprov.errors import UsageError

_NAME = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)(-[0-9][^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_REQUIRED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)[^;]*")
"""A requirement without a marker: one with a marker may not be needed on the machine that the wheels are for."""


def read_wheels(folder: Path, program: str, version: str, way_on: str) -> tuple[Path, ...]:
    """List the wheels in a folder, sorted by name, and see that nothing is missing.

    Args:
        folder: where they are; other files in it do not matter.
        program: the package that is to be installed from there.
        version: which of it.
        way_on: what to type to do without them, for a message.

    Raises:
        UsageError: the program's wheel is of another version; one that is needed is missing; a file is no wheel.
    """
    again = f"pip wheel --wheel-dir {folder} . in a checkout of {program} {version}; {way_on}"
    found = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    names: dict[str, Path] = {}
    for path in found:
        match = _NAME.fullmatch(path.name)
        if match is None or not path.is_file():
            raise UsageError(f"{path} has no name of a wheel", again)
        names[_normal(match["name"])] = path
        if _normal(match["name"]) == _normal(program) and match["version"] != version:
            raise UsageError(f"{path} is another version than this {program}, {version}", again)
    if missing := sorted({_normal(program), *_required(found, again)} - names.keys()):
        raise UsageError(f"{folder} has no wheel of {', '.join(missing)}", again)
    return tuple(found)


_NO_WHEEL = (zipfile.BadZipFile, zlib.error, StopIteration, OSError, NotImplementedError, RuntimeError)
"""What is raised of a zip that is damaged, cut short, encrypted, or packed in a way that Python does not know."""


def _required(wheels: Iterable[Path], again: str) -> set[str]:
    """Name the packages that wheels need in any case."""
    names = set()
    for path in wheels:
        try:
            with zipfile.ZipFile(path) as archive:
                metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
                text = archive.read(metadata).decode(errors="replace")
        except _NO_WHEEL as error:
            raise UsageError(f"{path} is not a wheel: {error or 'it has no METADATA'}", again) from None
        for said in email.message_from_string(text).get_all("Requires-Dist") or ():
            if ";" not in said and (match := _REQUIRED.match(said)):
                names.add(_normal(match["name"]))
    return names


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
