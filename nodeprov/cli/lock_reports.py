"""What `nodeprov lock --check` and `--diff` say: how a lock differs from what is wanted, and from another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli.main import DONE, PENDING
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import NodeprovError
from nodeprov.inventory.locked import is_meant
from nodeprov.releases.lock_diff import build_changes, changes_json, changes_text
from nodeprov.releases.lock_text import lock_json
from nodeprov.releases.locking import moved, origin_differs
from nodeprov.releases.obtain import obtain
from nodeprov.releases.source import normal_base_url
from nodeprov.runtimes import FAMILY

if TYPE_CHECKING:
    from nodeprov.cli.lock_asking import Asking
    from nodeprov.cli.locking import FoundLock
    from nodeprov.releases.lock import Lock
    from nodeprov.runtimes.family import Traits


def check(asking: Asking, found: FoundLock, require: str | None, *, as_json: bool) -> NoReturn:
    """Compare, show what differs, and end the process."""
    lock, source = found.lock, asking.source()
    said = [
        f"the inventory wants {each}, and the lock has {lock.release}"
        for each in asking.versions()
        if not is_meant(each, lock.release)
    ]
    if (base_url := normal_base_url(source.base_url)) != lock.origin:
        said.append(f"the inventory has the origin {base_url}, and the lock {lock.origin}")
    said += origin_differs(source, lock)
    said += [
        text for each in asking.versions() if is_meant(each, lock.release) for text in moved(source, lock, each)
    ]
    said += [
        f"there is no evidence as strong as {require} for {each}" for each in lock.lacking(require or "origin")
    ]
    if as_json:
        show_json({"lock": lock_json(lock), "path": str(found.path), "signer": found.signer, "differences": said})
    else:
        show_text(
            "\n".join(said) or f"{found.path}: {lock.release}, as the inventory wants it and the origin serves it"
        )
    if said:
        say("next: nodeprov lock --diff, then nodeprov lock")
    raise typer.Exit(PENDING if said else DONE)


def diff(asking: Asking, lock: Lock, release: str, *, as_json: bool) -> None:
    """Show what another release changes."""
    after = asking.made(None, release, sorted(lock.builds), ())
    changes = build_changes(lock, after)
    traits = _traits_json(*(_traits(asking, each) for each in (lock, after)))
    if as_json:
        show_json({"before": lock.release, "after": after.release, "builds": changes_json(changes), **traits})
        return
    show_text("\n".join([f"{lock.release} -> {after.release}", *changes_text(changes), *_traits_text(traits)]))


def _traits(asking: Asking, lock: Lock) -> Traits | None:
    """Ask the first of the programs that answers on this machine; None where none can be had."""
    found = None
    for architecture, build in lock.builds.items():
        source = replace(asking.source(), pins=build.pins)
        try:
            found = FAMILY.traits(obtain(source, lock.release, architecture))
        except NodeprovError as error:
            say(f"{lock.release} cannot be asked for its flags: {error.message}")
            continue
        if found.flags is not None:
            return found
    return found


def _traits_json(before: Traits | None, after: Traits | None) -> dict[str, Any]:
    """Write what came and went as plain values; what cannot be asked is null."""
    sides = (before, after)
    specs = [each.spec or None if each else None for each in sides]
    flags = [each.flags if each else None for each in sides]
    limits = [each.limits if each else () for each in sides]
    both = None if flags[0] is None or flags[1] is None else (flags[0], flags[1])
    return {
        "spec": {"before": specs[0], "after": specs[1]},
        "flags": {"added": sorted(both[1] - both[0]), "removed": sorted(both[0] - both[1])} if both else None,
        "limits": {
            "added": [each for each in limits[1] if each not in limits[0]],
            "removed": [each for each in limits[0] if each not in limits[1]],
        },
    }


def _traits_text(traits: Mapping[str, Any]) -> Iterator[str]:
    spec, flags = traits["spec"], traits["flags"]
    before, after = (spec[side] or "not known" for side in ("before", "after"))
    yield f"spec: {before} -> {after}" if before != after else f"spec: {after}"
    if flags is None:
        yield f"flags: not known, {FAMILY.program} of one of the two does not answer on this machine"
    else:
        yield from (f"+ flag --{name}" for name in flags["added"])
        yield from (f"- flag --{name}" for name in flags["removed"])
        if not flags["added"] and not flags["removed"]:
            yield "flags: the same"
    yield from (f"+ {each}" for each in traits["limits"]["added"])
    yield from (f"- {each}" for each in traits["limits"]["removed"])
