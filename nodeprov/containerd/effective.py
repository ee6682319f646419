"""The effective configuration: what `containerd -c FILE config dump` prints, imports and defaults included."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from nodeprov.containerd.edit import Runtime
from nodeprov.containerd.faults import disabled_cri
from nodeprov.containerd.tables import parsed, table_at
from nodeprov.containerd.versions import RUNTIMES_PATHS
from nodeprov.toml import KeyPath, dotted

# The section that counts: 2.x prints an older one too when it knows the plugin by both names.
_SECTIONS = tuple(dict.fromkeys(RUNTIMES_PATHS[version][:2] for version in (4, 3, 2, 1)))


def effective_runtime(dump_text: str, handler: str) -> Mapping[str, Any] | None:
    """Find a handler's table as containerd would serve it; None if it would not.

    A disabled CRI plugin serves nothing, though the dump prints its tables.
    """
    document = parsed(dump_text)
    if disabled_cri(document):
        return None
    return table_at(_cri(document), ("containerd", "runtimes", handler))


def default_runtime_systemd_cgroup(dump_text: str) -> bool:
    """Tell whether the default runtime has runc drive cgroups by systemd.

    Options are decoded without regard to case. Where two spellings are left in the dump, 2.x decodes them
    sorted, the last one wins: a file's `systemdCgroup = true` beats the default `SystemdCgroup = false`
    (internal/cri/config/config.go, `GenerateRuntimeOptions`).
    """
    containerd = table_at(_cri(parsed(dump_text)), ("containerd",)) or {}
    name = containerd.get("default_runtime_name") or "runc"
    options = table_at(containerd, ("runtimes", name, "options")) or {}
    spelled = sorted(key for key in options if key.lower() == "systemdcgroup")
    return bool(spelled) and options[spelled[-1]] is True


def missing_default_runtime(dump_text: str) -> str | None:
    """Name the default runtime if it is not declared, and the CRI plugin would fail; None if all is well.

    It happens on 1.x, where a file's runtimes take the place of the default ones: one that declares runsc and no
    runc has no runc (`ValidatePluginConfig`). `containerd config dump` and `ctr version` still succeed.
    """
    containerd = table_at(_cri(parsed(dump_text)), ("containerd",))
    if containerd is None:
        return None
    name = containerd.get("default_runtime_name") or "runc"
    return None if table_at(containerd, ("runtimes", name)) is not None else str(name)


def selinux_enabled(dump_text: str) -> bool:
    """Tell whether the CRI plugin labels for SELinux, with which every gVisor pod fails (gvisor#8747)."""
    return _cri(parsed(dump_text)).get("enable_selinux") is True


def differences(before_dump: str, after_dump: str, runtime: Runtime) -> tuple[str, ...]:
    """List, as dotted paths, what differs apart from our table; nothing means that the change is safe."""
    old, new = parsed(before_dump), parsed(after_dump)
    if new.get("version") == 2:
        _forget_own_name(old, new)
    before, after = (_leaves(_without(document, runtime.handler)) for document in (old, new))
    paths = dict.fromkeys([*before, *after])
    return tuple(dotted(path) for path in paths if not _is_equal(before.get(path), after.get(path)))


def _cri(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((section for path in _SECTIONS if (section := table_at(document, path)) is not None), {})


def _without(document: dict[str, Any], handler: str) -> dict[str, Any]:
    for section in _SECTIONS:
        runtimes = table_at(document, (*section, "containerd", "runtimes"))
        if isinstance(runtimes, dict):
            runtimes.pop(handler, None)
    return document


def _leaves(document: Mapping[str, Any]) -> dict[KeyPath, Any]:
    return dict(_walk(document, ()))


def _walk(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _walk(inner, (*path, name))


def _is_equal(before: Any, after: Any) -> bool:
    """Compare as Go does: what is not said is the zero value (runc's options are listed only by default)."""
    return before == after or (not before and not after)


def _forget_own_name(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Leave out of `imports` that the candidate has another name than the file, or that there was no file.

    1.x prints the files it has read, itself among them, in no order (server/config/config.go, `LoadConfig`).
    2.x prints the patterns as they are written, plus its own /etc/containerd/conf.d/*.toml, read or not.
    """
    before, after = set(old.get("imports", ())), set(new.get("imports", ()))
    gone, come = sorted(before - after), sorted(after - before)
    is_renamed = len(gone) == 1 and posixpath.dirname(gone[0]) == posixpath.dirname(come[0]) if come else False
    if len(come) == 1 and (is_renamed or not before):
        before = after = set()
    old["imports"], new["imports"] = sorted(before), sorted(after)
