"""Settings of a configuration file with which containerd would run no pod, or gVisor none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.containerd.tables import Refused, table_at
from nodeprov.containerd.versions import EVERY_PATH
from nodeprov.toml import KeyPath, line_of

# What the CRI service is made of, in 1.x and 2.x; with one of them disabled no pod runs.
CRI_PLUGINS = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images")


def disabled_cri(document: Mapping[str, Any]) -> tuple[str, ...]:
    """List the parts of the CRI service that a file, or a dump, disables."""
    disabled = document.get("disabled_plugins")
    return tuple(each for each in disabled if each in CRI_PLUGINS) if isinstance(disabled, list) else ()


def unusable(text: str, document: Mapping[str, Any]) -> Iterator[Refused]:
    """Find the settings with which our runtime would be of no use, each with its line."""
    if disabled := disabled_cri(document):
        yield Refused(
            f"disabled_plugins names {', '.join(disabled)}{on_line(text, ('disabled_plugins',))}: "
            "without it containerd serves no pods",
            f"take {disabled[0]} out of disabled_plugins",
        )
    for runtimes in EVERY_PATH:
        key = (*runtimes[:2], "enable_selinux")
        if (table_at(document, key[:-1]) or {}).get("enable_selinux") is True:
            yield Refused(
                f"enable_selinux = true{on_line(text, key)}: every gVisor pod fails with it (gvisor#8747)",
                "set enable_selinux = false on nodes that run gVisor",
            )


def on_line(text: str, path: KeyPath) -> str:
    """Say the line on which a table or key is first named, to be put behind its name."""
    line = line_of(text, path)
    return f" (line {line})" if line else ""
