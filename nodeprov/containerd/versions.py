"""The versions of configuration files: which containerd reads which, and in which one a new file is begun."""

import re
from collections.abc import Iterator

from nodeprov.containerd.config import BYTE_ORDER_MARK, RUNTIMES_PATHS, Config, Refused
from nodeprov.toml import key_text, line_end

BEGUN = "# added by nodeprov: this file said nothing"

Release = tuple[int, int, int]


def release_of(daemon_version: str) -> Release:
    """Read containerd's version, such as `1.6.20~ds1` or `v2.4.2`; raise Refused if it is none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", daemon_version)
    if not found:
        raise Refused(f"{daemon_version!r} is no version of containerd", "compare `containerd --version`")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def newest_version(release: Release) -> int:
    """Name the newest version of a file that a containerd reads (version/version.go, `ConfigVersion`)."""
    if release < (2, 0, 0):
        return 2
    return 3 if release < (2, 3, 0) else 4


def unread(config: Config, daemon_version: str) -> Iterator[Refused]:
    """Find why this containerd would not read our table in this file, or would not start with it."""
    release = release_of(daemon_version)
    version = config.version
    name = f"containerd {release[0]}.{release[1]}"
    if release >= (2, 0, 0) and config.text.startswith(BYTE_ORDER_MARK):
        yield Refused(
            f"begins with a byte order mark, and {name} does not start with that",
            "take it away: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE",
        )
    if version > newest_version(release):
        yield Refused(
            f"states version {version}, and {name} reads no more than version {newest_version(release)}",
            f"write it as version {newest_version(release)}, or update containerd",
        )
    elif config.document:
        yield from _of_old_versions(config, release) if version < 3 else ()
        yield from _two_places(config, release)


def _of_old_versions(config: Config, release: Release) -> Iterator[Refused]:
    version = config.version
    name = f"containerd {release[0]}.{release[1]}"
    # Such a file is renamed to version 3 at once, so that no plugin moves its section (`LoadConfig`, case 0, 1).
    if version == 1 and (2, 0, 0) <= release < (2, 3, 0):
        yield Refused(
            f"states no version, or version 1, whose [plugins.cri] {name} ignores without a word",
            f"write version = 2, and [{key_text(RUNTIMES_PATHS[2][:2])}] in place of [plugins.cri]",
        )
    if release < (2, 0, 0) and not config.table(config.runtimes_path):
        header = key_text((*config.runtimes_path, "runc"))
        yield Refused(
            f"declares no runtime: with ours {name} would have that one alone, not runc, and run no pod",
            f'declare runc too: [{header}] with runtime_type = "io.containerd.runc.v2"',
        )


def _two_places(config: Config, release: Release) -> Iterator[Refused]:
    """Find runtimes of another version beside which ours would be lost, or would take them away.

    2.x moves a table of an older version to its place unless something is there already
    (plugins/cri/runtime/plugin.go, `migrateConfig`; tried on 2.1.5 and 2.4.2).
    """
    if release < (2, 0, 0):
        return
    version = config.version
    first, second, third = (RUNTIMES_PATHS[each] for each in (1, 2, 3))
    is_2_3 = release >= (2, 3, 0)
    has_second, has_third = (config.table(path) is not None for path in (second, third))
    takes = version == 3 and is_2_3 and has_second and not has_third
    if version == 1 and is_2_3 and config.table(second[:2]) is not None:
        kept, lost = second[:2], first[:2]
    elif takes or (version == 2 and has_third):
        kept, lost = third, second
    else:
        return
    yield Refused(
        f"has the CRI plugin's settings for two versions: of [{key_text(kept)}] and [{key_text(lost)}], with our "
        f"runtime in a version {version} file, containerd {release[0]}.{release[1]} reads the first only",
        "write all of them as the version that the file states",
    )


def empty_config(daemon_version: str) -> str:
    """Write the least configuration for a containerd without a file; it means what no file means.

    On 1.x the runtimes of a file take the place of the default ones, so runc is declared; `sandbox_mode`, there
    since 1.7, has its default only if it is written.
    """
    release = release_of(daemon_version)
    version = newest_version(release)
    if version > 2:
        return f"version = {version}\n"
    header = key_text((*RUNTIMES_PATHS[2], "runc"))
    sandbox_mode = 'sandbox_mode = "podsandbox"\n' if release >= (1, 7, 0) else ""
    return f'version = 2\n\n[{header}]\nruntime_type = "io.containerd.runc.v2"\n{sandbox_mode}'


def begun(config: Config, daemon_version: str) -> Config:
    """Let a file that sets nothing, a comment at most, state the daemon's own version; `ended` undoes it."""
    if config.document:
        return config
    text = config.text
    newline = line_end(text)
    block = _beginning(empty_config(daemon_version), newline)
    body = text.removeprefix(BYTE_ORDER_MARK)
    return Config(f"{text}{newline}{block}" if body and not body.endswith("\n") else f"{text}{block}{newline}")


def ended(config: Config) -> Config:
    """Take out what `begun` put in, if it holds nothing but that."""
    newline = line_end(config.text)
    for daemon_version in ("1.6", "1.7", "2.0", "2.3"):
        block = _beginning(empty_config(daemon_version), newline)
        for around in (f"{block}{newline}", f"{newline}{block}"):
            head = Config(config.text.removesuffix(around))
            if head != config and not head.document:
                return head
    return config


def _beginning(config: str, newline: str) -> str:
    return newline.join([BEGUN, *config.splitlines()])
