"""Objects are given to a cluster, after it was asked what that would change; and taken back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nodeprov.dispatch.actor import proof_class
from nodeprov.dispatch.api import Api, ApiError, Object
from nodeprov.dispatch.objects import path_of, title
from nodeprov.inventory import Settings
from nodeprov.kubernetes.runtime_class import MANAGED_BY

Verb = Literal["create", "change", "keep", "delete"]
MANAGER = "nodeprov"
_NEWS = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be done with an object."""

    verb: Verb
    value: Object

    @property
    def title(self) -> str:
        """The kind and name of the object."""
        return title(self.value)


def plan(api: Api, values: Sequence[Object]) -> list[Planned]:
    """Ask the cluster what each object would be there; nothing is changed (a dry run of the server)."""
    return [Planned(_verb(api, each), each) for each in values]


def plan_removal(api: Api, values: Sequence[Object]) -> list[Planned]:
    """Find those of some objects that are there, to be deleted."""
    return [Planned("delete", each) for each in values if api.find(path_of(each)) is not None]


def unused_classes(api: Api, every: Iterable[Settings]) -> list[Object]:
    """Find the RuntimeClasses that nodeprov has made and that lead to no node any more."""
    found: dict[str, Object] = {}
    for each in every:
        selector = f"{each.label.key}={each.label.value}"
        if api.get("/api/v1/nodes", labelSelector=selector, limit="1")["items"]:
            continue
        for name in (each.runtime_class.name, proof_class(each)):
            value = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}}
            live = api.find(path_of(value)) if name not in found else None
            if live and MANAGED_BY.items() <= (live["metadata"].get("labels") or {}).items():
                found[name] = value
    return list(found.values())


def _verb(api: Api, value: Object) -> Verb:
    path = path_of(value)
    live = api.find(path)
    if live is None:
        return "create"
    return "keep" if _comparable(_applied(api, value, dryRun="All")) == _comparable(live) else "change"


def _comparable(value: Object) -> dict[str, Any]:
    metadata = {key: each for key, each in value["metadata"].items() if key not in _NEWS}
    return {**value, "metadata": metadata, "status": None}


def apply(api: Api, planned: Sequence[Planned]) -> Iterator[Planned]:
    """Carry a plan out; yield each object that was created or changed."""
    for each in planned:
        if each.verb in ("create", "change"):
            _applied(api, each.value)
            yield each


def _applied(api: Api, value: Object, **parameters: str) -> Object:
    path = path_of(value)
    return api.patch(path, value, "apply-patch", fieldManager=MANAGER, force="true", **parameters)


def remove(api: Api, values: Sequence[Object]) -> Iterator[Planned]:
    """Delete objects, the last first; yield each that was there."""
    for each in reversed(values):
        try:
            was_there = api.delete(path_of(each), propagationPolicy="Background")
        except ApiError as error:
            if error.status != 409:  # it is being deleted already
                raise
            was_there = True
        if was_there:
            yield Planned("delete", each)
