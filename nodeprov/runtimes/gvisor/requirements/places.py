"""What nodeprov needs of the places where it puts things."""

from __future__ import annotations

from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.facts import Facts
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import tree_bytes
from nodeprov.runtimes.gvisor.layout import layout

MARGIN_BYTES = 256 << 20
NONE_NEEDED = ', or to "" for no link: no pod needs it'
PLACES = {
    "prefix": "runsc and its shim are executed from there",
    "state": "receipts are kept there, by which an uninstall knows what was before",
    "bin": "a link to runsc is made there, for people",
}
MOUNT_OPTIONS = (
    ("noexec", "nothing there can be executed", "executed"),
    ("ro", "nothing there can be written", "written"),
)


def of_places(facts: Facts, settings: Settings, release: Release | None) -> list[Problem]:
    """See that each place can be written to, and executed in where that is needed."""
    paths = settings.paths
    found = [
        Problem(
            f"{path} lies on {mount.path}, mounted {option}: {meaning}",
            f"set [paths] {name} to a folder that can be {wanted}{NONE_NEEDED if name == 'bin' else ''}",
            PLACES[name],
        )
        for name, path in (("prefix", paths.prefix), ("state", paths.state), ("bin", paths.bin))
        for option, meaning, wanted in MOUNT_OPTIONS
        if path and (option == "ro" or name == "prefix")
        for mount in [facts.mount_of(path)]
        if mount and option in mount.options
    ]
    found += _loose_ways(facts, settings)
    if release is not None and f"{layout(settings).releases}/{release.name}" not in facts.releases:
        needed = tree_bytes(release) + MARGIN_BYTES
        if facts.free_bytes < needed:
            found.append(
                Problem(
                    f"{facts.free_at} has {facts.free_bytes >> 20} MiB free, {needed >> 20} MiB are needed",
                    "free space there, or set [paths] prefix to a larger file system",
                    "a release is unpacked beside the one that runs, which stays until no sandbox needs it",
                )
            )
    return found


def of_others_files(facts: Facts, settings: Settings) -> list[Problem]:
    """See that no file of somebody else lies where ours would."""
    path = f"{settings.paths.bin}/runsc"
    target = facts.links.get(path, "") if settings.paths.bin else ""
    if not target or target.startswith(tuple(f"{prefix}/" for prefix in facts.prefixes)):
        return []
    what = "is a file" if target == "(no link)" else f"leads to {target}"
    return [
        Problem(
            f"{path} exists and was not installed by nodeprov: it {what}",
            'move it away, or set [paths] bin = "" if people should keep that one',
            "people would run one release, and pods another",
        )
    ]


def _loose_ways(facts: Facts, settings: Settings) -> list[Problem]:
    """See that nobody but root could have put something on the way to our places, or could exchange it later."""
    paths = settings.paths
    return [
        Problem(
            f"{folder}, in which [paths] {name} lies, is not root's alone: {whose}",
            f"chown root {folder} && chmod o-w {folder}, or set [paths] {name} to another folder",
            "whoever may write there decides what root, or containerd for root, runs and believes",
        )
        for name, path in (("prefix", paths.prefix), ("state", paths.state), ("bin", paths.bin))
        for folder, whose in facts.loose.items()
        if path and any(f"{each}/".startswith(f"{folder}/") for each in (path, facts.real_paths.get(path, path)))
    ]
