"""The names by which policies, namespaces and those who may change them know each other."""

from __future__ import annotations

LABEL = "nodeprov.io/sandbox"
"""The label of a namespace that says what holds in it: one of MODES."""
DEFAULT, AUDIT, REQUIRED = MODES = ("default", "audit", "required")
REASON = "nodeprov.io/break-glass"
"""The annotation of a pod, or of a pod template, that says why it has to run without a sandbox."""
OWNED = {"app.kubernetes.io/managed-by": "nodeprov", "app.kubernetes.io/component": "policy"}
"""The labels of every object of a policy."""
SELECTOR = ",".join(f"{key}={value}" for key, value in OWNED.items())
MANAGER = "nodeprov-policy"
"""The field manager: what of a namespace it has written is taken back by a remove."""
GROUP = "nodeprov.io"
"""The group of two resources that are no objects: RBAC gives verbs on them, and policies ask for these."""
EXEMPTIONS, USE = "sandboxexemptions", "use"
POLICIES, CHANGE = "sandboxpolicies", "change"

POD_SECURITY = {f"pod-security.kubernetes.io/{each}": "restricted" for each in ("enforce", "audit", "warn")}
DENY_ALL = "nodeprov-default-deny"
"""The NetworkPolicy of the sandbox profile."""

CONTROLLERS = (
    "system:kube-controller-manager",  # without --use-service-account-credentials
    *(
        f"system:serviceaccount:kube-system:{each}-controller"
        for each in ("replicaset", "daemon-set", "statefulset", "job", "cronjob", "replication", "deployment")
    ),
)
"""Who makes pods of templates: whoever wrote the template was asked for the right to break the glass."""


def may(resource: str, verb: str, *, namespace: bool) -> str:
    """Write in CEL whether whoever asks has a verb on one of our two resources."""
    where = ".namespace(request.namespace)" if namespace else ""
    return f"authorizer.group('{GROUP}').resource('{resource}'){where}.check('{verb}').allowed()"
