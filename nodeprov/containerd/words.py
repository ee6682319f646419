"""What containerd says is wrong: in its log, at its end, and in the list of its plugins."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CRI = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.")
"""How the names of CRI's plugins begin: one in 1.x, several in 2.x."""
_NAME = "containerd: "
_ERROR = re.compile(r"\blevel=(error|fatal|panic)\b")


def cri_messages(detail: str) -> tuple[str, ...] | None:
    """Find what CRI's plugins complain of in `ctr plugins ls -d`; None if none of them is there.

    A plugin that lacks another one repeats that one's message: only the shortest counts.
    """
    found = [message for name, message in _plugins(detail) if name.startswith(_CRI)]
    if not found:
        return None
    messages = dict.fromkeys(message for message in found if message)
    return tuple(each for each in messages if not any(other != each and other in each for other in messages))


def _plugins(detail: str) -> Iterator[tuple[str, str]]:
    """Find each plugin, and the message of its error ("" if it has none)."""
    for block in re.split(r"^(?=Type:)", detail, flags=re.MULTILINE):
        name = re.match(r"Type:\s+(\S+)\nID:\s+(\S+)", block)
        if name:
            message = re.search(r"^\s+Message:\s+(.*)", block, re.MULTILINE)
            yield f"{name[1]}.{name[2]}", message[1].strip() if message else ""


def last_words(log: str) -> str:
    """Find why containerd ended: the sentence that it ends with, or else the last error in its log.

    2.x says on which row and column a file cannot be read, and names the file in a line before that alone
    (containerd: cmd/containerd/server/config/config.go, `loadConfigFile`).
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    own = [line.removeprefix(_NAME) for line in lines if line.startswith(_NAME)]
    errors = [line for line in lines if _ERROR.search(line)]
    if not own:
        return _readable(errors[-1]) if errors else (lines or [""])[-1]
    file = next((_value("file", line) for line in reversed(errors) if "TOML" in line), "")
    return own[-1] if not file or file in own[-1] else f"{file}: {own[-1]}"


def _readable(line: str) -> str:
    """Pick the words of a line of logfmt."""
    return ": ".join(filter(None, (_value(name, line) for name in ("msg", "error")))) or line


def _value(name: str, line: str) -> str:
    """Find a value in a line of logfmt; "" if it has none of that name."""
    found = re.search(rf'\b{name}=("(?:[^"\\]|\\.)*"|\S+)', line)
    return found[1].strip('"').replace('\\"', '"') if found else ""
