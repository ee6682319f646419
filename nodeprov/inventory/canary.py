"""The canary of a node: a handler beside that of [runtime], by which a release is tried."""

from collections.abc import Iterable
from dataclasses import replace

from nodeprov.errors import UsageError
from nodeprov.inventory import syntax
from nodeprov.inventory.settings import Settings

SUFFIX = "-next"
"""What the canary's handler, RuntimeClass and label have behind the names of [runtime]."""

_NAMES = (
    ("runtime", "handler", syntax.HANDLER),
    ("runtime_class", "name", syntax.DNS_SUBDOMAIN),
    ("label", "key", syntax.LABEL_KEY),
)
"""What has SUFFIX behind it, and what such a name must be."""


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


def insist_on_canary(settings: Settings, others: Iterable[Settings], *, where: str) -> None:
    """Raise UsageError where a node has no canary, or where one of its names is none, or another handler's.

    Args:
        settings: of the handler that is to have it.
        others: of all handlers of all nodes: they share the cluster's names.
        where: the node.
    """
    if not settings.runtime.canary:
        said, hint = "there is no canary for this node: [runtime] canary is false", "set [runtime] canary = true"
        raise UsageError(said, hint, where=where)
    taken = [*others]
    for table, key, rule in _NAMES:
        name = getattr(getattr(canary_settings(settings), table), key)
        if not rule.accepts(name):
            raise UsageError(
                f"the canary would have {name!r}, which is not {rule.expected}",
                f"choose a shorter name: [{table}] {key}",
                where=where,
            )
        owner = next((each for each in taken if getattr(getattr(each, table), key) == name), None)
        if owner is not None:
            raise UsageError(
                f"the canary would have [{table}] {key} {name!r}, which is that of the handler "
                f"{owner.runtime.handler}",
                f"give one of the two another name: [{table}] {key}",
                where=where,
            )
