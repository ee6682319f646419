"""The pod that proves a runtime, as it is sent, and what a cluster makes of it on its way: admission, policies."""

import json
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from nodeprov.errors import MALFORMED_JSON, Problem
from nodeprov.hosts.base import TIMED_OUT, Output, Place, Query, Reader, Readers
from nodeprov.inventory import ClusterSettings, Settings
from nodeprov.kubernetes.images import PROBE, ProofImage
from nodeprov.kubernetes.kubectl import NOT_FOUND, is_forbidden, kubectl
from nodeprov.kubernetes.reach import is_out_of_reach
from nodeprov.templates import render

POD_MEMORY, POD_CPU = "128Mi", "200m"
LONGEST_LIFE_SECONDS = 600
"""A pod whose nodeprov was killed ends on its own after that, and the next run on the node removes it."""
_NO_DRY_RUN = "does not support dry run"
"""What is said of a webhook with side effects (k8s.io/apiserver, admission/plugin/webhook/errors)."""
_DEFAULTS = (
    "dnsPolicy",
    "schedulerName",
    "serviceAccount",
    "serviceAccountName",
    "imagePullSecrets",
    "priority",
    "preemptionPolicy",
    "overhead",
    "tolerations",
    "nodeSelector",
    "terminationMessagePath",
    "terminationMessagePolicy",
    # of a probe
    "timeoutSeconds",
    "successThreshold",
    "failureThreshold",
)
"""What the API server or the RuntimeClass adds to a pod and its container (pkg/apis/core/v1/defaults.go)."""


def pod_manifest(
    settings: Settings,
    image: ProofImage,
    arguments: Sequence[str],
    *,
    name: str = "nodeprov-proof",
    node: str | None,
    has_class: bool = True,
) -> str:
    """Write a pod that runs the probe; on a node it tolerates what else would end it there."""
    return render(
        "cluster/pod.json.j2",
        name=name,
        namespace=settings.proof.namespace,
        runtime_class=settings.runtime_class.name if has_class else None,
        node=node,
        image=image,
        command=[PROBE, *arguments],
        memory=POD_MEMORY,
        cpu=POD_CPU,
        deadline_seconds=LONGEST_LIFE_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is another in a pod that came back than in the one that was sent; None is absent."""

    path: str
    sent: Any
    came: Any

    @property
    def said(self) -> str:
        """Describe it in a line."""
        if self.sent is None:
            return f"{self.path} was added"
        return f"{self.path}: {_short(self.sent)} became {'nothing' if self.came is None else _short(self.came)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:120]}..."


def mutations(sent: Any, came: Any) -> tuple[Mutation, ...]:
    """Find what is another in a pod that came back: what was sent must be there, and only defaults besides."""
    return tuple(_compared("spec", sent.get("spec"), came.get("spec") if isinstance(came, Mapping) else None))


def _compared(path: str, sent: Any, came: Any) -> Iterator[Mutation]:
    if isinstance(sent, Mapping) and isinstance(came, Mapping):
        for key, value in sent.items():
            yield from _compared(f"{path}.{key}", value, came.get(key))
        yield from (Mutation(f"{path}.{key}", None, came[key]) for key in came if key not in {*sent, *_DEFAULTS})
    elif _has_names(sent) and _has_names(came):
        theirs = {each["name"]: each for each in came}
        for each in sent:
            yield from _compared(f"{path}[{each['name']}]", each, theirs.pop(each["name"], None))
        yield from (Mutation(f"{path}[{name}]", None, added) for name, added in theirs.items())
    elif isinstance(sent, list) and isinstance(came, list):
        if any(each not in came for each in sent) or (
            len(came) != len(sent) and not path.endswith(".tolerations")
        ):
            yield Mutation(path, sent, came)
    elif sent != came:
        yield Mutation(path, sent, came)


def _has_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) and "name" in each for each in value)


_MEANS_ANOTHER_PROOF = ("spec.runtimeClassName", "spec.nodeName", "spec.restartPolicy")
_OF_CONTAINER = "spec.containers[proof]."


def _is_fatal(mutation: Mutation, image: ProofImage) -> bool:
    """Tell whether a pod that was changed so proves nothing, or never ends."""
    path, is_imported = mutation.path, image.pull_policy == "Never"
    return (
        path in _MEANS_ANOTHER_PROOF
        or path in (f"{_OF_CONTAINER}command", f"{_OF_CONTAINER}args")
        or (is_imported and path == f"{_OF_CONTAINER}image")
        or (is_imported and path == f"{_OF_CONTAINER}imagePullPolicy" and mutation.came == "Always")
        or (path.startswith("spec.containers[") and not path.startswith(_OF_CONTAINER.rstrip(".")))
    )


@dataclass(frozen=True, slots=True)
class Admission:
    """What a cluster says to the pod, asked without making it; `unknown` is why it does not say."""

    refusal: str = ""
    mutations: tuple[Mutation, ...] = ()
    unknown: str = ""

    def problems(self, settings: Settings, image: ProofImage) -> Iterator[Problem]:
        """Find what keeps the pod from proving anything."""
        exempt = (
            f"have the policy leave the namespace {settings.proof.namespace} alone, or set [proof] namespace to "
            "one that it leaves alone, or [proof] pod = false"
        )
        if self.refusal:
            yield Problem(
                f"the cluster refuses the pod that proves the runtime: {self.refusal}",
                f"{_hint_to_image(image)}{exempt}",
                "the install would be undone when its pod is refused",
            )
        if fatal := [each.said for each in self.mutations if _is_fatal(each, image)]:
            yield Problem(
                "the cluster changes the pod that proves the runtime, which then proves nothing: "
                f"{'; '.join(fatal)}",
                f"{_hint_to_image(image)}{exempt}",
                "an admission plugin, a webhook or a policy has changed what was sent",
            )

    def warnings(self, image: ProofImage) -> Iterator[Problem]:
        """Find what an operator should know of it."""
        if self.unknown:
            yield Problem(
                f"the cluster was not asked whether it admits the pod that proves the runtime: {self.unknown}",
                "the real request is made with the pod",
                "where it refuses the pod, the install is undone",
            )
        if said := [each.said for each in self.mutations if not _is_fatal(each, image)]:
            yield Problem(
                f"the cluster changes the pod that proves the runtime: {'; '.join(said)}",
                "look there first if the pod does not run",
                "an admission plugin, a webhook or a policy has changed what was sent",
            )


def _hint_to_image(image: ProofImage) -> str:
    if image.pull_policy != "Never":
        return ""
    return (
        "if it is about the image: `nodeprov image FILE` writes it for a registry, then set [proof] image; else "
    )


@dataclass(frozen=True, slots=True)
class AdmissionQuery:
    """Would the cluster admit the pod, and how would it change it? Nothing is made (--dry-run=server)."""

    settings: Settings
    node: str
    image: ProofImage
    has_class: bool
    """Whether the RuntimeClass is there already: a pod that names another one is refused."""

    @property
    def manifest(self) -> str:
        """The pod as it would be sent."""
        return pod_manifest(self.settings, self.image, ("kernel",), node=self.node, has_class=self.has_class)

    @property
    def script(self) -> str:
        """Print the pod as it would be made, or why not."""
        call = kubectl(self.settings.cluster).line("create", "--dry-run=server", "-o", "json", "-f", "-")
        one_line = json.dumps(json.loads(self.manifest))
        return f"printf '%s\\n' {shlex.quote(one_line)} | {call}"

    def parse(self, output: Output) -> Admission:
        """Understand what kubectl printed."""
        said = output.said
        if output.returncode != 0:
            is_unasked = output.returncode in (NOT_FOUND, TIMED_OUT) or _NO_DRY_RUN in said
            is_unknown = is_unasked or is_out_of_reach(said) or is_forbidden(said)
            return Admission(unknown=said) if is_unknown else Admission(refusal=said)
        try:
            return Admission(mutations=mutations(json.loads(self.manifest), json.loads(output.text)))
        except MALFORMED_JSON:
            return Admission(unknown=f"its answer is not a pod: {' '.join(output.text[:80].split())!r}")


class Admissions:
    """Asks a cluster once for pods in which nothing but the node differs; for use by several threads."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._asked: dict[tuple[ClusterSettings, str], Future[Admission]] = {}

    def through(self, readers: Readers) -> Readers:
        """Return the same readers, of which that of the cluster answers what another node was answered already."""
        if Place.CLUSTER not in readers:
            return readers
        return {**readers, Place.CLUSTER: _Sharing(readers[Place.CLUSTER], self)}

    def answer(self, reader: Reader, query: AdmissionQuery) -> Admission:
        """Return the cluster's answer; raise what asking raises."""
        key = (query.settings.cluster, replace(query, node="").manifest)
        with self._changing:
            is_first = key not in self._asked
            answer = self._asked.setdefault(key, Future())
        if is_first:
            try:
                answer.set_result(reader.ask([query])[0])
            except Exception as error:  # each of those who wait gets it
                answer.set_exception(error)
        return answer.result()


class _Sharing:
    """A reader that asks no second time for what differs in the node alone."""

    def __init__(self, reader: Reader, admissions: Admissions) -> None:
        self.name = reader.name
        self._reader = reader
        self._admissions = admissions

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        if len(queries) == 1 and isinstance(queries[0], AdmissionQuery):
            return [self._admissions.answer(self._reader, queries[0])]
        return self._reader.ask(queries)
