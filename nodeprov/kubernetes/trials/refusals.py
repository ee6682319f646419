"""Why a cluster refuses a pod or a namespace: the object that does, and what to do; and pods that it changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nodeprov.errors import NodeprovError

_OF_POLICY = r"(ValidatingAdmissionPolicy) '([^']+)' with binding '[^']+' denied request"
_OF_WEBHOOK = r'admission webhook "([^"]+)" denied the request'
_OF_QUOTA = r"(?:exceeded|failed) quota: ([^,:]+)"
_OF_LIMITS = r"usage per (?:Container|Pod) is|max limit to request ratio per"
"""kubernetes: plugin/pkg/admission/{limitranger,resourcequota}; k8s.io/apiserver: pkg/admission/plugin."""

_IN_NAMESPACE = (
    ("pod rejected: RuntimeClass", "nodeprov install NODE makes it; kubectl get runtimeclass shows what there is"),
    ("violates PodSecurity", "correct its template: kubectl describe namespace {} shows what pods may be"),
    ("is being terminated", "somebody deletes the namespace: kubectl get namespace {}; try it in another one"),
    ("must specify ", "its template has to say that of each container: kubectl describe quota -n {} shows why"),
    (
        "exceeded quota",
        "make room for two more pods, and the RuntimeClass's overhead: kubectl describe quota -n {}",
    ),
    (_OF_LIMITS, "correct its template: kubectl describe limitrange -n {} shows what its containers may ask for"),
)


def hint_in_namespace(said: str, namespace: str) -> str:
    """Return what to do where a pod is refused in a namespace of somebody; "" if the words are not known."""
    known = next((hint.format(namespace) for words, hint in _IN_NAMESPACE if re.search(words, said)), "")
    return known or _of_policies(said)


def hint_in_own_namespace(said: str, label: str) -> str:
    """Return what to do where our own namespace, or a pod in it, is refused; "" if the words are not known."""
    exempt = f"have that leave namespaces with the label {label} alone"
    if found := re.search(_OF_QUOTA, said):
        return f"something gives each new namespace the quota {found[1]}: {exempt}"
    if re.search(_OF_LIMITS, said):
        return f"something gives each new namespace a LimitRange: {exempt}"
    if "violates PodSecurity" in said:
        return f"something sets the namespace's label pod-security.kubernetes.io/enforce: {exempt}"
    if policy := _of_policies(said):
        return f"{exempt}: {policy}"
    return ""


def _of_policies(said: str) -> str:
    if found := re.search(_OF_POLICY, said):
        return f"kubectl get {found[1].lower()} {found[2]} -o yaml shows what it wants"
    if found := re.search(_OF_WEBHOOK, said):
        kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
        return f"find out who runs {found[1]}: kubectl get {kinds}"
    return ""


def insist_on_runtime_class(pod: Mapping[str, Any], wanted: str | None) -> None:
    """Raise NodeprovError where a cluster has given a pod of ours another RuntimeClass, or taken it away."""
    found = pod["spec"].get("runtimeClassName")
    if found != wanted:
        metadata = pod["metadata"]
        was, became = (f"the RuntimeClass {each}" if each else "no RuntimeClass" for each in (wanted, found))
        raise NodeprovError(
            f"the pod {metadata['namespace']}/{metadata['name']} was sent with {was} and has {became}: the "
            "sandbox cannot be compared with runc",
            "what changes pods: kubectl get mutatingadmissionpolicies,mutatingwebhookconfigurations",
        )
