"""A runtime, as its table in containerd's configuration declares it."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime of the CRI plugin: containerd, internal/cri/config/config.go, `Runtime`.

    Args:
        handler: its name in containerd.
        runtime_type: the shim's type, such as io.containerd.runc.v2.
        options: the shim's options; a value that is an absolute path lies in the handler's folder.
        runtime_path: the shim's absolute path; "" where the type names it.
        pod_annotations: which annotations of a pod are handed on.
        title: what people call it, for messages.
        fails_with_selinux: the upstream issue, where no pod of it runs when the CRI plugin labels for SELinux.
    """

    handler: str
    runtime_type: str
    options: tuple[tuple[str, Any], ...]
    runtime_path: str = ""
    pod_annotations: tuple[str, ...] = ()
    title: str = ""
    fails_with_selinux: str = ""

    def table(self) -> dict[str, Any]:
        """Return what its table holds."""
        return {
            "runtime_type": self.runtime_type,
            **({"runtime_path": self.runtime_path} if self.runtime_path else {}),
            **({"pod_annotations": list(self.pod_annotations)} if self.pod_annotations else {}),
            "options": dict(self.options),
        }

    @property
    def program_key(self) -> str:
        """The key of the path by which a table of it is known: the shim's, or else of what the shim runs."""
        return "runtime_path" if self.runtime_path else next(iter(paths_of(self.table())))

    @property
    def program(self) -> str:
        """That path."""
        return paths_of(self.table())[self.program_key]

    def program_of(self, table: Mapping[str, Any] | None) -> str | None:
        """Find the path that a table has in that place; None if it has none."""
        return paths_of(table or {}).get(self.program_key)

    def owns(self, table: Mapping[str, Any]) -> bool:
        """Tell whether a table was made for this handler, perhaps for another generation of it.

        All its paths must lie in the handler's folder: `…/handlers/NAME/` for `…/handlers/NAME/current/…`.
        """
        theirs = paths_of(table)
        return table.get("runtime_type") == self.runtime_type and all(
            self._is_near(path, theirs.get(key)) for key, path in paths_of(self.table()).items()
        )

    def _is_near(self, mine: str, other: object) -> bool:
        folder = posixpath.dirname(posixpath.dirname(mine))
        if posixpath.basename(folder) != self.handler:
            return mine == other
        return isinstance(other, str) and posixpath.normpath(other).startswith(f"{folder}/")


def paths_of(table: Mapping[str, Any]) -> dict[str, str]:
    """Pick the values of a table that are absolute paths, by their keys."""
    options = table.get("options")
    values = {**table, **(options if isinstance(options, Mapping) else {})}
    return {key: each for key, each in values.items() if isinstance(each, str) and each.startswith("/")}
