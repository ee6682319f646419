"""What nodeprov's own identity may change of a Node: RBAC knows objects, and this knows their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nodeprov.inventory import Node
from nodeprov.kubernetes.policy.objects import Manifest, cel, cel_list, named, resources, validating

OWNED = {"app.kubernetes.io/managed-by": "nodeprov", "app.kubernetes.io/component": "rbac"}
"""Its labels: it comes and goes with the roles, and not with the other policies."""
PREFIX = "nodeprov.io/"
"""What nodeprov's own labels, taints and annotations of a Node begin with."""


def confining(nodes: Iterable[Node], user: str, name: str, *, drain: bool) -> tuple[Manifest, ...]:
    """Confine a user to the labels, the taints and the annotations that an inventory has nodeprov set.

    With `drain` they may cordon nodes too.
    """
    settings = [view.settings for node in nodes for view in node.views]
    labels = sorted({each.label.key for each in settings})
    taints = sorted({each.cluster.startup_taint for each in settings if each.cluster.startup_taint})
    drain = drain or any(each.rollout.drain for each in settings)
    fixed = ["podCIDR", "podCIDRs", "providerID", "configSource", *([] if drain else ["unschedulable"])]
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [resources("", ["UPDATE"], ["nodes", "nodes/*"])],
        },
        "matchConditions": [
            {"name": "by-nodeprov", "expression": f"request.userInfo.username == {cel(user)}"},
        ],
        "variables": named(
            labels="object.metadata.?labels.orValue({})",
            labelsBefore="oldObject.metadata.?labels.orValue({})",
            notes="object.metadata.?annotations.orValue({})",
            notesBefore="oldObject.metadata.?annotations.orValue({})",
            taints="object.spec.?taints.orValue([])",
            taintsBefore="oldObject.spec.?taints.orValue([])",
        ),
        "validations": [
            _only("labels", labels, _same_map),
            _only("annotations", [], _same_map, variable="notes"),
            _only("taints", taints, _same_taints),
            {
                "expression": _same("metadata", "ownerReferences", "finalizers"),
                "message": "nodeprov may not change the owners or the finalizers of a node",
                "reason": "Forbidden",
            },
            {
                "expression": _same("spec", *fixed),
                "message": "nodeprov may change no other field of a node",
                "reason": "Forbidden",
            },
            {
                "expression": "object.?status == oldObject.?status",
                "message": "nodeprov may not change the status of a node",
                "reason": "Forbidden",
            },
        ],
    }
    why = f"{user} may change of a Node what nodeprov sets there, and nothing else."
    return validating(name, why, spec, OWNED)


def _only(
    what: str, keys: list[str], same: Callable[[str, str, str], str], *, variable: str = ""
) -> dict[str, str]:
    own = f"(KEY.startsWith({cel(PREFIX)}) || KEY in {cel_list(keys)})"
    expression = same(f"variables.{variable or what}", f"variables.{variable or what}Before", own)
    said = ", ".join([*keys, f"{PREFIX}..."])
    message = f"nodeprov may change its own {what} of a node only: {said}"
    return {"expression": expression, "message": message, "reason": "Forbidden"}


def _same_map(now: str, before: str, own: str) -> str:
    own = own.replace("KEY", "k")
    return (
        f"{now}.all(k, {own} || (k in {before} && {before}[k] == {now}[k])) && "
        f"{before}.all(k, {own} || k in {now})"
    )


def _same_taints(now: str, before: str, own: str) -> str:
    own = own.replace("KEY", "t.key")
    return f"{now}.all(t, {own} || t in {before}) && {before}.all(t, {own} || t in {now})"


def _same(part: str, *fields: str) -> str:
    return " && ".join(f"object.{part}.?{each} == oldObject.{part}.?{each}" for each in fields)
