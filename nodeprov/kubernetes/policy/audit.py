"""Who would be refused if a namespace were enforced today: by the rules of the policy, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import UsageError, taking_json_apart
from nodeprov.hosts.at_once import at_once
from nodeprov.hosts.base import Reader
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.pages import WORKLOADS, objects
from nodeprov.kubernetes.policy.cluster import JsonQuery
from nodeprov.kubernetes.policy.names import REASON
from nodeprov.kubernetes.policy.objects import Sandboxes
from nodeprov.kubernetes.policy.rules import SANDBOX
from nodeprov.workloads import pods
from nodeprov.workloads.catalogue import Behaviour, Effect
from nodeprov.workloads.meets import met

MIRROR = "kubernetes.io/config.mirror"
ENDED = ("Succeeded", "Failed")
SYSTEM = "kube-"
"""What the namespaces of the cluster itself begin with: they are audited only by name."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a workload breaks, what the API server would say of it, and where it does."""

    rule: str
    said: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes pods, or a pod that nothing makes again.

    `reason` is why it is to run without a sandbox, if it says so: it is admitted then, if whoever writes it may.
    `met` is what a sandbox does otherwise for what it uses, as far as its object shows.
    """

    namespace: str
    kind: str
    name: str
    broken: tuple[Broken, ...]
    reason: str = ""
    met: tuple[Behaviour, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Tell whether its pods would be refused."""
        return bool(self.broken) and not self.reason


@dataclass(frozen=True, slots=True)
class Audited:
    """What was looked at: `handler` is where the RuntimeClass leads, None if it is not there."""

    namespaces: tuple[str, ...]
    workloads: tuple[Workload, ...]
    handler: str | None

    @property
    def refused(self) -> tuple[Workload, ...]:
        """Return those whose pods would be refused."""
        return tuple(each for each in self.workloads if each.is_refused)


def audit(host: Reader, kubectl: Kubectl, given: Sandboxes, namespaces: Sequence[str]) -> Audited:
    """Look at today's pods and at the templates of their controllers; no namespace is all but the cluster's own.

    Raises UsageError for a namespace that is not there.
    """
    where = namespaces[0] if len(namespaces) == 1 else ""
    calls = (
        ("get", "namespaces", "-o", "json"),
        ("get", "runtimeclass", given.runtime_class, "-o", "json", "--ignore-not-found"),
    )
    found, runtime_class = host.ask([JsonQuery(kubectl, each) for each in calls])
    items: list[dict[str, Any]] = []
    for answer in at_once(lambda kind: [*objects(host, kubectl, kind, where)], WORKLOADS):
        if isinstance(answer, Exception):
            raise answer
        items += answer
    with taking_json_apart():
        names = [each["metadata"]["name"] for each in found["items"]]
        for each in namespaces:
            if each not in names:
                raise UsageError(f"there is no namespace {each}", kubectl.typed("get", "namespaces"))
        meant = namespaces or [each for each in names if not each.startswith(SYSTEM)]
        some = [each for each in items if each["metadata"]["namespace"] in meant]
        handler = runtime_class and str(runtime_class["handler"])
        return Audited(tuple(meant), tuple(workloads(some, given)), handler)


def workloads(items: Iterable[Mapping[str, Any]], given: Sandboxes) -> Iterator[Workload]:
    """Put pods to what makes them, and hold the rules against both: sidecars are in the pods alone."""
    known = {_key(each): each for each in items}
    merged: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for key, item in known.items():
        if not _is_over(item):
            merged.setdefault(_maker(key, known), []).append(_template(item))
    behaviours = _met(known[key] for key in merged)
    for (namespace, kind, name), templates in sorted(merged.items()):
        reasons = [_annotations(each).get(REASON, "") for each in templates]
        broken, reason = tuple(_broken(templates, given)), next(filter(None, reasons), "")
        found = () if reason else behaviours.get((namespace, kind, name), ())
        yield Workload(namespace, kind, name, broken, reason, found)


def _met(items: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], tuple[Behaviour, ...]]:
    """Find what objects meet in a sandbox, the worst first."""
    return {
        (each.namespace, each.kind, each.name): tuple(dict.fromkeys(found.behaviour for found in met(each)))
        for each in pods.workloads_of(items)
    }


def _annotations(item: Mapping[str, Any]) -> Mapping[str, str]:
    return (item.get("metadata") or {}).get("annotations") or {}


def _key(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return item["metadata"]["namespace"], item["kind"], item["metadata"]["name"]


def _maker(
    key: tuple[str, str, str], known: Mapping[tuple[str, str, str], Mapping[str, Any]]
) -> tuple[str, str, str]:
    """Follow the controllers of an object up to the last one that is known."""
    seen = [key]
    while above := _controller(seen[-1], known):
        if above in seen:  # whoever may write them may let each be the other's
            break
        seen.append(above)
    return seen[-1]


def _controller(
    key: tuple[str, str, str], known: Mapping[tuple[str, str, str], Mapping[str, Any]]
) -> tuple[str, str, str] | None:
    owners = known[key]["metadata"].get("ownerReferences") or ()
    above = ((key[0], each["kind"], each["name"]) for each in owners if each.get("controller"))
    return next((each for each in above if each in known), None)


def _is_over(item: Mapping[str, Any]) -> bool:
    """Tell whether nothing will be made of it: a pod or a Job that has ended, a mirror, an older ReplicaSet."""
    if item["kind"] == "Pod":
        return MIRROR in _annotations(item) or (item.get("status") or {}).get("phase") in ENDED
    is_owned = any(each.get("controller") for each in item["metadata"].get("ownerReferences") or ())
    if item["kind"] == "ReplicaSet":
        return is_owned and not item["spec"].get("replicas")
    ended = {"type": ("Complete", "Failed"), "status": ("True",)}
    conditions = (item.get("status") or {}).get("conditions") or ()
    return item["kind"] == "Job" and any(
        all(each.get(name) in values for name, values in ended.items()) for each in conditions
    )


def _template(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what pods are made of: a pod's own metadata and spec, or those of a template."""
    if item["kind"] == "Pod":
        return item
    spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
    template: Mapping[str, Any] = spec.get("template") or {"spec": {}}
    return template


def _broken(templates: Sequence[Mapping[str, Any]], given: Sandboxes) -> Iterator[Broken]:
    specs = [each.get("spec") or {} for each in templates]
    others = {spec.get("runtimeClassName") or "" for spec in specs} - {given.runtime_class}
    if others:
        where = tuple(f"runtimeClassName: {each or 'none'}" for each in sorted(others))
        yield Broken(SANDBOX, f"it must run in a sandbox: set runtimeClassName: {given.runtime_class}", where)
    for rule in given.rules:
        if where := tuple(dict.fromkeys(place for spec in specs for place in rule.breaks(spec))):
            yield Broken(rule.name, rule.said, where)


def to_json(found: Audited) -> dict[str, Any]:
    """Write what was found as plain values; docs/json.md describes them."""
    return {
        "namespaces": list(found.namespaces),
        "handler": found.handler,
        "workloads": [
            {
                "namespace": each.namespace,
                "kind": each.kind,
                "name": each.name,
                "result": "refused" if each.is_refused else "exempt" if each.reason else "admitted",
                "reason": each.reason,
                "broken": [{"rule": b.rule, "said": b.said, "where": list(b.where)} for b in each.broken],
                "met": [{"id": one.id, "effect": one.effect.value, "title": one.title} for one in each.met],
            }
            for each in found.workloads
        ],
    }


def to_text(found: Audited) -> str:
    """Write for people who would be refused, by which rule and where, and what the others meet in a sandbox."""
    lines = []
    for each in found.workloads:
        if said := [*_refusal(each), *_differences(each)]:
            lines += [f"{each.namespace}: {each.kind} {each.name}: {said[0].lstrip()}", *said[1:]]
    count = len(found.workloads)
    lines.append(
        f"{len(found.refused)} of {count} workload{'' if count == 1 else 's'} in "
        f"{len(found.namespaces)} namespace{'' if len(found.namespaces) == 1 else 's'} would be refused"
    )
    return "\n".join(lines)


def _refusal(workload: Workload) -> Iterator[str]:
    if workload.is_refused:
        yield "its pods would be refused"
    elif workload.reason:
        yield f"breaks the glass: {workload.reason}"
    for each in workload.broken:
        yield f"  rule {each.rule}: {each.said} ({', '.join(each.where)})"


def _differences(workload: Workload) -> Iterator[str]:
    """Name what it meets in a sandbox, a line for each effect."""
    for effect in Effect:
        if names := [each.id for each in workload.met if each.effect is effect]:
            yield f"  in a sandbox {_OF_EFFECT[effect]}: {', '.join(names)}"


_OF_EFFECT = {
    Effect.REFUSED: "it does not start",
    Effect.FAILS: "this does not work",
    Effect.SILENT: "this works differently, without a message",
}
