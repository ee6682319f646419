"""The image of a release: its files, and a program that copies them to a node."""

from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.releases.container_image import Build, Member
from nodeprov.releases.obtain import Release

NAME = "localhost/nodeprov-release"
COPIER = "/copy"
VARIABLE = "NODEPROV_RELEASE"
"""What the copier is told: the name of the release's folder on a node, where its files may lie already."""
_PROGRAMS = Path(__file__).parent / "copier" / "bin"


def reference(version: str) -> str:
    """Name the image of a release."""
    return f"{NAME}:{version}"


def build(release: Release) -> Build:
    """Put the image together, for the release's architecture; raise NodeprovError if there is no copier for it."""
    program = _PROGRAMS / f"copier-{release.architecture}"
    try:
        copier = Member(program.read_bytes(), 0o755)
    except OSError as error:
        raise NodeprovError(
            f"this nodeprov was installed without {program.name}: {error.strerror}",
            "install it again (in a checkout: script/bootstrap)",
        ) from None
    files = {f"release/{each.path}": Member(release.folder / each.path, 0o755) for each in release.members}
    return Build([{COPIER.lstrip("/"): copier}, files], (COPIER,), {VARIABLE: release.name})
