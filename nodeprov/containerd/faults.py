"""What in a configuration file, or in what it imports, keeps containerd from serving our table."""

from collections.abc import Iterator, Mapping, Sequence

from nodeprov.containerd.config import BYTE_ORDER_MARK, EVERY_PATH, RUNTIMES_PATHS, Config, Refused
from nodeprov.containerd.import_patterns import import_patterns, loading_order
from nodeprov.containerd.runtime import Runtime
from nodeprov.containerd.versions import newest_version, on_line, release_of
from nodeprov.toml import key_text, line_of


def unusable(config: Config, runtime: Runtime) -> Iterator[Refused]:
    """Find the settings with which a runtime would be of no use, each with its line."""
    if disabled := config.disabled_cri:
        yield Refused(
            f"disabled_plugins names {', '.join(disabled)}{on_line(config, ('disabled_plugins',))}: "
            "without it containerd serves no pods",
            f"take {disabled[0]} out of disabled_plugins",
        )
    for runtimes in EVERY_PATH if runtime.fails_with_selinux else ():
        key = (*runtimes[:2], "enable_selinux")
        if (config.table(key[:-1]) or {}).get("enable_selinux") is True:
            yield Refused(
                f"enable_selinux = true{on_line(config, key)}: every {runtime.title} pod fails with it "
                f"({runtime.fails_with_selinux})",
                f"set enable_selinux = false on nodes that run {runtime.title}",
            )


ELSEWHERE = "take it out of there, or set [runtime] handler to another name"


def drop_in_problems(
    config_path: str, config: Config, files: Mapping[str, Config], runtime: Runtime, daemon_version: str
) -> Iterator[Refused]:
    """Find the imported files that keep our table from serving, by their paths, in the order of loading.

    2.x merges tables deeply, later files win; 1.x puts a later file's whole section of a plugin in the place of
    an earlier one's (containerd#5837, #7982; server/config/config.go, `mergeConfig`).
    """
    stated = [(config_path, config.stated_version)]
    for path in loading_order(config_path, config, files)[1:]:
        try:
            import_patterns(files[path], path)
            yield from _of_bytes(path, files[path].text, daemon_version)
            yield from _of_one(path, files[path], runtime, daemon_version)
            stated.append((path, files[path].stated_version))
        except Refused as refused:
            yield Refused(f"{path} is not as containerd reads it: {refused.message}", refused.hint)
    yield from _of_versions(stated, daemon_version)


def _of_bytes(path: str, text: str, daemon_version: str) -> Iterator[Refused]:
    """Find the bytes that 1.x reads over and 2.x does not; what is no UTF-8 was read as surrogates."""
    if release_of(daemon_version) < (2, 0, 0):
        return
    foreign = next((at for at, letter in enumerate(text) if "\udc80" <= letter <= "\udcff"), None)
    if foreign is not None:
        line = text.count("\n", 0, foreign) + 1
        yield Refused(
            f"{path} line {line} is not UTF-8: containerd {daemon_version} does not start with that",
            "write the file in UTF-8: iconv -f latin1 -t utf8",
        )
    if text.startswith(BYTE_ORDER_MARK):
        yield Refused(
            f"{path} begins with a byte order mark: containerd {daemon_version} does not start with that",
            f"take it away: sed -i '1s/^\\xEF\\xBB\\xBF//' {path}",
        )


def _of_one(path: str, config: Config, runtime: Runtime, daemon_version: str) -> Iterator[Refused]:
    text = config.text.removeprefix(BYTE_ORDER_MARK)
    for refused in unusable(config, runtime):
        yield Refused(f"{path}: {refused.message}", refused.hint)
    for runtimes in EVERY_PATH:
        table, section = (*runtimes, runtime.handler), runtimes[:2]
        if config.table(table) is not None:
            yield Refused(f"{path} line {line_of(text, table)} declares [{key_text(table)}] too", ELSEWHERE)
        elif release_of(daemon_version) < (2, 0, 0) and config.table(section) is not None:
            line = line_of(text, section)
            yield Refused(
                f"{path} line {line}: containerd 1.x puts this in place of all of [{key_text(section)}]",
                f"move it into the configuration file: there is no other place for [{key_text(section)}] on 1.x",
            )


def _of_versions(stated: Sequence[tuple[str, int]], daemon_version: str) -> Iterator[Refused]:
    """Judge the versions that files state, the configuration file's first."""
    release = release_of(daemon_version)
    newest = newest_version(release)
    for path, version in stated[1:]:
        if version > newest:
            yield Refused(
                f"{path} states version {version}, and containerd {daemon_version} reads no more than {newest}",
                f"write it as version {newest}, or update containerd",
            )
    if (2, 3, 0) <= release < (2, 3, 5):
        yield from _higher_than_root(stated, daemon_version)
    elif release < (2, 3, 0):
        yield from _last_counts(stated, daemon_version)


def _higher_than_root(stated: Sequence[tuple[str, int]], daemon_version: str) -> Iterator[Refused]:
    """Find what 2.3.0 to 2.3.4 do not start with; the first file that states a version is the root of it.

    containerd 21248d007, taken back by a8ed54668.
    """
    root_path, root = next(((path, version) for path, version in stated if version), ("", 0))
    for path, version in stated:
        if version > root:
            yield Refused(
                f"{path} states version {version}, which is higher than {root} in {root_path}: "
                f"containerd {daemon_version} does not start with that",
                f"state version {root} in it and write it so, or update containerd to 2.3.5 or later",
            )


def _last_counts(stated: Sequence[tuple[str, int]], daemon_version: str) -> Iterator[Refused]:
    """Find a file that moves the place where the runtimes of all are looked for.

    Up to 2.2 the last version that is stated counts for all files. What states 1 or nothing is renamed at once
    on 2.x, and does not count; what is written for version 3 is read where 2 counts, not the other way round.
    """
    is_1x = release_of(daemon_version) < (2, 0, 0)
    root_path, root = stated[0][0], stated[0][1] or 1
    counting = [(path, version) for path, version in stated[1:] if version >= (1 if is_1x else 2)]
    if not counting:
        return
    path, version = counting[-1]
    if version in (root, 0) or RUNTIMES_PATHS[version] == RUNTIMES_PATHS[root] or (not is_1x and version < root):
        return
    of_root = f"version {root}" if stated[0][1] else "states none"
    yield Refused(
        f"{path} states version {version}, and {root_path} {of_root}: containerd {daemon_version} goes by "
        f"the last one for both, and does not find [{key_text(RUNTIMES_PATHS[root])}] then",
        "write both as the same version; a drop-in that names no plugin needs no version at all",
    )
