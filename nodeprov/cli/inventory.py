"""`nodeprov inventory`, and the inventory of any command: named, or found from the working directory upwards."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nodeprov.cli import option_groups as groups
from nodeprov.cli import options
from nodeprov.cli.output import say, show_json, show_text
from nodeprov.errors import UsageError
from nodeprov.local_files import expanded, read_bounded

if TYPE_CHECKING:
    from nodeprov.inventory import Inventory, TrustSettings

NAMES = ("nodeprov.toml", "inventory.toml")
VARIABLE = "NODEPROV_INVENTORY"
ANSIBLE = (".ini", ".yml", ".yaml")
"""So end the names of Ansible's inventories."""


class NoInventory(UsageError):
    """None is named, and none is found."""


@dataclass(frozen=True, slots=True)
class Found:
    """An inventory's path, and how it was found; "" if it was named on the command line."""

    path: Path
    by: str = ""


def load(named: Path | None, sets: Sequence[str] | None) -> Inventory:
    """Find and read the inventory, with what is laid over it; print which one it is, unless it was named."""
    found = find(named, os.environ, Path.cwd())
    if found.by:
        say(f"inventory: {found.path} ({found.by})")
    return _loaded(found, sets or ())


def _loaded(found: Found, sets: Sequence[str]) -> Inventory:
    from nodeprov.inventory import parse  # names can be completed without it
    from nodeprov.inventory.locked import with_trust_below

    if is_ansible(found.path):
        from nodeprov.cli.ansible import load_ansible

        whole = load_ansible(found.path, os.environ, sets)
    else:
        whole = parse(read(found), str(found.path), environment=os.environ, options=sets)
    return with_trust_below(whole, found.path if found.path.is_dir() else found.path.parent)


def trust_found(named: Path | None, environment: Mapping[str, str]) -> TrustSettings | None:
    """Read whom the inventory trusts; None where there is no inventory, and none is named.

    Raises UsageError for one that cannot be read: it may say who has to sign.
    """
    try:
        found = find(named, environment, Path.cwd())
    except NoInventory:
        return None
    return _loaded(found, ()).nodes[0].settings.trust


def is_ansible(path: Path) -> bool:
    """Tell whether an inventory is Ansible's, by its name: .ini, .yml, .yaml or `hosts`; or a folder with one."""
    if path.is_dir():
        return any(not each.is_dir() and is_ansible(each) for each in path.iterdir())
    return path.suffix in ANSIBLE or path.name == "hosts"


def find(named: Path | None, environment: Mapping[str, str], folder: Path) -> Found:
    """Find the inventory: the one that is named, the environment's, or the nearest one from a folder upwards.

    Raises UsageError when there is none, and for one that another user could have put there: an inventory names
    programs that run as the operator.
    """
    if named is not None:
        return Found(named)
    if said := environment.get(VARIABLE):
        return Found(expanded(said), f"{VARIABLE} is set")
    for path in (each / name for each in (folder, *folder.parents) for name in NAMES):
        if path.is_file():
            _refuse_others(path)
            return Found(path, f"the nearest {path.name} from {folder} upwards")
    raise NoInventory(
        f"no inventory: neither {' nor '.join(NAMES)} is in {folder} or above it",
        f"name one: --inventory FILE (or {VARIABLE}=FILE), or write one: nodeprov init",
    )


def _refuse_others(path: Path) -> None:
    owner = path.stat().st_uid
    if owner not in (0, os.geteuid()):
        raise UsageError(
            f"the inventory {path} belongs to another user (uid {owner})",
            f"read it, and if it is right, name it: --inventory {shlex.quote(str(path))}",
        )


def read(found: Found) -> str:
    """Read an inventory's text; raise UsageError if that is not possible."""
    hint = f"{found.by}: correct or unset it" if found.by else "is the name right? --inventory FILE"
    return read_bounded(found.path, "inventory", hint)


@options.command(
    "nodeprov inventory worker1",
    "nodeprov inventory -l zone=a",
    "nodeprov inventory --set release.version=20260905.0 --json",
    codes="0: the inventory is valid, 2: it is not",
)
def inventory(
    *,
    which: groups.WhichNodesToRead,
    inventory: options.Inventory = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    _quiet: options.Quiet = False,
    _verbose: options.Verbose = 0,
    _no_color: options.NoColor = False,
) -> None:
    """Show the settings of each node, and where each comes from. Nothing is connected to."""
    from nodeprov.cli.locking import lock_path
    from nodeprov.inventory.explanation import explanation_json, explanation_text
    from nodeprov.redaction import without_userinfo

    whole = load(inventory, sets)
    if (path := lock_path(whole, None)[0]).exists():
        say(f"lock: {path}: plan and install use the release and the digests that it names")
    chosen = which.selection.of(whole, lambda: None)
    if as_json:
        show_json(explanation_json(whole, chosen))
    else:
        show_text(without_userinfo(explanation_text(whole, chosen)))
