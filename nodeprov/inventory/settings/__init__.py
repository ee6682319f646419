"""The settings: every key that an inventory may have, with its type, default, meaning, rule and variable."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeprov.inventory.schema import settings_of
from nodeprov.inventory.settings.node import ContainerdSettings as ContainerdSettings
from nodeprov.inventory.settings.node import Paths as Paths
from nodeprov.inventory.settings.node import ProofSettings as ProofSettings
from nodeprov.inventory.settings.reach import ClusterSettings as ClusterSettings
from nodeprov.inventory.settings.reach import Members as Members
from nodeprov.inventory.settings.reach import NodeLabels as NodeLabels
from nodeprov.inventory.settings.reach import Ssh as Ssh
from nodeprov.inventory.settings.rollout import RolloutSettings as RolloutSettings
from nodeprov.inventory.settings.runtime import HandlerSettings as HandlerSettings
from nodeprov.inventory.settings.runtime import Label as Label
from nodeprov.inventory.settings.runtime import ReleaseSettings as ReleaseSettings
from nodeprov.inventory.settings.runtime import RuntimeClassSettings as RuntimeClassSettings
from nodeprov.inventory.settings.runtime import RuntimeSettings as RuntimeSettings
from nodeprov.inventory.settings.trust import TrustSettings as TrustSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is wanted on a node; a field is a table of the inventory."""

    release: ReleaseSettings
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    paths: Paths = field(default_factory=Paths)
    containerd: ContainerdSettings = field(default_factory=ContainerdSettings)
    label: Label = field(default_factory=Label)
    runtime_class: RuntimeClassSettings = field(default_factory=RuntimeClassSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    proof: ProofSettings = field(default_factory=ProofSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)


PREFIX = "NODEPROV_"
TABLES: Mapping[str, type] = {"ssh": Ssh, **typing.get_type_hints(Settings)}
"""Every table of settings, by its name in the file."""
OF_ALL_TABLES = ("cluster", "rollout", "trust")
"""The tables that are one for all nodes."""
NODE_TABLES = tuple(name for name in TABLES if name not in ("ssh", *OF_ALL_TABLES))
"""The tables that a node or group may have of its own; its keys of ssh stand in its own table."""
HANDLER_TABLES = ("release", "label", "runtime_class")
"""The tables that a handler of [handlers] may have of its own; its keys of [runtime] stand in its own table."""


def variable(table: str, key: str) -> str:
    """Name the environment variable of a key."""
    return f"{PREFIX}{table}_{key}".upper()


def keys_of(table: str) -> list[str]:
    """List the keys of a table."""
    return list(settings_of(TABLES[table]))
