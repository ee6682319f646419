"""What is needed of the places where nodeprov puts things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.footprint import Footprint
from nodeprov.node.layout import Layout
from nodeprov.node.machine import Machine

MARGIN_BYTES = 256 << 20
NONE_NEEDED = ', or to "" for no link: no pod needs it'
MOUNT_OPTIONS = (
    ("noexec", "nothing there can be executed", "executed"),
    ("ro", "nothing there can be written", "written"),
)


def usable(machine: Machine, settings: Settings, uses: Mapping[str, str]) -> Iterator[Problem]:
    """See that each place can be used for what it is there for, and that nobody but root can change it."""
    yield from _mounts(machine, settings, uses)
    yield from _loose_ways(machine, settings)


def _mounts(machine: Machine, settings: Settings, uses: Mapping[str, str]) -> Iterator[Problem]:
    """See that each place can be written to, and executed in where that is needed."""
    for name, path in _places(settings):
        mount = machine.mount_of(path)
        for option, meaning, wanted in MOUNT_OPTIONS:
            if mount and option in mount.options and (option == "ro" or name == "prefix"):
                yield Problem(
                    f"{path} lies on {mount.path}, mounted {option}: {meaning}",
                    f"set [paths] {name} to a folder that can be {wanted}{NONE_NEEDED if name == 'bin' else ''}",
                    uses[name],
                )


def _loose_ways(machine: Machine, settings: Settings) -> Iterator[Problem]:
    """See that nobody but root could have put something on the way to our places, or could exchange it later."""
    for name, path in _places(settings):
        for folder, whose in machine.loose.items():
            if any(f"{each}/".startswith(f"{folder}/") for each in (path, machine.real_paths.get(path, path))):
                yield Problem(
                    f"{folder}, in which [paths] {name} lies, is not root's alone: {whose}",
                    f"chown root {folder} && chmod o-w {folder}, or set [paths] {name} to another folder",
                    "whoever may write there decides what root, or containerd for root, runs and believes",
                )


def room(machine: Machine, release_bytes: int) -> Iterator[Problem]:
    """See that a release has room."""
    needed = release_bytes + MARGIN_BYTES
    if machine.free_bytes < needed:
        yield Problem(
            f"{machine.free_at} has {machine.free_bytes >> 20} MiB free, {needed >> 20} MiB are needed",
            "free space there, or set [paths] prefix to a larger file system",
            "a release is unpacked beside the one that runs, which stays until no sandbox needs it",
        )


def others_files(footprint: Footprint, layout: Layout) -> Iterator[Problem]:
    """See that no file of somebody else lies where the link for people would."""
    path = layout.link_for_people
    target = footprint.links.get(path, "") if path else ""
    if target and not target.startswith(tuple(f"{prefix}/" for prefix in footprint.prefixes)):
        what = "is a file" if target == "(no link)" else f"leads to {target}"
        yield Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" if people should keep that one',
            "people would run one release, and pods another",
        )


def _places(settings: Settings) -> list[tuple[str, str]]:
    paths = settings.paths
    places = (("prefix", paths.prefix), ("state", paths.state), ("bin", paths.bin))
    return [(name, path) for name, path in places if path]
