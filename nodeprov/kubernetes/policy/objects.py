"""The objects of the policies, as the API server has them: with its defaults, so that nothing differs unsaid."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeprov.kubernetes.policy.names import (
    AUDIT,
    CHANGE,
    CONTROLLERS,
    DEFAULT,
    DENY_ALL,
    EXEMPTIONS,
    GROUP,
    LABEL,
    OWNED,
    POLICIES,
    REASON,
    REQUIRED,
    USE,
    may,
)
from nodeprov.kubernetes.policy.rules import RULES, SANDBOX, Rule

ADMISSION = "admissionregistration.k8s.io/v1"
VALIDATING, MUTATING = "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"
Manifest = Mapping[str, Any]
_IS_MIRROR = "'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({})"
_REASON = f"object.metadata.?annotations[?'{REASON}'].orValue('')"
_RIGHT = f"the verb {USE} on {EXEMPTIONS}.{GROUP}"


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """What the policies are about: a RuntimeClass, the handler that it must lead to, and the rules."""

    runtime_class: str
    handler: str
    rules: tuple[Rule, ...] = RULES


def default(given: Sandboxes) -> tuple[Manifest, ...]:
    """Have pods without a class get the sandbox; overhead and nodeSelector follow from the RuntimeClass.

    A pod of the node's network or processes is left as it is: it could not run in a sandbox.
    """
    name = "nodeprov-sandbox-default"
    expression = f"Object{{spec: Object.spec{{runtimeClassName: {cel(given.runtime_class)}}}}}"
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": _matched(resources("", ["CREATE"], ["pods"])),
        "matchConditions": [
            {"name": "no-mirror-of-a-static-pod", "expression": f"!({_IS_MIRROR})"},
            {"name": "no-class", "expression": "!has(object.spec.runtimeClassName)"},
            *(
                {"name": f"no-{field.lower()}", "expression": f"!object.spec.?{field}.orValue(false)"}
                for field in ("hostNetwork", "hostPID", "hostIPC")
            ),
        ],
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    }
    why = (
        f"Pods of namespaces with {LABEL}={DEFAULT} get the RuntimeClass {given.runtime_class} if they name none."
    )
    bound = {"policyName": name, "matchResources": _in_namespaces(DEFAULT)}
    return _object(MUTATING, name, why, spec), _object(f"{MUTATING}Binding", name, why, bound)


def required(given: Sandboxes) -> tuple[Manifest, ...]:
    """Refuse pods that are in no sandbox, or ask for what undoes it; in audited namespaces, warn of them."""
    name = f"nodeprov-sandbox-{REQUIRED}"
    spec = {
        "failurePolicy": "Fail",
        # It reads the object that is there: one that is gone, or leads elsewhere, makes no sandbox.
        "paramKind": {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"},
        "matchConstraints": _matched(
            resources("", ["CREATE"], ["pods"]), resources("", ["UPDATE"], ["pods/ephemeralcontainers"])
        ),
        "variables": _variables(given),
        "validations": [_all_rules()],
        "auditAnnotations": _told(),
    }
    why = f"Pods of namespaces with {LABEL}={REQUIRED} must run in a sandbox, with nothing of the node."
    of_class = {"name": given.runtime_class, "parameterNotFoundAction": "Deny"}
    deny = {
        "policyName": name,
        "paramRef": of_class,
        "validationActions": ["Deny"],
        "matchResources": _in_namespaces(REQUIRED),
    }
    # A class that is not there would refuse the pod, whatever the actions are: it is an error in the configuration
    # for the API server. Where only warnings are wanted, it has to be allowed.
    warn = {
        **deny,
        "paramRef": {**of_class, "parameterNotFoundAction": "Allow"},
        "validationActions": ["Warn", "Audit"],
        "matchResources": _in_namespaces(AUDIT),
    }
    warned = f"The same as warnings, and in the audit log, for namespaces with {LABEL}={AUDIT}."
    return (
        _object(VALIDATING, name, why, spec),
        _object(f"{VALIDATING}Binding", name, why, deny),
        _object(f"{VALIDATING}Binding", f"nodeprov-sandbox-{AUDIT}", warned, warn),
        *_templates(),
    )


def _variables(given: Sandboxes) -> list[dict[str, str]]:
    new = "object.spec.?ephemeralContainers.orValue([]).filter(c, !(c.name in variables.before))"
    before = "oldObject.spec.?ephemeralContainers.orValue([]).map(c, c.name)"
    both = "object.spec.containers + object.spec.?initContainers.orValue([])"
    rules = [_sandboxed(given), *((cel(f"rule {each.name}: {each.said}"), each.cel) for each in given.rules)]
    not_accepted = f"' ({REASON} is not accepted: it needs {_RIGHT} in this namespace)'"
    return named(
        isUpdate="request.operation == 'UPDATE'",
        before=f"variables.isUpdate ? {before} : []",
        containers=f"variables.isUpdate ? {new} : {both}",
        broken=" + ".join(f"({keeps} ? [] : [{said}])" for said, keeps in rules),
        isMirror=_IS_MIRROR,
        reason=_REASON,
        mayBreak=f"request.userInfo.username in {cel_list(CONTROLLERS)} || {may(EXEMPTIONS, USE, namespace=True)}",
        notAccepted=f"variables.reason != '' ? {not_accepted} : ''",
    )


def _sandboxed(given: Sandboxes) -> tuple[str, str]:
    """Return what is said of a pod that is in no sandbox, and whether it is in one."""
    name, handler = cel(given.runtime_class), cel(given.handler)
    leads = f"params.handler == {handler}"
    set_it = cel(f"rule {SANDBOX}: it must run in a sandbox: set runtimeClassName: {given.runtime_class}")
    swapped = cel(
        f"rule {SANDBOX}: RuntimeClass {given.runtime_class} does not lead to the handler {given.handler}: "
        "whoever runs the cluster must look at it"
    )
    keeps = f"variables.isUpdate || (object.spec.?runtimeClassName.orValue('') == {name} && {leads})"
    return f"{leads} ? {set_it} : {swapped}", keeps


def _all_rules() -> dict[str, str]:
    """Refuse with what is said of each rule that is broken.

    One validation for all of them: the API server names only the first that fails, and each costs every pod. So do
    match conditions, for which it converts the whole pod once more.
    """
    return {
        "expression": "size(variables.broken) == 0 || variables.isMirror || "
        "(variables.reason != '' && variables.mayBreak)",
        "messageExpression": "variables.broken.join('; ') + variables.notAccepted",
        "reason": "Forbidden",
    }


def _told() -> list[dict[str, str]]:
    """Write who broke the glass, and why, into the audit log; `authorizer` cannot be asked there."""
    said = "variables.reason != '' ? request.userInfo.username + ': ' + variables.reason : ''"
    return [{"key": "break-glass", "valueExpression": said}]


def _templates() -> tuple[Manifest, ...]:
    """Ask whoever writes a template that breaks the glass: its pods are made by a controller."""
    name = "nodeprov-sandbox-break-glass"

    def template(of: str) -> str:
        return f"(has({of}.spec.jobTemplate) ? {of}.spec.jobTemplate.spec.template : {of}.spec.template)"

    unchanged = "request.operation == 'UPDATE' && variables.template == variables.before"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": _matched(
            resources("apps", ["CREATE", "UPDATE"], ["deployments", "statefulsets", "daemonsets", "replicasets"]),
            resources("batch", ["CREATE", "UPDATE"], ["jobs", "cronjobs"]),
            resources("", ["CREATE", "UPDATE"], ["replicationcontrollers"]),
        ),
        "matchConditions": [
            {
                "name": "breaks-the-glass",
                "expression": f"'{REASON}' in {template('object')}.?metadata.?annotations.orValue({{}})",
            },
            {
                "name": "not-by-a-controller",
                "expression": f"!(request.userInfo.username in {cel_list(CONTROLLERS)})",
            },
        ],
        "variables": named(
            template=template("object"),
            before=f"request.operation == 'UPDATE' ? {template('oldObject')} : {template('object')}",
            reason=f"variables.template.metadata.annotations['{REASON}']",
        ),
        "validations": [
            {
                "expression": f"{unchanged} || {may(EXEMPTIONS, USE, namespace=True)}",
                "message": f"a pod template with the annotation {REASON} needs {_RIGHT} in this namespace",
                "reason": "Forbidden",
            }
        ],
        "auditAnnotations": _told(),
    }
    why = f"Who writes a pod template with the annotation {REASON} needs {_RIGHT}, in any namespace."
    return validating(name, why, spec)


def guards(given: Sandboxes) -> tuple[Manifest, ...]:
    """Keep the namespaces' label and the RuntimeClass for those who have a right of its own.

    The policies themselves no policy can keep: the API server asks none about its admission configuration, so
    that it can always be mended (IsExemptAdmissionConfigurationResource in pkg/admission). RBAC keeps them.
    """
    right = f"the verb {CHANGE} on {POLICIES}.{GROUP}"
    allowed = may(POLICIES, CHANGE, namespace=False)
    key = f"metadata.?labels[?'{LABEL}'].orValue('')"
    return (
        *_guard(
            "nodeprov-guard-namespaces",
            f"Who changes the label {LABEL} of a namespace needs {right}.",
            resources("", ["UPDATE"], ["namespaces", "namespaces/*"]),
            f"object.{key} == oldObject.{key} || {allowed}",
            f"to change the label {LABEL} of a namespace needs {right}",
        ),
        *_guard(
            "nodeprov-guard-runtimeclass",
            f"Who changes or deletes the RuntimeClass {given.runtime_class} needs {right}.",
            # Not by resourceNames: to delete all of them at once has no name (k8s.io/apiserver: DeleteCollection).
            resources("node.k8s.io", ["UPDATE", "DELETE"], ["runtimeclasses"]),
            f"oldObject.metadata.name != {cel(given.runtime_class)} || "
            "(request.operation == 'UPDATE' && object.?handler == oldObject.?handler && "
            "object.?overhead == oldObject.?overhead && object.?scheduling == oldObject.?scheduling) || "
            + allowed,
            f"to change or delete the RuntimeClass {given.runtime_class} needs {right}: pods that must be "
            "sandboxed depend on it",
        ),
    )


def _guard(name: str, why: str, matched: Mapping[str, Any], expression: str, message: str) -> tuple[Manifest, ...]:
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": _matched(matched),
        "validations": [{"expression": expression, "message": message, "reason": "Forbidden"}],
    }
    return validating(name, why, spec)


def denying(namespace: str) -> Manifest:
    """Let no pod of a namespace send or receive anything, but what other policies allow."""
    why = "Pods of this namespace reach nothing, and nothing reaches them, but what other policies allow."
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return _object("NetworkPolicy", DENY_ALL, why, spec, api="networking.k8s.io/v1", namespace=namespace)


def validating(
    name: str, why: str, spec: Mapping[str, Any], labels: Mapping[str, str] = OWNED
) -> tuple[Manifest, ...]:
    """Write a policy that refuses, wherever it matches, with its binding."""
    bound = {"policyName": name, "validationActions": ["Deny"]}
    return (
        _object(VALIDATING, name, why, spec, labels=labels),
        _object(f"{VALIDATING}Binding", name, why, bound, labels=labels),
    )


def _object(
    kind: str,
    name: str,
    why: str,
    spec: Mapping[str, Any],
    *,
    api: str = ADMISSION,
    namespace: str = "",
    labels: Mapping[str, str] = OWNED,
) -> Manifest:
    where = {"namespace": namespace} if namespace else {}
    described = {"labels": dict(labels), "annotations": {"kubernetes.io/description": why}}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **where, **described}, "spec": dict(spec)}


def _matched(*rules: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": list(rules),
    }


def _in_namespaces(mode: str) -> dict[str, Any]:
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchLabels": {LABEL: mode}},
        "objectSelector": {},
    }


def resources(group: str, operations: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    """Match operations on some resources of a group."""
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "*",
    }


def named(**expressions: str) -> list[dict[str, str]]:
    """Write variables; each may use those before it."""
    return [{"name": name, "expression": expression} for name, expression in expressions.items()]


def cel(text: str) -> str:
    """Write a string of CEL."""
    return "'" + json.dumps(text)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def cel_list(texts: Sequence[str]) -> str:
    """Write a list of strings of CEL."""
    return f"[{', '.join(map(cel, texts))}]"
