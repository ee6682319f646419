"""How many nodes are changed at once, in which order, and when."""

from dataclasses import dataclass

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import ListOf
from nodeprov.inventory.schema import setting


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How many nodes are changed at the same time, in which order, and when. It is one for all nodes."""

    canary: int = setting(
        "How many nodes are changed first. Only when they are done, and still serve after the soak time, do the "
        "others follow.",
        syntax.COUNT,
        default=0,
    )
    soak_seconds: int = setting(
        "Seconds to wait after the canary nodes; then they are tested once more.",
        syntax.SECONDS_OR_NONE,
        default=0,
    )
    max_unavailable: str | None = setting(
        "How many nodes may be restarting at the same time, or out of service anyway: nodes that are not ready, "
        "or were cordoned by others, count. A percentage is of all nodes named, rounded down, at least 1. "
        "Default: one node after the other, however the others are.",
        syntax.SHARE,
        default=None,
    )
    max_parallel: int | None = setting(
        "How many nodes are changed at the same time if nothing restarts on them. Default: 10 if max_unavailable "
        "is set, else 1.",
        syntax.AT_LEAST_ONE,
        default=None,
    )
    max_failures: int = setting(
        "After this many nodes have failed no other one is begun.", syntax.AT_LEAST_ONE, default=1
    )
    allow_two_zones: bool = setting(
        "Let nodes of different zones (their label topology.kubernetes.io/zone) restart at the same time.",
        syntax.BOOLEAN,
        default=False,
    )
    quiet_seconds: int = setting(
        "Seconds to wait at most, before containerd restarts, for a moment in which no container is just being "
        "started on the node.",
        syntax.SECONDS_OR_NONE,
        default=30,
    )
    window: str | None = setting(
        "Time of the day in which nodes are changed. A node is begun only if it will be done before the end.",
        syntax.WINDOW,
        default=None,
    )
    time_zone: str = setting("Time zone of the window, days and freeze.", syntax.TIME_ZONE, default="UTC")
    days: tuple[str, ...] = setting(
        "Days on which the window begins. Default: every day.", ListOf(syntax.DAY), default=()
    )
    freeze: tuple[str, ...] = setting(
        "Dates on which no node is changed, whatever the window.", ListOf(syntax.DATES), default=()
    )
    drain: bool = setting(
        "Before containerd restarts, cordon the node and evict its pods, as kubectl drain --ignore-daemonsets "
        "does; uncordon it at the end, unless it was cordoned before. It needs the rights of "
        "`nodeprov rbac --drain`.",
        syntax.BOOLEAN,
        default=False,
    )
    drain_timeout_seconds: int = setting(
        "Seconds to wait until the pods have left; a PodDisruptionBudget may forbid it for a while.",
        syntax.SECONDS,
        default=300,
    )
    drain_force: bool = setting("Evict also pods that no controller makes again.", syntax.BOOLEAN, default=False)
    drain_emptydir_data: bool = setting(
        "Also evict pods with emptyDir volumes. Their content is lost.", syntax.BOOLEAN, default=False
    )
    after_rollback: str = setting(
        "What an install does on a node that was rolled back from the very generation that the inventory wants: "
        "hold (it is refused), or forward. The option --forward sets it for one run.",
        syntax.AFTER_ROLLBACK,
        default="hold",
    )
    wait_for: str | None = setting(
        "Labels of pods that are not to be disturbed, such as those of jobs: before containerd restarts, cordon "
        "the node and wait until its pods with these labels have ended; they are not evicted. It needs the rights "
        "of `nodeprov rbac --drain`.",
        syntax.SELECTOR,
        default=None,
    )
    wait_timeout_seconds: int = setting(
        "Seconds to wait at most until they have ended.", syntax.SECONDS, default=3600
    )
    wait_then: str = setting(
        "If they take longer: fail, and the node stays as it is; or evict them.", syntax.TOO_LONG, default="fail"
    )
    before: str | None = setting(
        "Command for sh on this machine before each node, with NODEPROV_NODE and NODEPROV_ACTION in its "
        "environment. If it fails, the node is not touched, and counts as failed.",
        syntax.SHELL,
        default=None,
    )
    after: str | None = setting(
        "Command after each node, also one that has failed: NODEPROV_RESULT is done or failed. If it fails, that "
        "counts as a failed node, which stays as it is.",
        syntax.SHELL,
        default=None,
    )
    hook_timeout_seconds: int = setting(
        "Seconds that each of these commands may take.", syntax.SECONDS, default=60
    )
