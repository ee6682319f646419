"""What is to be done where a cluster refuses a pod, by the words of Kubernetes."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.kubernetes.trials.refusals import hint_in_namespace, hint_in_own_namespace, insist_on_runtime_class


@pytest.mark.parametrize(
    ("said", "hint"),
    [  # by Kubernetes 1.36.3
        ('pods "a" is forbidden: failed quota: q: must specify limits.cpu for: web', "describe quota -n shop"),
        (
            'pods "a" is forbidden: maximum memory usage per Container is 32Mi, but limit is 64Mi',
            "describe limitrange -n shop",
        ),
        (
            'pods "a" is forbidden: memory max limit to request ratio per Container is 1, but provided ratio is 4',
            "describe limitrange -n shop",
        ),
        (
            "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'no' with binding 'b' denied request: no",
            "kubectl get validatingadmissionpolicy no -o yaml",
        ),
        ('admission webhook "validate.kyverno.svc" denied the request: no', "who runs validate.kyverno.svc"),
        ('pods "a" is forbidden: pod rejected: RuntimeClass "gvisor" not found', "nodeprov install NODE"),
        ('pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivi', "describe namespace shop"),
        ('pods "a" is forbidden: exceeded quota: q, requested: limits.memory=128Mi', "describe quota -n shop"),
        (
            'pods "a" is forbidden: unable to create new content in namespace shop because it is being terminated',
            "shop",
        ),
    ],
)
def test_what_the_api_server_refuses_has_a_hint_of_its_own(said: str, hint: str) -> None:
    assert hint in hint_in_namespace(said, "shop")


def test_what_is_not_known_of_a_refusal_keeps_its_hint() -> None:
    assert hint_in_namespace('pods is forbidden: User "ann" cannot create resource "pods"', "shop") == ""


LABEL = "app.kubernetes.io/managed-by=nodeprov"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            'pods "a" is forbidden: exceeded quota: compute, requested: pods=1',
            "gives each new namespace the quota compute",
        ),
        ('pods "a" is forbidden: minimum memory usage per Container is 32Mi, but request is 16Mi', "a LimitRange"),
        (
            'pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged',
            "pod-security.kubernetes.io",
        ),
        (
            "namespaces \"a\" is forbidden: ValidatingAdmissionPolicy 'no' with binding 'b' denied request: no",
            "kubectl get validatingadmissionpolicy no -o yaml",
        ),
    ],
)
def test_what_refuses_our_own_namespace_or_its_pods_is_told_how_to_leave_it_alone(said: str, hint: str) -> None:
    found = hint_in_own_namespace(said, LABEL)
    assert hint in found
    assert LABEL in found
    assert hint_in_own_namespace("it is full", LABEL) == ""


def test_a_pod_that_was_brought_into_the_sandbox_or_out_of_it_is_told() -> None:
    pod = {"metadata": {"namespace": "shop", "name": "a"}, "spec": {"runtimeClassName": "gvisor"}}
    insist_on_runtime_class(pod, "gvisor")
    with pytest.raises(NodeprovError, match="was sent with no RuntimeClass and has the RuntimeClass gvisor"):
        insist_on_runtime_class(pod, None)
    with pytest.raises(NodeprovError, match="was sent with the RuntimeClass gvisor and has no RuntimeClass"):
        insist_on_runtime_class({**pod, "spec": {}}, "gvisor")
