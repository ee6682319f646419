"""The canary of a node: a handler beside that of [runtime], by which a release is tried."""

from dataclasses import replace

from nodeprov.inventory import syntax
from nodeprov.inventory.settings import Settings

SUFFIX = "-next"
"""What the canary's handler, RuntimeClass and label have behind the names of [runtime]."""


def canary_handler(handler: str) -> str:
    """Name the handler of the canary of another one."""
    return f"{handler}{SUFFIX}"


def has_canary(settings: Settings) -> bool:
    """Tell whether a handler has a canary: [handlers] have none, and a name may be too long for one."""
    return settings.runtime.canary and syntax.HANDLER.accepts(canary_handler(settings.runtime.handler))


def canary_settings(settings: Settings, release: str = "") -> Settings:
    """Return the settings of a canary: those of [runtime], under names of its own, with another release.

    Its table names the link `current`, whatever [runtime] strict says: so it is the same for every release, and a
    canary begins and ends without a restart. People's PATH has no link to it.
    """
    runtime, label, its_class = settings.runtime, settings.label, settings.runtime_class
    wanted = settings.release
    if release and release != wanted.version:
        wanted = replace(wanted, version=release, sha512={})
    return replace(
        settings,
        release=wanted,
        runtime=replace(runtime, handler=canary_handler(runtime.handler), strict=False, canary=False),
        label=replace(label, key=f"{label.key}{SUFFIX}"),
        runtime_class=replace(its_class, name=f"{its_class.name}{SUFFIX}"),
        paths=replace(settings.paths, bin=""),
    )
