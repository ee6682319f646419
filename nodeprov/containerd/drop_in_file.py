"""Our table in a file of its own, in a folder that containerd's configuration file imports."""

from __future__ import annotations

import posixpath

from nodeprov.containerd.config import Config
from nodeprov.containerd.edit import add_runtime
from nodeprov.containerd.import_patterns import import_patterns, is_glob
from nodeprov.containerd.runtime import Runtime

COMMENT = "# Written by nodeprov; `nodeprov uninstall` takes it away."


def path_of(config_path: str, config: Config, handler: str) -> str | None:
    """Name the file: in the first folder all of whose *.toml are imported; None if there is no such folder."""
    for pattern in import_patterns(config, config_path):
        folder, name = posixpath.split(pattern)
        if name == "*.toml" and not is_glob(folder):
            return f"{folder}/nodeprov-{handler}.toml"
    return None


def text_of(config: Config, runtime: Runtime) -> str:
    """Write the file, in the version of the configuration file: no containerd 2 minds that one."""
    return add_runtime(f"{COMMENT}\nversion = {config.version}\n", runtime)
