"""The single answers of which facts are made: each one's text to its value."""

import base64
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from nodeprov.errors import MALFORMED_JSON, json_object
from nodeprov.node.daemon import Identity, Plugin, Record
from nodeprov.node.state import Mount, User


def named_values(text: str) -> dict[str, str]:
    """Parse `name=value` lines; a name that ends in `:` has a base64 value."""
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.endswith(":"):
            value = base64.b64decode(value).decode(errors="replace")
        values[name.removesuffix(":")] = value
    return values


def mounts(text: str) -> tuple[Mount, ...]:
    """Parse /proc/self/mounts; blanks in a path are written as octal escapes (proc(5), fstab(5))."""
    mounts = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4:
            path = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[1])
            mounts.append(Mount(path, frozenset(fields[3].split(",")), fields[2]))
    return tuple(mounts)


def loose(text: str) -> dict[str, str]:
    """Parse owner, mode and path of folders that are not root's alone."""
    rows = [line.split(" ", 2) for line in text.splitlines()]
    return {path: f"owner {'root' if owner == '0' else owner}, mode {mode}" for owner, mode, path in rows}


def locked(text: str) -> dict[str, str]:
    """Parse why something cannot be replaced, and its path, which begins with a slash."""
    return {f"/{path}": why for why, _, path in (line.partition(" /") for line in text.splitlines())}


def version(text: str) -> tuple[int, ...]:
    """Find containerd's version in what `containerd --version` prints; () when there is none."""
    found = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def span(text: str) -> float:
    """Parse a time span as systemctl prints it, such as `1min 500ms`, to seconds (systemd.time(7))."""
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(us|ms|s|min|h)\b", text))


def plugins(text: str) -> tuple[Plugin, ...]:
    """Parse `ctr plugins ls`: type, id, platforms, status."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return tuple(Plugin(row[0], row[1], row[-1]) for row in rows if len(row) >= 4)


def record(text: str) -> Record | None:
    """Parse what nodeprov wrote down of the daemon; None when there is none or it is not understood."""
    try:
        value = json_object(text)
        identity = Identity(value["boot_id"], int(value["pid"]), int(value["start_ticks"]))
        return Record(identity, str(value["dump"]))
    except MALFORMED_JSON:
        return None


def receipts(text: str) -> tuple[Mapping[str, Any], ...]:
    """Parse receipts: a path and the content in base64 on each line."""
    return tuple(_receipt(*line.rpartition(" ")[::2]) for line in text.splitlines())


def _receipt(file: str, encoded: str) -> Mapping[str, Any]:
    """Decode a receipt; a damaged one is left to receipts.from_json, whose error has the hint."""
    try:
        value = json_object(base64.b64decode(encoded).decode())
    except ValueError:
        value = {}
    return {**value, "file": file}


def generations(text: str) -> dict[str, str]:
    """Parse generations: a folder, and a program that it names; a release is that one's folder."""
    rows = (line.split(" ", 1) for line in text.splitlines())
    return {folder: posixpath.dirname(program) for folder, program in rows}


def processes(text: str, prefixes: Mapping[str, str]) -> dict[str, int]:
    """Count processes by their programs, which the kernel names by where they really lie, and we by the prefix."""
    found = {}
    for line in text.splitlines():
        count, path = line.split(None, 1)
        found[by_prefix(path, prefixes)] = int(count)
    return found


def users(text: str, prefixes: Mapping[str, str]) -> tuple[User, ...]:
    """Parse who needs our files: process, container, pod and path; `-` is what is not known."""
    rows = [line.split(" ", 3) for line in text.splitlines()]
    return tuple(
        User(by_prefix(path, prefixes), *("" if each == "-" else each for each in (pod, container, pid)))
        for pid, container, pod, path in (row for row in rows if len(row) == 4)
    )


def by_prefix(path: str, prefixes: Mapping[str, str]) -> str:
    """Name a path by the prefix that it is below, as we do, and not by where that one really lies."""
    real = next((each for each in prefixes if path.startswith(f"{each}/")), "")
    return prefixes[real] + path.removeprefix(real) if real else path


def pods(text: str) -> dict[str, tuple[str, ...]]:
    """Parse lines of a pod, as namespace/name, and a path that one of its containers needs."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        pod, _, path = line.partition(" ")
        if path:
            found[pod] = (*found.get(pod, ()), path)
    return found


def number(text: str | None) -> int | None:
    """Read the number that a text begins with; None if it begins with none."""
    found = re.match(r"\d+", text or "")
    return int(found[0]) if found else None
