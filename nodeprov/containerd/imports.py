"""The files that a containerd configuration imports, and what they do to our table."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterator, Mapping, Sequence

from nodeprov.containerd import RUNTIMES_PATHS
from nodeprov.containerd.tables import Refused, parsed, table_at
from nodeprov.statements import dotted, line_of

_SECTIONS = tuple(dict.fromkeys(path[:2] for path in RUNTIMES_PATHS.values()))


def import_patterns(text: str, config_path: str) -> tuple[str, ...]:
    """List what a file imports, as absolute paths and globs, in the order of the file.

    A relative one is relative to the folder of the file that says it, not followed through links
    (server/config/config.go, `resolveImports`; the same from 1.3 to 2.4). Raises Refused if `imports` is no list
    of strings: containerd does not start with it.
    """
    imports = parsed(text).get("imports", [])
    if not isinstance(imports, list) or not all(isinstance(each, str) for each in imports):
        raise Refused(
            "imports is not a list of strings", 'write it so: imports = ["/etc/containerd/conf.d/*.toml"]'
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

    A glob that finds nothing is no error. `containerd config dump` says nothing of it on 2.x and exits 0, on 1.x
    it fails.
    """
    return tuple(pattern for pattern in patterns if not is_glob(pattern) and pattern not in existing)


def drop_in_overrides(files: Mapping[str, str], handler: str, daemon_version: str) -> tuple[str, ...]:
    """Say which imported files, given as path and text, take our table away or change it.

    2.x merges tables deeply, later files win; 1.x puts a later file's whole section of a plugin in the place of
    an earlier one's (containerd#5837, #7982; server/config/config.go, `mergeConfig`).
    """
    is_1x = re.match(r"v?1\.", daemon_version) is not None
    return tuple(said for path, text in files.items() for said in _overrides(path, text, handler, is_1x=is_1x))


def _overrides(path: str, text: str, handler: str, *, is_1x: bool) -> Iterator[str]:
    try:
        document = parsed(text)
    except Refused as error:
        yield f"{path} is {error.message}"
        return
    for section in _SECTIONS:
        table = (*section, "containerd", "runtimes", handler)
        if table_at(document, table) is not None:
            yield f"{path} line {line_of(text, table)} declares [{dotted(table)}] too"
        elif is_1x and table_at(document, section) is not None:
            line = line_of(text, section)
            yield f"{path} line {line}: containerd 1.x puts this in place of all of [{dotted(section)}]"


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
