"""The node around a pod that is on it: its shells by nsenter, and files that lie on it already."""

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeprov.hosts.base import COMMAND_TIMEOUT_SECONDS, check, rendered
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.shell import UPLOAD_TIMEOUT_SECONDS, remedy

ENTER = ("nsenter", "--target=1", "--mount", "--pid", "--")
"""What leads from a pod with the node's process namespace to the node's own files."""


class NamespacesHost(LocalHost):
    """The node around this container; `mounted` are folders of the node here, and where they lie there."""

    def __init__(
        self,
        name: str,
        *,
        enter: Sequence[str] = ENTER,
        mounted: Mapping[Path, str],
        timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
        setting: str = "",
    ) -> None:
        super().__init__(name, timeout_seconds=timeout_seconds, setting=setting, enter=enter)
        self._mounted = mounted

    def upload(self, files: Sequence[tuple[Path, str]], folder: str) -> None:
        """Link files that lie on the node already below a folder that exists there, and send the others."""
        there = {name: path for source, name in files if (path := self._on_node(source))}
        if there:
            script = rendered("hosts/link-files.sh.j2", folder=folder, files=there)
            output = self.run(script, timeout_seconds=UPLOAD_TIMEOUT_SECONDS)
            check(output, f"cannot take files into {folder}", where=self.name, hint=remedy(output.said))
            linked = [(source, name) for source, name in files if name in there]
            total, done = sum(source.stat().st_size for source, _ in linked), 0
            for source, name in linked:
                done += source.stat().st_size
                self._uploaded(name, 0, total, done)
        super().upload([each for each in files if each[1] not in there], folder)

    def _on_node(self, source: Path) -> str:
        """Tell where a file lies on the node; "" if it does not."""
        for here, there in self._mounted.items():
            if source.is_relative_to(here):
                return posixpath.join(there, source.relative_to(here).as_posix())
        return ""
