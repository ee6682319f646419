"""The objects of the policies, and what a namespace carries of them, as states that are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nodeprov.errors import taking_json_apart
from nodeprov.hosts.base import Host, Output, Place
from nodeprov.kubernetes.kubectl import Kubectl, insist_on_answer, understood
from nodeprov.kubernetes.policy.names import LABEL, MANAGER, OWNED
from nodeprov.kubernetes.policy.objects import Manifest
from nodeprov.plan.goal import Resource
from nodeprov.states import ObjectState, State

OURS = ("app.kubernetes.io/", "kubernetes.io/description")
"""Labels and annotations of an object that are a part of its state; others are somebody else's, and stay."""


class _OfCluster(Resource):
    """What is taken back only if it was written: whoever may not write it would be refused once more."""

    __slots__ = ()

    def restore(self, host: Host, state: Any) -> None:
        """Give it back the state that it had before a write."""
        if host.ask([self.query])[0] != state:
            self.write(host, state)


@dataclass(frozen=True, slots=True)
class PolicyObject(_OfCluster):
    """An object that is nodeprov's as a whole; labels and annotations of others on it stay.

    Not by `kubectl apply`: with --server-side a field that somebody has added would stay, and an edit in between
    would be written over.
    """

    kubectl: Kubectl
    kind: str
    name: str
    namespace: str
    api_version: str
    place: ClassVar[Place] = Place.CLUSTER
    answers: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Its kind, its namespace and its name."""
        return f"{self.kind.lower()}:{self.namespace + '/' if self.namespace else ''}{self.name}"

    @property
    def title(self) -> str:
        """Its kind and its name."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    @property
    def query(self) -> _ObjectQuery:
        """The question that reads its state."""
        return _ObjectQuery(self)

    @property
    def where(self) -> tuple[str, ...]:
        """Its namespace, as kubectl takes it."""
        return ("-n", self.namespace) if self.namespace else ()

    def write(self, host: Host, state: ObjectState | None) -> None:
        """Make it, replace it or delete it."""
        self._give(host, state, is_new=False)

    def written(self, host: Host, before: State | None, state: ObjectState | None) -> State | None:
        """Give it a state, and return the state that the cluster has answered with."""
        return self._give(host, state, is_new=before is None)

    def _give(self, host: Host, state: ObjectState | None, *, is_new: bool) -> State | None:
        if state is None:
            doing = f"cannot delete {self.title}"
            self.kubectl.run(host, "delete", self.kind, self.name, *self.where, "--ignore-not-found", doing=doing)
            return None
        # What is there by now all the same is no less a conflict than an edit.
        live = None if is_new else self._live(host)
        verb, value = ("create", manifest_of(self, state)) if live is None else ("replace", _merged(live, state))
        content = json.dumps(value).encode()
        call = (verb, "-f", "-", "-o", "json", f"--field-manager={MANAGER}")
        text = self.kubectl.run(host, *call, doing=f"cannot {verb} {self.title}", stdin=content, when_well=content)
        with taking_json_apart():
            return object_state(understood(text, host, doing=self.title))

    def _live(self, host: Host) -> dict[str, Any] | None:
        arguments = ("get", self.kind, self.name, *self.where, "-o", "json", "--ignore-not-found")
        text = self.kubectl.run(host, *arguments, doing=f"cannot get {self.title}")
        return understood(text, host, doing=self.title) if text.strip() else None


@dataclass(frozen=True, slots=True)
class _ObjectQuery:
    of: PolicyObject

    @property
    def script(self) -> str:
        of = self.of
        return of.kubectl.line("get", of.kind, of.name, *of.where, "-o", "json", "--ignore-not-found")

    def parse(self, output: Output) -> ObjectState | None:
        insist_on_answer(self.of.kubectl, output)
        with taking_json_apart():
            return object_state(json.loads(output.text)) if output.text.strip() else None


def resource_of(kubectl: Kubectl, manifest: Manifest) -> PolicyObject:
    """Name the resource of an object."""
    metadata = manifest["metadata"]
    names = metadata["name"], metadata.get("namespace", "")
    return PolicyObject(kubectl, manifest["kind"], *names, manifest["apiVersion"])


def object_state(manifest: Manifest) -> ObjectState:
    """Pick what is nodeprov's of an object: all that it asks for, and how it is marked."""
    metadata = manifest["metadata"]
    marks = {
        part: {key: value for key, value in (metadata.get(part) or {}).items() if key.startswith(OURS)}
        for part in ("labels", "annotations")
    }
    return ObjectState.of({**marks, "spec": manifest["spec"]})


def is_owned(state: ObjectState) -> bool:
    """Tell whether an object is one of ours."""
    labels: dict[str, str] = state.value["labels"]
    return OWNED.items() <= labels.items()


def manifest_of(of: PolicyObject, state: ObjectState) -> dict[str, Any]:
    """Write an object that is not there yet."""
    value = state.value
    where = {"namespace": of.namespace} if of.namespace else {}
    marks = {part: value[part] for part in ("labels", "annotations")}
    metadata = {"name": of.name, **where, **marks}
    return {"apiVersion": of.api_version, "kind": of.kind, "metadata": metadata, "spec": value["spec"]}


def _merged(live: Mapping[str, Any], state: ObjectState) -> dict[str, Any]:
    """Put a state into the object as it is; its resourceVersion guards it."""
    wanted = state.value
    marks = {
        part: {
            **{k: v for k, v in (live["metadata"].get(part) or {}).items() if not k.startswith(OURS)},
            **wanted[part],
        }
        for part in ("labels", "annotations")
    }
    return {**live, "metadata": {**live["metadata"], **marks}, "spec": wanted["spec"]}


@dataclass(frozen=True, slots=True)
class NamespaceLabels(_OfCluster):
    """The labels of a namespace that are nodeprov's: its own, and those that it has set by its own hand.

    Which these are the cluster knows by their field manager: one that somebody else has set, also to the same
    value, is theirs.
    """

    kubectl: Kubectl
    name: str
    place: ClassVar[Place] = Place.CLUSTER
    answers: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """The namespace's name."""
        return f"namespace:{self.name}"

    @property
    def title(self) -> str:
        """What it is."""
        return f"labels of namespace {self.name}"

    @property
    def query(self) -> _NamespaceQuery:
        """The question that reads its state."""
        return _NamespaceQuery(self)

    def write(self, host: Host, state: ObjectState | None) -> None:
        """Set its labels."""
        before = host.ask([self.query])[0]
        self.written(host, before, state)

    def written(self, host: Host, before: State | None, state: ObjectState | None) -> State | None:
        """Set its labels, take away those that it had before, and return what the cluster has answered with."""
        old = before.value if isinstance(before, ObjectState) else {}
        patch = {**dict.fromkeys(old), **(state.value if state else {})}
        call = ("patch", "namespace", self.name, "--type=merge", f"--field-manager={MANAGER}", "-o", "json")
        content = json.dumps({"metadata": {"labels": patch}})
        shown = ("--show-managed-fields", "-p", content)
        text = self.kubectl.run(host, *call, *shown, doing=f"cannot label namespace {self.name}")
        with taking_json_apart():
            return namespace_state(understood(text, host, doing=f"namespace {self.name}"))


@dataclass(frozen=True, slots=True)
class _NamespaceQuery:
    of: NamespaceLabels

    @property
    def script(self) -> str:
        arguments = ("get", "namespace", self.of.name, "-o", "json", "--ignore-not-found", "--show-managed-fields")
        return self.of.kubectl.line(*arguments)

    def parse(self, output: Output) -> ObjectState | None:
        insist_on_answer(self.of.kubectl, output)
        with taking_json_apart():
            return namespace_state(json.loads(output.text)) if output.text.strip() else None


def namespace_state(namespace: Mapping[str, Any]) -> ObjectState | None:
    """Pick the labels of a namespace that are ours; None if there are none."""
    metadata = namespace["metadata"]
    labels = metadata.get("labels") or {}
    ours = {LABEL, *managed_labels(metadata)}
    found = {key: value for key, value in labels.items() if key in ours}
    return ObjectState.of(found) if found else None


def managed_labels(metadata: Mapping[str, Any]) -> set[str]:
    """Name the labels that our field manager owns."""
    return {
        name.removeprefix("f:")
        for each in metadata.get("managedFields") or ()
        if each.get("manager") == MANAGER
        for name in each.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {})
        if name != "."
    }
