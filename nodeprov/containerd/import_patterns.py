"""The files that a containerd configuration imports: which they are, and in which order they are loaded."""

import posixpath
import re
from collections.abc import Container, Mapping, Sequence

from nodeprov.containerd.config import Config, Refused


def import_patterns(config: Config, config_path: str) -> tuple[str, ...]:
    """List what a file imports, as absolute paths and globs, in the order of the file.

    A relative one is relative to the folder of the file that has it, not followed through links
    (server/config/config.go, `resolveImports`; the same from 1.3 to 2.4). Raises Refused if `imports` is no list
    of strings: containerd does not start with it.
    """
    imports = config.document.get("imports", [])
    if not isinstance(imports, list) or not all(isinstance(each, str) for each in imports):
        raise Refused(
            "imports is not a list of strings",
            'write it so: imports = ["/etc/containerd/conf.d/*.toml"]',
            where=config_path,
        )
    folder = posixpath.dirname(config_path)
    return tuple(re.sub("^/+", "/", posixpath.normpath(posixpath.join(folder, each))) for each in imports)


def is_glob(pattern: str) -> bool:
    """Tell a glob from a path: only `*` makes a glob; a `?` or `[` alone is a part of the name."""
    return "*" in pattern


def matches(pattern: str, path: str) -> bool:
    r"""Tell whether containerd imports a file by this pattern.

    Go's rules are not the shell's: `*` finds hidden files too, `[^a]` excludes, `\` escapes (filepath.Match).
    """
    if not is_glob(pattern):
        return pattern == path
    return re.fullmatch(_expression(pattern), path, re.DOTALL) is not None


def missing_imports(patterns: Sequence[str], existing: Container[str]) -> tuple[str, ...]:
    """List the paths that are imported and are not there: containerd does not start with one.

    A glob that finds nothing is no error. `containerd config dump` reports nothing on 2.x and exits 0, on 1.x
    it fails.
    """
    return tuple(pattern for pattern in patterns if not is_glob(pattern) and pattern not in existing)


def loading_order(config_path: str, config: Config, files: Mapping[str, Config]) -> tuple[str, ...]:
    """List the files in the order in which containerd loads them, the configuration file first.

    What a file imports comes after all that was imported before it; a file is loaded once, so a circle ends
    (server/config/config.go, `LoadConfig`). A later file wins.
    """
    configs = {**files, config_path: config}
    order: list[str] = []
    pending = [config_path]
    while pending:
        path = pending.pop(0)
        if path in order or path not in configs:
            continue
        order.append(path)
        try:
            patterns = import_patterns(configs[path], path)
        except Refused:  # it is reported by whoever reads it
            continue
        for pattern in patterns:  # as filepath.Glob does: folder by folder, names in order
            found = (each for each in configs if matches(pattern, each))
            pending += sorted(found, key=lambda each: each.split("/"))
    return tuple(order)


def _expression(pattern: str) -> str:
    parts = re.findall(r"\\.|\[(?:\\.|[^\]\\])+\]|.", pattern, re.DOTALL)
    known = {"*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(part) or _class(part) for part in parts)


def _class(part: str) -> str:
    if not part.startswith("[") or len(part) == 1:
        return re.escape(part[-1])
    negation = "^" if part[1] == "^" else ""
    ranges = re.findall(r"\\?(.)(?:-\\?(.))?", part[1 + len(negation) : -1], re.DOTALL)
    inside = "".join(f"{re.escape(low)}-{re.escape(high or low)}" for low, high in ranges if low <= (high or low))
    return f"(?!/)[{negation}{inside}]" if inside else "[^/]" if negation else "(?!)"
