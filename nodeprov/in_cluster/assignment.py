"""What a pod on a node is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from nodeprov.errors import UsageError

ACTIONS = ("install", "uninstall", "stage")
"""What may be asked for; `stage` is the part of an install that restarts nothing."""
_VARIABLES = {
    "run": "NODEPROV_RUN",
    "action": "NODEPROV_ACTION",
    "node": "NODEPROV_NODE",
    "node_uid": "NODEPROV_NODE_UID",
    "machine_id": "NODEPROV_MACHINE_ID",
}
_MAY_LACK = _VARIABLES["machine_id"]
"""A machine without /etc/machine-id reports none."""
_HINT = "such pods are made by nodeprov: nodeprov cluster run"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One action on one node.

    Args:
        run: the run that it is a part of.
        action: one of ACTIONS.
        node: the name of the Node object.
        node_uid: its UID: a node that was made anew under the same name has another.
        machine_id: what it reports as `status.nodeInfo.machineID`.
    """

    run: str
    action: str
    node: str
    node_uid: str
    machine_id: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read it as the pod is given it; raise UsageError, naming each variable that is missing."""
        if missing := [name for name in _VARIABLES.values() if not environment.get(name) and name != _MAY_LACK]:
            raise UsageError(f"not set: {', '.join(missing)}", _HINT)
        found = cls(**{field: environment.get(name, "") for field, name in _VARIABLES.items()})
        if found.action not in ACTIONS:
            raise UsageError(f"{_VARIABLES['action']} is {found.action!r}, not {' or '.join(ACTIONS)}", _HINT)
        return found

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the pod is given."""
        return {name: getattr(self, field) for field, name in _VARIABLES.items()}
