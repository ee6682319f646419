"""What is to be there of the policies, and the changes in a cluster that lead there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from nodeprov.errors import Problem, Problems
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.policy import objects
from nodeprov.kubernetes.policy.cluster import Found
from nodeprov.kubernetes.policy.names import AUDIT, DEFAULT, LABEL, POD_SECURITY, REQUIRED
from nodeprov.kubernetes.policy.objects import MUTATING, VALIDATING, Manifest, Sandboxes
from nodeprov.kubernetes.policy.resources import (
    NamespaceLabels,
    PolicyObject,
    is_owned,
    object_state,
    resource_of,
)
from nodeprov.plan.goal import Change, Goal, constant, decide
from nodeprov.plan.plan import Action, Plan
from nodeprov.states import ObjectState, State

APPLY = Action(
    name="policy apply",
    serves=True,
    removes_all=False,
    sweeps_first=False,
    ends_installation=False,
    of_cluster=True,
)
REMOVE = Action(
    name="policy remove",
    serves=True,
    removes_all=False,
    sweeps_first=False,
    ends_installation=False,
    of_cluster=True,
)
CLUSTER = "cluster"
"""What stands in a plan where others have the name of a node."""
PARTS = {"default": objects.default, "required": objects.required, "guards": objects.guards}
"""The parts that are for the whole cluster, by the names that they are chosen by."""
SINCE = {MUTATING: "1.36", VALIDATING: "1.30"}
"""The Kubernetes that has a kind, for people to read: whether it is there the API is asked."""
PART_OF_MODE = {DEFAULT: "default", AUDIT: "required", REQUIRED: "required"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there is to be.

    Args:
        sandboxes: what the policies are about.
        parts: those of PARTS that are wanted.
        modes: what is to hold in which namespaces, by their names; others stay as they are.
        profiles: the namespaces that get the sandbox profile.
    """

    sandboxes: Sandboxes
    parts: tuple[str, ...] = tuple(PARTS)
    modes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    profiles: tuple[str, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Name the namespaces that are meant."""
        return tuple(dict.fromkeys((*self.modes, *self.profiles)))


def manifests(wanted: Wanted) -> tuple[Manifest, ...]:
    """Write all objects that are wanted, but no namespaces; what refuses comes behind what it refuses by."""
    found = [each for part in wanted.parts for each in PARTS[part](wanted.sandboxes)]
    found += [objects.denying(namespace) for namespace in wanted.profiles]
    return tuple(sorted(found, key=lambda each: each["kind"].endswith("Binding")))


def plan_apply(kubectl: Kubectl, wanted: Wanted, found: Found) -> Plan:
    """Plan what there is to be; raise Problems, with all of them, where that cannot be."""
    here, notes = _that_the_cluster_has(wanted, found)
    made = [(resource_of(kubectl, each), object_state(each)) for each in manifests(here)]
    labels = {
        name: _wanted_labels(name, wanted, found) for name in {**wanted.modes, **dict.fromkeys(wanted.profiles)}
    }
    problems = (*_refused(wanted, here, found), *_others(made, found))
    if problems:
        raise Problems(problems, where="")
    goals = [Goal(resource, constant(state)) for resource, state in made]
    goals += [Goal(NamespaceLabels(kubectl, name), constant(state)) for name, state in labels.items()]
    if found.handler != wanted.sandboxes.handler:
        notes = (*notes, _no_class(wanted, found).message)
    return Plan(CLUSTER, APPLY, _changes(goals, found), notes)


def plan_remove(kubectl: Kubectl, found: Found) -> Plan:
    """Plan that nothing of ours is there: first nothing is enforced any more, then it goes."""
    labelled = [NamespaceLabels(kubectl, name) for name, state in found.namespaces.items() if state]
    ours = [resource_of(kubectl, each) for each in found.objects if is_owned(object_state(each))]
    ours.sort(key=lambda each: not each.kind.endswith("Binding"))
    goals = [Goal(each, constant(None)) for each in (*labelled, *ours)]
    return Plan(CLUSTER, REMOVE, _changes(goals, found))


def _changes(goals: Sequence[Goal], found: Found) -> tuple[Change, ...]:
    states: dict[str, State | None] = {each.resource.key: None for each in goals}
    states |= {f"namespace:{name}": state for name, state in found.namespaces.items()}
    for each in found.objects:
        states[resource_of(Kubectl(), each).key] = object_state(each)
    return decide(goals, states)


def _that_the_cluster_has(wanted: Wanted, found: Found) -> tuple[Wanted, tuple[str, ...]]:
    """Leave out the parts of which the cluster has not the kinds; say which."""
    missing = {part: kind for part in wanted.parts if (kind := _kind_of(part)) not in found.kinds}
    notes = tuple(
        f"{part} is left out: this cluster has no {kind} of {objects.ADMISSION} (Kubernetes {SINCE[kind]} has it)"
        for part, kind in missing.items()
    )
    parts = tuple(part for part in wanted.parts if part not in missing)
    return Wanted(wanted.sandboxes, parts, wanted.modes, wanted.profiles), notes


def _kind_of(part: str) -> str:
    return MUTATING if part == "default" else VALIDATING


def _refused(wanted: Wanted, here: Wanted, found: Found) -> Iterator[Problem]:
    for name in wanted.namespaces:
        if name not in found.labels:
            yield Problem(f"there is no namespace {name}", found.typed("get", "namespaces"))
    for name, mode in wanted.modes.items():
        part = PART_OF_MODE[mode]
        if part not in here.parts and not found.has_part(part):
            yield Problem(
                f"namespace {name}: nothing would hold there, as the part {part} is not in this cluster",
                f"leave --{mode} {name} out" if part in wanted.parts else f"add --part {part}",
            )
        if mode == REQUIRED and found.handler != wanted.sandboxes.handler:
            yield _no_class(wanted, found)
    for name in wanted.profiles:
        for key, value in POD_SECURITY.items():
            other = found.labels.get(name, {}).get(key, value)
            if other != value and key not in found.managed.get(name, ()):
                yield Problem(
                    f"namespace {name} has {key}={other}, which somebody else has set",
                    f"{found.typed('label', 'namespace', name, f'{key}-')}, or leave --profile {name} out",
                )


def _no_class(wanted: Wanted, found: Found) -> Problem:
    name, handler = wanted.sandboxes.runtime_class, wanted.sandboxes.handler
    if found.handler is None:
        said = f"there is no RuntimeClass {name}"
    else:
        said = f"RuntimeClass {name} leads to the handler {found.handler}, and not to {handler}"
    return Problem(f"{said}: every pod that must be sandboxed would be refused", "nodeprov install NODE")


def _others(made: Sequence[tuple[PolicyObject, ObjectState]], found: Found) -> Iterator[Problem]:
    """Find objects of the names that are wanted which are somebody else's."""
    theirs = {resource_of(Kubectl(), each).key for each in found.objects if not is_owned(object_state(each))}
    for resource, _ in made:
        if resource.key in theirs:
            yield Problem(
                f"{resource.title} is there, and it is not nodeprov's",
                f"look at it: {found.typed('get', resource.kind, resource.name, *resource.where, '-o', 'yaml')}",
            )


def _wanted_labels(name: str, wanted: Wanted, found: Found) -> ObjectState | None:
    """Return what our labels of a namespace are to be; those that others have set as we want them stay theirs."""
    labels, managed = found.labels.get(name, {}), found.managed.get(name, frozenset())
    now = found.namespaces.get(name)
    result = dict(now.value) if now else {}
    if name in wanted.modes:
        result[LABEL] = wanted.modes[name]
    if name in wanted.profiles:
        result |= {key: value for key, value in POD_SECURITY.items() if key in managed or labels.get(key) != value}
    return ObjectState.of(result) if result else None
