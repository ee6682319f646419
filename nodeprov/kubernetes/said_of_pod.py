"""What a cluster says of one pod: its state and events, as kubectl describes them, and its last output."""

from __future__ import annotations

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.kubectl import kubectl

_LINES = "200"
"""Of each container's output: an error of the sandbox stands at its end."""


def read_said(host: Host, settings: ClusterSettings, namespace: str, name: str) -> str:
    """Read all that kubectl tells of a pod; raise NodeprovError if it is not there, or cannot be read.

    Output that there is not (yet) is no error: a container that never started has none.
    """
    call, place = kubectl(settings), ("-n", namespace)
    doing = f"the pod {namespace}/{name} cannot be read"
    try:
        described = call.run(host, *place, "describe", "pod", name, doing=doing)
    except NodeprovError as error:
        if "NotFound" in error.message or "not found" in error.message:
            error.hint = f"kubectl get pods -n {namespace}"
        raise
    logs = [
        host.run(
            call.call(*place, "logs", name, "--all-containers", "--ignore-errors", f"--tail={_LINES}", *which)
        )
        for which in ((), ("--previous",))
    ]
    return "\n".join([described, *(each.text for each in logs)])
