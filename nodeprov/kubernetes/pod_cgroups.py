"""The cgroups around the sandbox of a pod: whether its limits can hold it."""

from dataclasses import dataclass

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class PodSlice:
    """The limits of a pod's own cgroup, in bytes and microseconds, None for none; how often it was throttled."""

    memory_limit: int | None
    cpu_quota: int | None
    throttled: int


@dataclass(frozen=True, slots=True)
class PodCgroups:
    """The sandbox processes that are in cgroups of a pod, and what stands on those cgroups and their ancestors.

    `memory_limits` are bytes; `cpu_quotas` microseconds of a period; `throttled` counts how often any of those
    with a quota was throttled. `slice` is the pod's own cgroup around the sandbox's, seen with cgroup v2 alone.
    """

    sandboxes: tuple[str, ...]
    memory_limits: tuple[int, ...]
    cpu_quotas: tuple[int, ...]
    throttled: int
    slice: PodSlice | None = None


@dataclass(frozen=True, slots=True)
class PodCgroupsQuery:
    """Where is the sandbox of the pod with this UID, and which limits are above it?"""

    uid: str
    prefix: str
    shim: str
    """The program of ours that is no part of the sandbox."""

    @property
    def script(self) -> str:
        """Print processes, and the limits around each."""
        return render("cluster/query-pod-cgroups.sh.j2", uid=self.uid, prefix=self.prefix)

    def parse(self, output: Output) -> PodCgroups:
        """Understand what the script printed."""
        if output.returncode != 0:
            raise NodeprovError(
                f"the cgroups of a pod cannot be read: {output.said}", "ls /sys/fs/cgroup on the node"
            )
        rows = [line.split() for line in output.text.splitlines()]
        memory = {int(row[1]) for row in rows if row[0] == "memory" and row[1].isdigit()}
        cpu = [(int(row[1]), int(row[2])) for row in rows if row[0] == "cpu" and row[1].isdigit() and len(row) > 2]
        return PodCgroups(
            tuple(row[1] for row in rows if row[0] == "process" and not row[2].endswith(self.shim)),
            tuple(sorted(memory)),
            tuple(sorted({quota for quota, _ in cpu})),
            max((throttled for _, throttled in cpu), default=0),
            next((_slice(*row[1:]) for row in rows if row[0] == "pod" and len(row) > 3), None),
        )


@dataclass(frozen=True, slots=True)
class PodKillsQuery:
    """Which cgroups' limits have had processes of the pod with this UID killed, by the kernel's log?"""

    uid: str

    @property
    def script(self) -> str:
        """Print the kernel's lines about it."""
        return render("cluster/query-pod-kills.sh.j2", uid=self.uid)

    def parse(self, output: Output) -> tuple[str, ...]:
        """Understand lines such as `oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/a/b,task_memcg=/a/b/c,…`."""
        found = [line.partition("oom_memcg=")[2].partition(",")[0] for line in output.text.splitlines()]
        return tuple(path for path in found if path)


def is_pods_own(path: str, uid: str) -> bool:
    """Tell whether a cgroup is a pod's own, and not one of its containers'."""
    name = path.rpartition("/")[2]
    return uid in name or uid.replace("-", "_") in name


def _slice(memory: str, quota: str, throttled: str) -> PodSlice:
    numbers = [int(each) if each.isdigit() else None for each in (memory, quota)]
    return PodSlice(numbers[0], numbers[1], int(throttled))
