"""Reading an Ansible inventory by Ansible itself: nodeprov has no parser for it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeprov.cli.output import say
from nodeprov.errors import NodeprovError, UsageError, json_object
from nodeprov.hosts.local import run_program
from nodeprov.inventory import Inventory
from nodeprov.inventory.ansible import inventory_of, read_listing

PROGRAM = "ansible-inventory"
LIST_SECONDS = 120.0
"""An inventory may ask a cloud."""
_ENVIRONMENT = {
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",  # else a file that is none is an empty inventory
    "ANSIBLE_NOCOLOR": "true",
    "ANSIBLE_DEPRECATION_WARNINGS": "false",
}


def load_ansible(path: Path, environment: Mapping[str, str], options: Sequence[str]) -> Inventory:
    """Read an Ansible inventory, and print what of it is not taken over.

    What it may run is what Ansible runs: plugins and scripts of the inventory. Raises UsageError where
    ansible-inventory is not installed, does not read it, or hosts have faults.
    """
    if not path.exists():
        raise UsageError(f"cannot read the inventory {path}: No such file or directory", "is the name right?")
    if shutil.which(PROGRAM) is None:
        raise UsageError(
            f"{path} is an Ansible inventory, and {PROGRAM} is not installed here",
            "install it: pipx install ansible-core; or write an inventory of nodeprov: nodeprov init",
        )
    found, notes = inventory_of(
        read_listing(_listed(path), str(path)), str(path), environment=environment, options=options
    )
    for note in notes:
        say(f"{path}: {note}")
    return found


def _listed(path: Path) -> Mapping[str, object]:
    try:
        output = run_program(
            [PROGRAM, "-i", str(path), "--list"], environment=_ENVIRONMENT, timeout_seconds=LIST_SECONDS
        )
        if output.returncode != 0:
            raise NodeprovError(output.said)
        return json_object(output.text)
    except (NodeprovError, ValueError) as error:
        raise UsageError(
            f"{PROGRAM} cannot read it: {error}", f"try: {PROGRAM} -i {path} --list", where=str(path)
        ) from None
