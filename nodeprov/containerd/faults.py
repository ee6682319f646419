"""Settings of a configuration file with which containerd would run no pod, or none of a runtime."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.containerd.config import BYTE_ORDER_MARK, EVERY_PATH, Config, Refused
from nodeprov.containerd.runtime import Runtime
from nodeprov.toml import KeyPath, line_of


def unusable(config: Config, runtime: Runtime) -> Iterator[Refused]:
    """Find the settings with which a runtime would be of no use, each with its line."""
    if disabled := config.disabled_cri:
        yield Refused(
            f"disabled_plugins names {', '.join(disabled)}{on_line(config, ('disabled_plugins',))}: "
            "without it containerd serves no pods",
            f"take {disabled[0]} out of disabled_plugins",
        )
    for runtimes in EVERY_PATH if runtime.fails_with_selinux else ():
        key = (*runtimes[:2], "enable_selinux")
        if (config.table(key[:-1]) or {}).get("enable_selinux") is True:
            yield Refused(
                f"enable_selinux = true{on_line(config, key)}: every {runtime.title} pod fails with it "
                f"({runtime.fails_with_selinux})",
                f"set enable_selinux = false on nodes that run {runtime.title}",
            )


def on_line(config: Config, path: KeyPath) -> str:
    """Say the line on which a table or key is first named, to be put behind its name."""
    line = line_of(config.text.removeprefix(BYTE_ORDER_MARK), path)
    return f" (line {line})" if line else ""
