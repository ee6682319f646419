"""What a cluster has of the policies, and what it can have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import taking_json_apart
from nodeprov.hosts.base import Output, Reader
from nodeprov.kubernetes.kubectl import Kubectl, insist_on_answer
from nodeprov.kubernetes.policy.names import DENY_ALL
from nodeprov.kubernetes.policy.objects import ADMISSION, MUTATING, VALIDATING
from nodeprov.kubernetes.policy.resources import managed_labels, namespace_state
from nodeprov.states import ObjectState

KINDS = (VALIDATING, f"{VALIDATING}Binding", MUTATING, f"{MUTATING}Binding")


@dataclass(frozen=True, slots=True)
class Found:
    """What a cluster has.

    Args:
        kinds: those of KINDS that its API has in the version that is needed.
        handler: where the RuntimeClass leads; None if it is not there.
        objects: all admission policies and their bindings, and the NetworkPolicies of our name.
        labels: the labels of each namespace.
        managed: the labels of each namespace that our field manager owns.
        namespaces: the labels that are ours, as the state of their resource.
        kubectl: how the cluster was asked.
    """

    kinds: frozenset[str]
    handler: str | None
    objects: tuple[Mapping[str, Any], ...]
    labels: Mapping[str, Mapping[str, str]]
    managed: Mapping[str, frozenset[str]]
    namespaces: Mapping[str, ObjectState | None]
    kubectl: Kubectl

    def typed(self, *arguments: str) -> str:
        """Write a call as a person would type it."""
        return self.kubectl.typed(*arguments)

    def has_part(self, part: str) -> bool:
        """Tell whether a part was applied before."""
        return any(each["metadata"]["name"] == f"nodeprov-sandbox-{part}" for each in self.objects)


@dataclass(frozen=True, slots=True)
class JsonQuery:
    """Ask kubectl for JSON; None where it prints nothing."""

    kubectl: Kubectl
    arguments: tuple[str, ...]

    @property
    def script(self) -> str:
        """Print it."""
        return self.kubectl.line(*self.arguments)

    def parse(self, output: Output) -> Any:
        """Understand what kubectl printed."""
        insist_on_answer(self.kubectl, output)
        with taking_json_apart():
            return json.loads(output.text.strip() or "null")


def read(host: Reader, kubectl: Kubectl, runtime_class: str) -> Found:
    """Ask a cluster, in two round trips: kinds that it has not would be an error for kubectl."""
    first = (
        ("get", "--raw", f"/apis/{ADMISSION}"),
        ("get", "runtimeclass", runtime_class, "-o", "json", "--ignore-not-found"),
        ("get", "namespaces", "-o", "json", "--show-managed-fields"),
    )
    named = ("get", "networkpolicies", "-A", f"--field-selector=metadata.name={DENY_ALL}", "-o", "json")
    api, found, namespaces = host.ask([JsonQuery(kubectl, each) for each in first])
    with taking_json_apart():
        there = {each["kind"] for each in api["resources"]}
        kinds = [each for each in KINDS if each in there]
        calls = [*(("get", each, "-o", "json") for each in kinds), named]
        lists = host.ask([JsonQuery(kubectl, each) for each in calls])
        metadata = {each["metadata"]["name"]: each["metadata"] for each in namespaces["items"]}
        return Found(
            frozenset(kinds),
            found and str(found["handler"]),
            tuple(each for some in lists for each in some["items"]),
            {name: each.get("labels") or {} for name, each in metadata.items()},
            {name: frozenset(managed_labels(each)) for name, each in metadata.items()},
            {each["metadata"]["name"]: namespace_state(each) for each in namespaces["items"]},
            kubectl,
        )
