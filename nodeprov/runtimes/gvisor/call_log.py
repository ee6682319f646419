"""What gVisor notes of calls that it does not know: the file gvisor.log beside the logs of a pod's containers."""

import json
import re
from collections.abc import Iterator
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.templates import as_it_is
from nodeprov.workloads.unsupported import Note, PodNotes

_SAID = re.compile(r"Unsupported syscall (\w+)\(([^)]*)\)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")
_FOLDER = re.compile(r"([a-z0-9-]+)_([a-z0-9.-]+)_([0-9a-f-]+)")
"""kubelet's: namespace, name and UID of the pod (pkg/kubelet/kuberuntime/helpers.go, BuildPodLogsDirectory)."""
_TOLD_APART = {
    "arch_prctl": (0,),
    "prctl": (0,),
    "ioctl": (1,),
    "epoll_ctl": (1,),
    "shmctl": (1,),
    "futex": (1,),
    "fallocate": (1,),
    "getsockopt": (1, 2),
    "setsockopt": (1, 2),
    "semctl": (2,),
}
"""The arguments that say what is asked for: of each kind one call is noted (gvisor: runsc/boot/compat.go)."""
_LONGEST = 20
"""Characters of an argument, which is a number: a sandbox may note anything."""
_LONGEST_NAME = 40
_NAMELESS = {
    "sys_442": "mount_setattr",
    "sys_443": "quotactl_fd",
    "sys_444": "landlock_create_ruleset",
    "sys_445": "landlock_add_rule",
    "sys_446": "landlock_restrict_self",
    "sys_447": "memfd_secret",
    "sys_448": "process_mrelease",
    "sys_449": "futex_waitv",
    "sys_450": "set_mempolicy_home_node",
    "sys_451": "cachestat",
    "sys_452": "fchmodat2",
    "sys_453": "map_shadow_stack",
    "sys_454": "futex_wake",
    "sys_455": "futex_wait",
    "sys_456": "futex_requeue",
    "sys_457": "statmount",
    "sys_458": "listmount",
    "sys_459": "lsm_get_self_attr",
    "sys_460": "lsm_set_self_attr",
    "sys_461": "lsm_list_modules",
    "sys_462": "mseal",
}
"""Calls whose names gVisor does not know; from 424 on they have the same number on every architecture."""


class CallsQuery:
    """Which calls did the sandboxes of this node's pods not know?

    Each kind of call is noted once in a sandbox, and kubelet deletes the note with the pod's logs.
    """

    @property
    def script(self) -> str:
        """Print the notes of each pod behind the name of its folder."""
        return as_it_is("gvisor/query-calls.sh.j2")

    def parse(self, output: Output) -> list[PodNotes]:
        """Understand what the script printed; what is no note is left out, as a sandbox itself writes the file."""
        if output.returncode != 0:
            raise NodeprovError(f"the logs of pods cannot be read: {output.said}", "ls /var/log/pods on the node")
        pods: dict[str, list[Note]] = {}
        for line in output.text.split("\n"):  # as sed does, and no sandbox can write one of those
            folder, _, said = line.partition(" ")
            pods.setdefault(folder, []).extend(_note(said))
        found = [(match, notes) for folder, notes in pods.items() if (match := _FOLDER.fullmatch(folder))]
        return [PodNotes(match[1], match[2], match[3], tuple(notes)) for match, notes in found]


def _note(line: str) -> Iterator[Note]:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict) or not (said := _SAID.search(str(value.get("log", "")))):
        return
    time = _TIME.fullmatch(str(value.get("time", "")))
    yield Note(_call(said[1], said[2].split(",")), f"{time[1]}Z" if time else "")


def _call(name: str, arguments: list[str]) -> str:
    told = [arguments[number][:_LONGEST] for number in _TOLD_APART.get(name, ()) if number < len(arguments)]
    return " ".join([_NAMELESS.get(name, name[:_LONGEST_NAME]), *told])
