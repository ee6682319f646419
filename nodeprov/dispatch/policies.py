"""Policies that keep what RBAC cannot: which fields of a Node are ours, and what our namespace may run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodeprov.dispatch.api import Object
from nodeprov.dispatch.marks import CLAIM, CORDONED, DRAINING, LAST, STAGED, UNLABELLED, WAITING
from nodeprov.in_cluster.pod import COMMAND, CONFIG_MAP, RUN_LABEL

GROUP = "admissionregistration.k8s.io/v1"
OWN_FIELDS, ONLY_ENGINES = "nodeprov-only-its-own-fields", "nodeprov-only-its-own-pods"
ONLY_PROOFS = "nodeprov-only-its-own-proofs"

_ALL_CONTAINERS = {
    "name": "all",
    "expression": "object.spec.containers + object.spec.?initContainers.orValue([])",
}
_USES_NODE = " || ".join(f"object.spec.?{each}.orValue(false)" for each in ("hostPID", "hostNetwork", "hostIPC"))
_NONE_IS_PRIVILEGED = "variables.all.all(c, !c.?securityContext.?privileged.orValue(false))"


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be, by policy.

    Args:
        username: the dispatcher's, as the API server knows it.
        namespace: of the engines' pods.
        labels, taints: keys that the dispatcher may change on nodes.
        images: that pods of the namespace may have.
        host_paths: folders of a node that an engine's pod may mount.
        proof_images: of pods that prove a node, in whichever namespace they are.
        proof_classes: the RuntimeClasses of those.
        drains: whether the dispatcher may cordon nodes.
    """

    username: str
    namespace: str
    labels: Sequence[str]
    taints: Sequence[str]
    images: Sequence[str]
    host_paths: Sequence[str]
    proof_images: Sequence[str]
    proof_classes: Sequence[str]
    drains: bool = False


def own_fields(limits: Limits) -> list[Object]:
    """Let the dispatcher change its own labels, its own annotations and its own taint of a Node, and nothing else.

    To patch nodes is otherwise to be able to draw pods to a node, to evict them, or to have the Node deleted.
    """
    labels, taints = _texts([CLAIM, *limits.labels]), _texts(limits.taints)
    annotations = _texts([LAST, STAGED, DRAINING, WAITING, CORDONED, UNLABELLED])
    match = {
        "matchConstraints": {
            "resourceRules": [_rule("", ["nodes", "nodes/*"], ["UPDATE"])],
        },
        "matchConditions": [_by_the_dispatcher(limits)],
    }
    validations = [
        (_same("metadata.?labels", labels), "nodeprov may change its own labels only"),
        (
            _same("metadata.?annotations", annotations),
            "nodeprov may change its own annotations only",
        ),
        (
            " && ".join(_equal(f"metadata.?{field}", "[]") for field in ("ownerReferences", "finalizers")),
            "nodeprov may not change owners or finalizers",
        ),
        (
            "object.spec.?taints.orValue([]).all(t, t in oldObject.spec.?taints.orValue([])) && "
            f"oldObject.spec.?taints.orValue([]).all(t, t.key in {taints} || "
            "t in object.spec.?taints.orValue([]))",
            "nodeprov may take away its own startup taint only",
        ),
        *_of_cordons(drains=limits.drains),
        (_equal("spec.?providerID", _text("")), "nodeprov may not change the provider's id"),
        ("object.status == oldObject.status", "nodeprov may not change the status of a node"),
    ]
    return _policy(OWN_FIELDS, match, validations)


def _of_cordons(*, drains: bool) -> Iterator[tuple[str, str]]:
    """Let a cordon be lifted that carries our mark, by one write with it; and one be made with it, if we drain.

    Such a mark is never put on another one's cordon. What is there may always go: a run that does not drain any
    more comes after one that did.
    """
    now, before = (f"{each}.spec.?unschedulable.orValue(false)" for each in ("object", "oldObject"))
    marked, was_marked = (
        f"{_text(CORDONED)} in {each}.metadata.?annotations.orValue({{}})" for each in ("object", "oldObject")
    )
    yield (
        f"!{before} || {now} || (({was_marked}) && !({marked}))",
        "nodeprov may uncordon only what it has cordoned itself",
    )
    yield (
        f"{before} || !{now} || ({marked})" if drains else f"{before} || !{now}",
        "nodeprov may cordon a node only to drain it, with its mark",
    )
    yield (
        f"!({marked}) || ({was_marked}) || (!{before} && {now})",
        "nodeprov may not call the cordon of another one its own",
    )


def only_engines(limits: Limits) -> list[Object]:
    """Let the namespace run the dispatcher and engines of known images, and nobody look into them.

    Whoever may make a privileged pod is root on its node: such a pod is what nodeprov would make, to the letter.
    """
    selector = {"matchLabels": {"kubernetes.io/metadata.name": limits.namespace}}
    match = {
        "matchConstraints": {
            "namespaceSelector": selector,
            "resourceRules": [_rule("", ["pods"], ["CREATE"])],
        },
        "variables": [
            {"name": "engine", "expression": f"{_text(RUN_LABEL)} in object.metadata.?labels.orValue({{}})"},
            _ALL_CONTAINERS,
        ],
    }
    code = "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "envFrom"
    brings_code = " && ".join(f"!has(c.{each})" for each in code)
    paths, images = _texts(limits.host_paths), _texts(limits.images)
    validations = [
        (f"variables.all.all(c, c.image in {images})", "only nodeprov's own images, by their digests"),
        (
            "!variables.engine || object.spec.?nodeName.orValue('') != ''",
            "an engine's pod names its node",
        ),
        (
            "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath) || "
            f"(variables.engine && v.hostPath.path in {paths}))",
            f"of a node only {' and '.join(limits.host_paths)} is mounted, by engines",
        ),
        (
            f"variables.engine || (!({_USES_NODE}) && {_NONE_IS_PRIVILEGED})",
            "only an engine may leave its container",
        ),
        (
            "!variables.engine || object.spec.?automountServiceAccountToken.orValue(true) == false",
            "an engine has no token",
        ),
        (
            f"!variables.engine || (object.spec.containers.all(c, c.?command.orValue([]) == {_texts(COMMAND)} && "
            "c.?args.orValue([]) == []) && object.spec.?initContainers.orValue([]).all(c, !has(c.command)))",
            "an engine runs nodeprov, and nothing else",
        ),
        (
            f"!variables.engine || variables.all.all(c, {brings_code} && "
            "c.?env.orValue([]).all(e, e.name.startsWith('NODEPROV_')))",
            "an engine is given no program besides its own",
        ),
        (
            "!variables.engine || object.spec.?volumes.orValue([]).all(v, has(v.hostPath) || "
            f"(has(v.configMap) && v.configMap.name == {_text(CONFIG_MAP)}))",
            f"an engine reads the ConfigMap {CONFIG_MAP}, and no other volume",
        ),
    ]
    updates = {
        "matchConstraints": {
            "namespaceSelector": selector,
            "resourceRules": [_rule("", ["pods"], ["UPDATE"])],
        },
    }
    same = " && ".join(
        f"object.spec.{each}.map(c, c.image) == oldObject.spec.{each}.map(c, c.image)"
        for each in ("containers", "?initContainers.orValue([])")
    )
    stays = [(same, "no pod here is given another image")]
    inside = {
        "matchConstraints": {
            "namespaceSelector": selector,
            "resourceRules": [
                _rule("", ["pods/exec", "pods/attach"], ["CONNECT"]),
                _rule("", ["pods/ephemeralcontainers"], ["UPDATE"]),
            ],
        },
    }
    nobody = [("false", "no one may enter a pod here: it is root on its node")]
    return [
        *_policy(ONLY_ENGINES, match, validations),
        *_policy(f"{ONLY_ENGINES}-unchanged", updates, stays),
        *_policy(f"{ONLY_ENGINES}-inside", inside, nobody),
    ]


def only_proofs(limits: Limits) -> list[Object]:
    """Let the dispatcher make, in other namespaces than its own, pods that prove a node, and delete only those.

    A right to make pods is otherwise one to be root on each node, wherever the namespace does not forbid that.
    """
    elsewhere = f"request.namespace != {_text(limits.namespace)}"
    conditions = [_by_the_dispatcher(limits), {"name": "elsewhere", "expression": elsewhere}]
    making = {
        "matchConstraints": {"resourceRules": [_rule("", ["pods"], ["CREATE"])]},
        "matchConditions": conditions,
        "variables": [_ALL_CONTAINERS],
    }
    classes, images = _texts(limits.proof_classes), _texts(limits.proof_images)
    own_values = "!has(e.valueFrom) || has(e.valueFrom.fieldRef)"
    validations = [
        (f"object.spec.?runtimeClassName.orValue('') in {classes}", "a proof has the RuntimeClass of proofs"),
        (f"variables.all.all(c, c.image in {images})", "a proof has nodeprov's own image, by its digest"),
        (f"{_text(RUN_LABEL)} in object.metadata.?labels.orValue({{}})", "a proof says for which run it is"),
        (
            f"!({_USES_NODE}) && {_NONE_IS_PRIVILEGED} && "
            "variables.all.all(c, c.?securityContext.?capabilities.?add.orValue([]).size() == 0)",
            "a proof does not leave its container",
        ),
        (
            "object.spec.?volumes.orValue([]).size() == 0 && "
            "object.spec.?automountServiceAccountToken.orValue(true) == false && "
            f"variables.all.all(c, !has(c.envFrom) && c.?env.orValue([]).all(e, {own_values}))",
            "a proof has no volumes, no token, and no values of secrets",
        ),
    ]
    deleting = {
        "matchConstraints": {"resourceRules": [_rule("", ["pods"], ["DELETE"])]},
        "matchConditions": conditions,
    }
    ours = f"{_text(RUN_LABEL)} in oldObject.metadata.?labels.orValue({{}})"
    return [
        *_policy(ONLY_PROOFS, making, validations),
        *_policy(f"{ONLY_PROOFS}-deleted", deleting, [(ours, "nodeprov may delete its own proofs only")]),
    ]


def _by_the_dispatcher(limits: Limits) -> Object:
    return {"name": "by-the-dispatcher", "expression": f"request.userInfo.username == {_text(limits.username)}"}


def _same(field: str, own: str) -> str:
    """Say in CEL that of a map nothing has changed but what has a key of ours."""
    now, before = f"object.{field}.orValue({{}})", f"oldObject.{field}.orValue({{}})"
    return (
        f"{now}.all(k, k in {own} || (k in {before} && {before}[k] == {now}[k])) && "
        f"{before}.all(k, k in {own} || k in {now})"
    )


def _equal(field: str, absent: str) -> str:
    return f"object.{field}.orValue({absent}) == oldObject.{field}.orValue({absent})"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(_text(each) for each in values)}]"


def _rule(group: str, resources: list[str], operations: list[str]) -> Object:
    return {"apiGroups": [group], "apiVersions": ["v1"], "operations": operations, "resources": resources}


def _policy(name: str, match: Object, validations: Sequence[tuple[str, str]]) -> list[Object]:
    said = [{"expression": expression, "message": message} for expression, message in validations]
    return [
        {
            "apiVersion": GROUP,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {"failurePolicy": "Fail", **match, "validations": said},
        },
        {
            "apiVersion": GROUP,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]
