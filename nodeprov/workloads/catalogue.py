"""The catalogue of what a workload meets in the sandbox: data, in behaviours.toml."""

import functools
import tomllib
from dataclasses import dataclass
from dataclasses import field as value
from enum import Enum
from pathlib import Path
from typing import Any

from nodeprov.workloads.probes import CGROUP_V2, Probe

DATA = Path(__file__).with_name("behaviours.toml")


class Effect(Enum):
    """What becomes of a workload that meets a behaviour; the worst first."""

    REFUSED = "refused"
    """It does not start, and something says so."""
    FAILS = "fails"
    """It starts, and what it asks for does not work."""
    SILENT = "silent"
    """It starts, and something works differently, without a message."""


class By(Enum):
    """Who does what leads to a behaviour."""

    MANIFEST = "manifest"
    """The manifest asks for it: `nodeprov check` sees that."""
    PROGRAM = "program"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that is otherwise in the sandbox.

    Attributes:
        id: its name, which stays.
        effect: how bad it is.
        title: what it concerns.
        field: what of a pod's manifest makes it meet this, or what a program or a person uses.
        runc: what a pod gets without the sandbox.
        sandbox: what it gets in it.
        cure: what to change, if anything helps.
        cgroup_v2: what of all this is otherwise on nodes with cgroup v2; "" for nothing that is known.
        by: who does what leads to it.
        probe: how it is told on a node.
        unprobed: why it is not, where there is no probe.
    """

    id: str
    effect: Effect
    title: str
    field: str
    runc: str
    sandbox: str
    cure: str
    by: By = By.MANIFEST
    probe: Probe | None = value(default=None, hash=False)
    unprobed: str = ""
    cgroup_v2: str = ""


@functools.cache
def _data() -> dict[str, Any]:
    return tomllib.loads(DATA.read_text())


def seen_with() -> str:
    """Say with which versions all of it was seen."""
    return str(_data()["seen_with"])


def recorded_releases(cgroup_version: int = 1) -> tuple[str, ...]:
    """Name the releases whose answers on nodes with this version of cgroups are recorded, the latest last."""
    return tuple(_data()["recorded_on_cgroup_v2" if cgroup_version >= CGROUP_V2 else "recorded"])


@functools.cache
def catalogue() -> dict[str, Behaviour]:
    """Read the catalogue: by the names of its behaviours, in the order of the file."""
    return {name: _behaviour(name, table) for name, table in _data().items() if isinstance(table, dict)}


def _behaviour(name: str, table: dict[str, Any]) -> Behaviour:
    read = {"effect": Effect(table["effect"]), "by": By(table.get("by", By.MANIFEST.value))}
    probe = {"probe": Probe(**table["probe"])} if "probe" in table else {}
    return Behaviour(id=name, **{**table, **read, **probe})
