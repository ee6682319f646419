"""A start of the containerd that a restart would start, on the files that it would read, apart from the node."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nodeprov.containerd.words import cri_messages, last_words
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Output, Reader, Script
from nodeprov.node.daemon import Daemon
from nodeprov.node.fact_parsers import named_values
from nodeprov.states import FileState
from nodeprov.templates import render

PATIENCE_SECONDS = 20
"""How long it may take to answer; a containerd without images and containers takes a fraction of a second."""
LIMIT_SECONDS = 2 * PATIENCE_SECONDS
"""How long all of it may take. What takes longer says nothing about the files: the machine is slow."""
TIMEOUT_SECONDS = LIMIT_SECONDS + 20.0
SNAPSHOTTERS = frozenset({"overlayfs", "native"})
"""Those that keep all in a folder; what others keep, no second containerd may see."""


@dataclass(frozen=True, slots=True)
class DryStart:
    """What came of a dry start."""

    fault: str
    """Why containerd would not serve CRI, in its own words; "" if it does. Why it was not tried, if it was not."""
    was_tried: bool = True

    @property
    def fails(self) -> bool:
        """Tell whether containerd was started, and did not come to serve CRI."""
        return self.was_tried and bool(self.fault)


@dataclass(frozen=True, slots=True)
class DryStartQuery:
    """Would containerd start now, on the files that lie on the node?

    Nothing is written: all file systems are read-only for it, its own root, state and sockets lie in memory, and
    what belongs to the running daemon is covered (templates/node/dry-start.sh.j2).
    """

    binary: str
    config: str
    ctr: str
    by_default: bool = False
    """Whether it is to start without its configuration file, and so with its defaults."""

    @classmethod
    def of(cls, daemon: Daemon) -> DryStartQuery:
        """Ask it of the containerd that a restart would start."""
        return cls(daemon.binary, daemon.config_path, daemon.ctr)

    @property
    def script(self) -> str:
        """The script, which reads the files that are to be otherwise from its standard input."""
        places = {"binary": self.binary, "config": self.config, "ctr": self.ctr}
        inner = render("node/dry-start.sh.j2", seconds=PATIENCE_SECONDS, limit=LIMIT_SECONDS, **places)
        without = self.config if self.by_default else ""
        return render("node/dry-start-apart.sh.j2", script=inner, limit=LIMIT_SECONDS, without=without)

    def parse(self, output: Output) -> DryStart:
        """Understand what the script printed."""
        return parse_dry_start(output.text, output.said)


def as_it_is(reader: Reader, daemon: Daemon) -> DryStart:
    """Start containerd apart, on the files as they are.

    Where it fails, and does so without its configuration too, the place is at fault and not the files.
    """
    query = DryStartQuery.of(daemon)
    tried: DryStart = _unable(daemon) or reader.ask([query])[0]
    if tried.fails and reader.ask([replace(query, by_default=True)])[0].fault:
        return replace(tried, was_tried=False)
    return tried


def insist_on_a_start(host: Host, daemon: Daemon, files: Mapping[str, FileState | None]) -> None:
    """Raise NodeprovError if containerd would not serve with files that are to be otherwise.

    A start apart lacks what is covered. So a fault that it has with the files as they are, too, while the daemon
    serves with them, says nothing about the new ones.
    """
    if not files or _unable(daemon):
        return
    query = DryStartQuery.of(daemon)
    script = Script("dry-start", query.script, query.parse, WELL)
    tried = host.run(script, stdin=staged(files), timeout_seconds=TIMEOUT_SECONDS)
    if tried.fails and host.run(script, timeout_seconds=TIMEOUT_SECONDS).fault != tried.fault:
        raise NodeprovError(
            f"containerd does not start with what {' and '.join(files)} would be: {tried.fault}",
            "nothing was changed; fix what it complains of, or report it with this message",
            where=host.name,
        )


def _unable(daemon: Daemon) -> DryStart | None:
    """Say why a containerd cannot be started twice, if that is known from its configuration."""
    others = sorted(daemon.effective.snapshotters.difference(SNAPSHOTTERS))
    if not others:
        return None
    return DryStart(f"the snapshotter {others[0]} cannot be used by two at once", was_tried=False)


def staged(files: Mapping[str, FileState | None]) -> bytes:
    """Write files as the script reads them, what lies deeper later; None is a file that is not to be there."""
    encoded = {path: base64.b64encode(file.content).decode() if file else "-" for path, file in files.items()}
    return "".join(f"{path} {encoded[path]}\n" for path in sorted(encoded, key=posixpath.dirname)).encode()


def parse_dry_start(text: str, said: str = "") -> DryStart:
    """Parse what the script printed.

    `said` is what else was printed, by a script that did not come to its end.
    """
    values = named_values(text)
    log, detail = values.get("log", ""), values.get("detail", "")
    match values.get("outcome"):
        case "served":
            return DryStart(_cri_fault(detail))
        case "died":
            return DryStart(last_words(log) or "it ends without a message")
        case "silent":
            return DryStart(f"it does not answer within {PATIENCE_SECONDS} seconds: {last_words(log)}")
    return DryStart(log.strip() or said or "the node did not answer", was_tried=False)


def _cri_fault(detail: str) -> str:
    messages = cri_messages(detail)
    return "the CRI plugin is not loaded" if messages is None else "; ".join(messages)


WELL = b"outcome=served\ndetail:=" + base64.b64encode(b"Type: io.containerd.grpc.v1\nID: cri\n") + b"\n"
"""What the script prints where all goes well."""
