"""Pods of our own may run where only restricted ones may: by what Kubernetes asks of those."""

from __future__ import annotations

from typing import Any

from nodeprov.kubernetes.restricted import OF_CONTAINER, of_pod, short_lived


def is_restricted(pod: dict[str, Any], container: dict[str, Any]) -> bool:
    """Judge as the level "restricted" does (https://kubernetes.io/docs/concepts/security/pod-security-standards)."""
    return (
        container["allowPrivilegeEscalation"] is False
        and container["capabilities"]["drop"] == ["ALL"]
        and pod["runAsNonRoot"] is True
        and pod["runAsUser"] > 0
        and pod["seccompProfile"]["type"] in ("RuntimeDefault", "Localhost")
    )


def test_what_is_asked_of_restricted_pods_is_given() -> None:
    assert is_restricted(of_pod(), {**OF_CONTAINER})
    assert of_pod(65532)["runAsGroup"] == of_pod(65532)["runAsUser"] == 65532
    assert not is_restricted(of_pod(0), {**OF_CONTAINER})


def test_a_pod_whose_nodeprov_is_gone_ends_on_its_own_and_does_not_begin_again() -> None:
    fields = short_lived(600)
    assert (fields["activeDeadlineSeconds"], fields["restartPolicy"]) == (600, "Never")
    assert fields["automountServiceAccountToken"] is False
