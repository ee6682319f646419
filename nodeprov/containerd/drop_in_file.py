"""Our table in a file of its own, in a folder that containerd's configuration file imports."""

from __future__ import annotations

import posixpath

from nodeprov.containerd.edit import Runtime, add_runtime
from nodeprov.containerd.import_patterns import import_patterns, is_glob
from nodeprov.containerd.versions import file_version

COMMENT = "# Written by nodeprov; `nodeprov uninstall` takes it away."


def path_of(config_path: str, text: str, handler: str) -> str | None:
    """Name the file: in the first folder all of whose *.toml are imported; None if there is no such folder."""
    for pattern in import_patterns(text, config_path):
        folder, name = posixpath.split(pattern)
        if name == "*.toml" and not is_glob(folder):
            return f"{folder}/nodeprov-{handler}.toml"
    return None


def text_of(config_text: str, runtime: Runtime) -> str:
    """Write the file, in the version of the configuration file: no containerd 2 minds that one."""
    return add_runtime(f"{COMMENT}\nversion = {file_version(config_text)}\n", runtime)
