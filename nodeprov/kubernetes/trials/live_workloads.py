"""The workloads of a cluster: what makes pods, and pods that nothing makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, taking_json_apart
from nodeprov.hosts.at_once import at_once
from nodeprov.hosts.base import Reader
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.kubectl import Kubectl, is_forbidden, kubectl
from nodeprov.kubernetes.pages import WORKLOADS, Kind, objects
from nodeprov.workloads.pods import Workload, workloads_of

KINDS = {each.name: each.resource for each in WORKLOADS}
"""The kinds that are read, as kubectl names them."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a cluster: `errors` are of kinds that could not be."""

    workloads: tuple[Workload, ...]
    errors: tuple[NodeprovError, ...]


def read_workloads(reader: Reader, settings: ClusterSettings, namespace: str = "") -> Read:
    """Read workloads, of a namespace or of all with "", without those that others make.

    Raises NodeprovError if no kind can be read, or there are none.
    """
    call, place = kubectl(settings), f"namespace {namespace}" if namespace else "the cluster"
    answers = at_once(lambda each: _of_kind(reader, call, each, namespace), WORKLOADS)
    errors = {kind: each for kind, each in zip(WORKLOADS, answers, strict=True) if isinstance(each, NodeprovError)}
    for each in answers:
        if isinstance(each, Exception) and not isinstance(each, NodeprovError):
            raise each
    if len(errors) == len(WORKLOADS):
        first = errors[WORKLOADS[0]]
        raise NodeprovError(f"the workloads of {place} cannot be read: {first.message}", first.hint)
    found = tuple(one for each in answers if not isinstance(each, Exception) for one in each)
    if not found and not errors:
        raise NodeprovError(f"there are no workloads in {place}", "kubectl get namespaces")
    return Read(found, tuple(_unread(kind, error, call, namespace) for kind, error in errors.items()))


def _of_kind(reader: Reader, call: Kubectl, kind: Kind, namespace: str) -> list[Workload]:
    """Read those of a kind; of a page only they are kept, and of them no status: a cluster may be large."""
    found: list[Workload] = []
    for item in objects(reader, call, kind, namespace):
        with taking_json_apart():
            if not _is_made_by_another(item):
                item.pop("status", None)
                found += workloads_of([item])
    return found


def _unread(kind: Kind, error: NodeprovError, call: Kubectl, namespace: str) -> NodeprovError:
    where = ("-n", namespace) if namespace else ("-A",)
    asked = call.typed("auth", "can-i", "list", kind.resource, *where)
    hint = f"whether you may list them: {asked}" if is_forbidden(error.message) else error.hint
    return NodeprovError(f"{kind.resource} are not checked: {error.message}", hint)


def _is_made_by_another(item: Mapping[str, Any]) -> bool:
    """Tell whether something that is read too makes it, whose template it has: of most pods that is so."""
    owners = item["metadata"].get("ownerReferences") or ()
    return any(each["kind"] in KINDS and each.get("controller") is True for each in owners)
