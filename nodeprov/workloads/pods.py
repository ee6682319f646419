"""The pods in manifests: of their own, or as the template of what makes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from nodeprov.errors import UsageError
from nodeprov.workloads.documents import Value, documents
from nodeprov.workloads.json_values import json_value
from nodeprov.workloads.shape import POD, faults

_TEMPLATES = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where the pod is in each of Kubernetes' kinds whose pod is not at spec.template."""
_OF_CONTROLLERS = ("spec", "template")
_EMPTY_DIR = "emptyDir"
_OF_TYPES = "correct it; kubectl explain pod.spec --recursive shows the type of each field"
_HINT = "name files with Kubernetes objects, such as helm template prints"


@dataclass(frozen=True)
class Workload:
    """A pod, or what makes pods by its template.

    Attributes:
        file: where it is read from; "" for a cluster.
        kind, name, namespace: of the object; the namespace is "" where the manifest leaves it out.
        spec: the pod's.
        line: where the object begins, from 1.
        whole: the object.
    """

    file: str
    kind: str
    name: str
    namespace: str
    spec: Value
    line: int
    whole: Value

    @cached_property
    def containers(self) -> Sequence[Value]:
        """Those that run at the same time: the containers, and the init containers that go on (sidecars)."""
        sidecars = [each for each in self.spec.members("initContainers") if each.said("restartPolicy") == "Always"]
        return [*self.spec.members("containers"), *sidecars]

    @cached_property
    def all_containers(self) -> Sequence[Value]:
        """All, also those that end before the others begin."""
        return [*self.spec.members("containers"), *self.spec.members("initContainers")]

    def mounts(self, container: Value) -> Sequence[Value]:
        """Return the mounts of one of its containers."""
        return self._mounts[container.path]

    def volumes(self, *kinds: str) -> dict[str, Value]:
        """Return the volumes of some kinds by their names: what follows the kind's key.

        One without any is an emptyDir (kubernetes: pkg/apis/core/v1/defaults.go), and null is none.
        """
        return {name: value for name, kind, value in self._volumes if kind in kinds}

    @cached_property
    def _mounts(self) -> dict[str, list[Value]]:
        return {each.path: each.members("volumeMounts") for each in self.all_containers}

    @cached_property
    def _volumes(self) -> list[tuple[str, str, Value]]:
        found = []
        for each in self.spec.members("volumes"):
            keys = dict(each.items())
            name = keys.pop("name", None)
            sources = {kind: value for kind, value in keys.items() if value.is_there}
            for kind, value in (sources or {_EMPTY_DIR: keys.get(_EMPTY_DIR, each)}).items():
                found.append((name.text if name else "", kind, value))
        return found

    @property
    def is_live(self) -> bool:
        """Tell whether it is the cluster's, which has filled in what its manifest left out."""
        return not self.file

    @property
    def title(self) -> str:
        """Its kind and name, as a person knows it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Others:
    """Objects of a kind in which no pod was found; `line` is that of the first."""

    file: str
    kind: str
    line: int


def workloads(text: str, file: str) -> Iterator[Workload | Others]:
    """Read the objects of a stream of manifests; raise UsageError, with the line, for what is none."""
    for document in documents(text, file):
        yield from _objects(document, file)


def workloads_of(objects: Iterable[Mapping[str, Any]]) -> Iterator[Workload]:
    """Find the workloads among objects that a cluster has, as json.loads() returned them."""
    for each in objects:
        yield from (found for found in _objects(json_value(each), file="") if isinstance(found, Workload))


def _objects(value: Value, file: str, member: tuple[str, str] = ("", "")) -> Iterator[Workload | Others]:
    """Find the workloads of an object; one without kind and apiVersion has those of the `member` of its list."""
    kind, version = value.said("kind"), value.said("apiVersion")
    if not kind and not version:
        kind, version = member
    if not kind or not version:
        lacks = "kind" if not kind else "apiVersion"
        raise UsageError(f"it is no Kubernetes object: it has no {lacks}", _HINT, where=f"{file}:{value.line}")
    if kind.endswith("List") and value.get("items") is not None:
        for each in value.members("items"):
            yield from _objects(each, file, (kind.removesuffix("List"), version))
        return
    specs = _specs(value, kind)
    is_written = bool(file)  # what a cluster has was judged by its API server
    if not specs:
        if is_written and (kind, version) == ("Pod", "v1"):
            raise UsageError("the pod has no containers", _HINT, where=f"{file}:{value.line}")
        yield Others(file, kind, value.line)
        return
    names = [value.said("metadata", name) for name in ("name", "generateName", "namespace")]
    for spec in specs:
        for each, wanted in faults(spec, POD) if is_written else ():
            raise UsageError(f"{each.path} must be {wanted}", _OF_TYPES, where=f"{file}:{each.line}")
        yield Workload(file, kind, names[0] or names[1], names[2], spec, value.line, value)


def _specs(value: Value, kind: str) -> list[Value]:
    """Find the specs of an object's pods: where its kind has them, or else wherever it has templates of pods."""
    template = value.get(*_TEMPLATES.get(kind, _OF_CONTROLLERS)) if _TEMPLATES.get(kind) != () else value
    spec = template.get("spec") if template else None
    if spec is not None and _has_containers(spec):
        return [spec]
    return [] if kind in _TEMPLATES else [*_specs_of_parts(value)]


def _specs_of_parts(value: Value) -> Iterator[Value]:
    """Find the specs in what is called a template, at any depth: the parts of a training job have one each.

    Only there: what a policy holds pods against, or what an operator puts into the pods that it makes by itself,
    has containers too. What YAML's aliases repeat is looked at once.
    """
    waiting, seen = [value], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value.node) in seen:
            continue
        seen.add(id(value.node))
        name = value.path.rpartition(".")[2]
        spec = value.get("spec") if name.lower().endswith("template") else None
        if spec is not None and isinstance(spec.node, yaml.MappingNode) and spec.members("containers"):
            yield spec
        else:
            waiting += reversed([*(each for _, each in value.items()), *value.members()])


def _has_containers(spec: Value) -> bool:
    """Tell whether anything is below `containers`: also what is no list, which is to be said."""
    containers = spec.get("containers")
    return containers is not None and containers.node.value not in ([], "")
