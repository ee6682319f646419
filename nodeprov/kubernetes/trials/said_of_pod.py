"""What a cluster says of one pod: its state and events, as kubectl describes them, and its last output."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.kubernetes.reach import is_out_of_reach

_LINES = "200"
"""Of each container's output: an error of the sandbox stands at its end."""


_FORBIDDEN = r"^error: (pods \"{}\" is forbidden: .*)"
"""What `kubectl logs --ignore-errors` prints in place of an output (kubectl: pkg/cmd/logs)."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a cluster says of a pod, as text; `unread` is why the output of its programs is not in it."""

    text: str
    unread: str = ""


def read_said(host: Host, settings: ClusterSettings, namespace: str, name: str) -> Said:
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
    forbidden = re.search(_FORBIDDEN.format(re.escape(name)), logs[0].text, re.MULTILINE)
    is_away = logs[0].returncode != 0 and is_out_of_reach(logs[0].said)
    unread = forbidden[1] if forbidden else logs[0].said if is_away else ""
    return Said("\n".join([described, *(each.text for each in logs)]), unread)
