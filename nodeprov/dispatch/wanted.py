"""What a cluster is to be like: the inventory, its lock and the images, as the ConfigMap has them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from nodeprov.dispatch.api import Api, Object
from nodeprov.dispatch.marks import DONE
from nodeprov.dispatch.views import NodeView
from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type
from nodeprov.in_cluster.pod import CONFIG_MAP
from nodeprov.in_cluster.pod import PodImages as Images
from nodeprov.in_cluster.settings import stand_ins, with_nodes
from nodeprov.inventory import Inventory, RolloutSettings, Settings
from nodeprov.inventory.selector import parse_selector

__all__ = [
    "INSTALL",
    "STAGE",
    "UNINSTALL",
    "DamagedError",
    "Images",
    "Members",
    "Wanted",
    "read_wanted",
    "whole_of",
    "wish_of",
]

INVENTORY, LOCK, RUN = "inventory.toml", "nodeprov.lock", "run.json"
INSTALL, UNINSTALL, STAGE = "install", "uninstall", "stage"
OS_LABEL = "kubernetes.io/os"
_ANY = "any-other-node"
"""Stands for a node that the inventory does not name."""
_RUN = re.compile("[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""A part of pods' names and the value of a label; with what pods' names have besides it still fits."""
_HINT = "write it again: nodeprov cluster install --engine-image NAME@DIGEST --release-image NAME@DIGEST"
_IN_CLUSTER = f"ConfigMap {CONFIG_MAP}, {INVENTORY}"
"""Where the faults of its inventory are: no file of this machine is meant."""


class DamagedError(NodeprovError):
    """What the cluster has is not as nodeprov writes it: by hand, say."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted in the cluster.

    Args:
        run: names this wish: nodes that failed are tried again under another one only.
        inventory, lock: the texts of the files.
        images: of the engine's pods.
        action: INSTALL; STAGE, to bring what an install needs; or UNINSTALL, for all nodes with a mark of ours.
        deadline_seconds: how long the pod of one node may take.
    """

    run: str
    inventory: str
    lock: str
    images: Images
    action: str = INSTALL
    deadline_seconds: int = 1800

    @classmethod
    def parse(cls, value: Object) -> Self:
        """Read a ConfigMap; raise DamagedError, with what to do, if it is none of ours."""
        try:
            data = value["data"]
            return cls._of(json.loads(data[RUN]), data[INVENTORY], data[LOCK])
        except MALFORMED_JSON as error:
            said = f"it is not as nodeprov writes it: {type(error).__name__}: {error}"
            raise DamagedError(said, _HINT, where=f"ConfigMap {CONFIG_MAP}") from None

    @classmethod
    def _of(cls, run: Mapping[str, Any], inventory: str, lock: str) -> Self:
        """Insist on each value: any other action than INSTALL would take nodeprov from all nodes."""
        name, engine, release = (of_type(str, run[each]) for each in ("run", "engine", "release"))
        secrets = tuple(of_type(str, each) for each in of_type(list, run.get("pullSecrets", [])))
        action = of_type(str, run.get("action", INSTALL))
        seconds = of_type(int, run.get("deadlineSeconds", 1800))
        if not _RUN.fullmatch(name):
            raise ValueError(f"run {name!r} is not the name of a run")
        if action not in (INSTALL, STAGE, UNINSTALL):
            raise ValueError(f"action {action!r} is none of {INSTALL}, {STAGE} and {UNINSTALL}")
        if seconds < 1:
            raise ValueError(f"deadlineSeconds is {seconds}")
        return cls(name, inventory, lock, Images(engine, release, secrets), action, seconds)

    def data(self) -> dict[str, str]:
        """Write the data of the ConfigMap."""
        run = {
            "run": self.run,
            "action": self.action,
            "engine": self.images.engine,
            "release": self.images.release,
            "pullSecrets": list(self.images.pull_secrets),
            "deadlineSeconds": self.deadline_seconds,
        }
        return {INVENTORY: self.inventory, LOCK: self.lock, RUN: json.dumps(run, indent=2) + "\n"}

    @cached_property
    def digest(self) -> str:
        """Name what is wanted of a node: a node on which that was done needs nothing more."""
        parts = (self.inventory, self.lock, self.images.engine, self.images.release)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def read_wanted(api: Api, namespace: str) -> Wanted | None:
    """Read what a cluster is to be like; None where nobody has said it. Raises NodeprovError, DamagedError."""
    value = api.find(f"/api/v1/namespaces/{namespace}/configmaps/{CONFIG_MAP}")
    return None if value is None else Wanted.parse(value)


def whole_of(
    text: str, path: str, environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Inventory:
    """Read an inventory that need not name any node: it has one that stands for all others."""
    return with_nodes(text, path, [_ANY], environment, options)


class Members:
    """The nodes of a cluster as the inventory means them: which are chosen, and the settings of each.

    Attributes:
        cluster, rollout: what is one for all nodes.
        proof_namespaces: where pods prove nodes.
        empties: whether pods are to leave nodes, or to end there, before a restart.
        evicts: whether pods may be evicted for it.
    """

    def __init__(self, wanted: Wanted) -> None:
        """Read the inventory; raise UsageError for its faults."""
        self._text = wanted.inventory
        whole = whole_of(self._text, _IN_CLUSTER)
        self._settings = {node.name: node.settings for node in whole.nodes}
        self._named = self._settings.keys() - {_ANY}
        self._machines = {host.name for host in whole.hosts} - self._named
        self.learn(stand_ins(self._text, _IN_CLUSTER))
        self.cluster = whole.nodes[0].settings.cluster
        self.rollout: RolloutSettings = whole.nodes[0].settings.rollout
        self.proof_namespaces = frozenset(each.proof.namespace for each in self._settings.values())
        waits = self.rollout.wait_for is not None
        self.empties = self.rollout.drain or waits
        self.evicts = self.rollout.drain or (waits and self.rollout.wait_then == "evict")
        self._selector = parse_selector(self.cluster.select) if self.cluster.select else None

    @property
    def of_unnamed(self) -> Settings:
        """The settings of a node of which nothing is known but that there is one."""
        return self._settings[_ANY]

    @property
    def every(self) -> tuple[Settings, ...]:
        """All settings that nodes may have: named ones, any other, and one like each glob of a group."""
        return tuple(self._settings.values())

    def learn(self, names: Iterable[str]) -> None:
        """Read the settings of some nodes at once: ten thousand times one by one takes minutes."""
        if missing := [name for name in names if name not in self._settings]:
            whole = with_nodes(self._text, _IN_CLUSTER, missing)
            self._settings |= {node.name: node.settings for node in whole.nodes}

    def settings(self, name: str) -> Settings:
        """Return the settings of a node, also of one that the inventory does not name."""
        self.learn((name,))
        return self._settings[name]

    def chooses(self, node: NodeView) -> bool:
        """Tell whether the engine in the cluster is to install on a node: by its labels, else by its name.

        What the inventory has under [hosts] is a machine on which nothing is installed, whatever its labels are.
        """
        if node.labels.get(OS_LABEL, "linux") != "linux" or node.name in self._machines:
            return False
        return node.name in self._named if self._selector is None else self._selector.fits(node.labels)


def wish_of(node: NodeView, wanted: Wanted, members: Members) -> str:
    """Return what is to be done on a node: INSTALL, STAGE, UNINSTALL or "" for nothing.

    By what a node carries it is known that we were there, whatever is chosen today. A node that has failed in
    this run is left alone until there is another one.
    """
    action = wanted.action if wanted.action != UNINSTALL and members.chooses(node) else UNINSTALL
    if action == UNINSTALL and not node.is_ours:
        return ""
    if node.claim:
        return action
    if wanted.action == STAGE and action == UNINSTALL:
        return ""  # that is for the install
    marks = [each for each in (node.last, node.staged) if each is not None]
    if any(each.run == wanted.run and each.result != DONE and each.action == action for each in marks):
        return ""
    enough = (INSTALL, STAGE) if action == STAGE else (INSTALL,)
    is_as_wanted = any(
        each.action in enough and (each.result, each.want, each.machine) == (DONE, wanted.digest, node.machine)
        for each in marks
    )
    return "" if action != UNINSTALL and is_as_wanted else action
