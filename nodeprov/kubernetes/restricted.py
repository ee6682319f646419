"""What pods of our own may not do, and never stay for: they run where only restricted pods may.

The fields are those of the level "restricted" (kubernetes: staging/src/k8s.io/pod-security-admission/policy).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOBODY = 65534
OF_CONTAINER: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""The securityContext of each container."""


def of_pod(user: int = NOBODY) -> dict[str, Any]:
    """Return the securityContext of a pod whose programs run as a user, and as the group of that number."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def short_lived(seconds: int) -> dict[str, Any]:
    """Return the fields of a pod that does one thing on a node that may be cordoned, and needs nothing for it.

    It ends on its own after these seconds, if nobody is there any more to remove it.
    """
    return {
        "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
        "restartPolicy": "Never",
        "dnsPolicy": "Default",
        "activeDeadlineSeconds": seconds,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
    }
