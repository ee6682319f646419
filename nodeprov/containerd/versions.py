"""The versions of configuration files: which containerd reads which, and in which one a new file is begun."""

import re
from collections.abc import Iterator

from nodeprov.containerd.config import BYTE_ORDER_MARK, EVERY_PATH, RUNTIMES_PATHS, Config, Refused
from nodeprov.toml import KeyPath, key_text, line_end, line_of

BEGUN = "# added by nodeprov: this file said nothing"

Release = tuple[int, int, int]


def release_of(daemon_version: str) -> Release:
    """Read containerd's version, such as `1.6.20~ds1` or `v2.4.2`; raise Refused if it is none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", daemon_version)
    if not found:
        raise Refused(f"{daemon_version!r} is not a version of containerd", "compare `containerd --version`")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def newest_version(release: Release) -> int:
    """Name the newest version of a file that a containerd reads (version/version.go, `ConfigVersion`)."""
    if release < (2, 0, 0):
        return 2
    return 3 if release < (2, 3, 0) else 4


def runtimes_place(config: Config, daemon_version: str = "") -> KeyPath:
    """Say where in this file this containerd reads runtimes; without a daemon, where the file's version has them.

    From 2.0 on it is not the version alone that counts. 2.0 to 2.2 take a file of version 1, or of none, for one
    of version 3 (server/config/config.go, `LoadConfig`). From 2.3 on its [plugins.cri] is renamed to version 2's
    section, and of two such sections one is lost: Go walks the map in no order. Runtimes in version 2's place are
    moved to version 3's unless some are there already (plugins/cri/runtime/plugin.go, `migrateConfig`). Tried in
    each place, beside each other one, on 1.6.20, 1.7.35, 2.1.9, 2.3.4, 2.3.7 and 2.4.2.
    """
    second, third = RUNTIMES_PATHS[2], RUNTIMES_PATHS[3]
    release = release_of(daemon_version) if daemon_version else (0, 0, 0)
    if release < (2, 0, 0):
        return config.runtimes_path
    if config.version == 4 or config.table(third) is not None:
        return third
    if config.version == 1:
        return _place_without_version(config, release)
    has_moved = config.version == 3 and release >= (2, 3, 0) and config.table(second) is not None
    return second if config.version == 2 or has_moved else third


def _place_without_version(config: Config, release: Release) -> KeyPath:
    first, second, third = (RUNTIMES_PATHS[version] for version in (1, 2, 3))
    if release < (2, 3, 0) or config.table(third[:2]) is not None:
        return third
    return second if config.table(second[:2]) is not None else first


def dead_tables(config: Config, handler: str, daemon_version: str = "") -> tuple[KeyPath, ...]:
    """Find a handler's tables in other versions' places, which this containerd ignores without a message."""
    place = runtimes_place(config, daemon_version)
    others = ((*runtimes, handler) for runtimes in EVERY_PATH if runtimes != place)
    return tuple(path for path in others if config.table(path) is not None)


def unread(config: Config, daemon_version: str) -> Iterator[Refused]:
    """Say why this containerd would not read our table in this file, or would not start with it."""
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
    elif version == 1 and release >= (2, 0, 0):
        yield from _without_version(config, release)
    elif version == 2 and release < (2, 0, 0):
        yield from _plugins_without_type(config, name)


def _without_version(config: Config, release: Release) -> Iterator[Refused]:
    """Find the CRI plugin's settings that 2.x does not read in a file of version 1, or reads by chance."""
    name = f"containerd {release[0]}.{release[1]}"
    stated = f"states version {config.stated_version}" if config.stated_version else "states no version"
    there = [path[:2] for path in (RUNTIMES_PATHS[1], RUNTIMES_PATHS[2]) if config.table(path[:2]) is not None]
    headers = " and ".join(f"[{key_text(path)}]{on_line(config, path)}" for path in there)
    if len(there) == 2:
        yield Refused(
            f"{stated}, and has the CRI plugin's settings for two versions: of {headers} {name} takes either",
            f"write all of them in [{key_text(RUNTIMES_PATHS[2][:2])}], and version = 2 at the top",
        )
    elif there and release < (2, 3, 0) and config.table(RUNTIMES_PATHS[3][:2]) is None:
        yield Refused(
            f"{stated}, and {name} then ignores {headers} without a message",
            f"write version = 2 at the top, and [{key_text(RUNTIMES_PATHS[2][:2])}] for the CRI plugin's settings",
        )


def _plugins_without_type(config: Config, name: str) -> Iterator[Refused]:
    """Find what 1.x does not start with (services/server/config/config.go, `ValidateV2`)."""
    for plugin in config.table(("plugins",)) or {}:
        if not plugin.startswith("io.containerd.") or len(plugin.split(".")) < 4:
            path = ("plugins", plugin)
            yield Refused(
                f"states version 2 and has [{key_text(path)}]{on_line(config, path)}: {name} does not start so",
                f"write it by its whole name, such as [{key_text(RUNTIMES_PATHS[2][:2])}], or take it out",
            )


def lacks_runc(config: Config, daemon_version: str) -> bool:
    """Tell whether runc would be lost with a runtime in this file: on 1.x these replace the default one.

    Declared as containerd's default has it, nothing else changes: tried on 1.6.20 and 1.7.35 with a dozen files.
    """
    is_1x = bool(daemon_version) and release_of(daemon_version) < (2, 0, 0)
    return is_1x and not config.table(config.runtimes_path)


def runc_table(daemon_version: str) -> dict[str, str]:
    """Write runc as a containerd of 1.x has it by default, as far as it is not empty.

    `sandbox_mode`, there since 1.7, has its default only if it is written.
    """
    sandbox_mode = {"sandbox_mode": "podsandbox"} if release_of(daemon_version) >= (1, 7, 0) else {}
    return {"runtime_type": "io.containerd.runc.v2", **sandbox_mode}


def empty_config(daemon_version: str) -> str:
    """Write the least configuration for a containerd without a file; it means what no file means.

    On 1.x the runtimes of a file take the place of the default ones, so runc is declared.
    """
    release = release_of(daemon_version)
    version = newest_version(release)
    if version > 2:
        return f"version = {version}\n"
    header = key_text((*RUNTIMES_PATHS[2], "runc"))
    lines = "".join(f'{key} = "{value}"\n' for key, value in runc_table(daemon_version).items())
    return f"version = 2\n\n[{header}]\n{lines}"


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


def on_line(config: Config, path: KeyPath) -> str:
    """Give the line on which a table or key is first named, to be put behind its name."""
    line = line_of(config.text.removeprefix(BYTE_ORDER_MARK), path)
    return f" (line {line})" if line else ""
