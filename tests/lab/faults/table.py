"""The table of faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.lab.faults import acts
from tests.lab.faults.acts import nothing
from tests.lab.faults.operations import AFTER, BEFORE, DURING
from tests.lab.faults.scene import Scene
from tests.lab.machines import CONFIG, CURRENT

Act = Callable[[Scene], None]

INSTALL, UPGRADE, ROLLBACK, GC, UNINSTALL = ACTIONS = ("install", "upgrade", "rollback", "gc", "uninstall")
ADOPT, GIVE_BACK = ADOPTING = ("adopt", "uninstall of what was adopted")
"""The life of a node on which somebody else has installed gVisor."""
START, PROMOTE, ABORT = "canary start", "canary promote", "canary abort"
TRYING = ("install of what has a canary", START, PROMOTE, ABORT, "uninstall of what had a canary")
"""The life of a node on which a release is tried beside another one."""
_RESTARTING = (INSTALL, UNINSTALL)
PLAIN, MOUNTS, SUDO = "plain", "mounts", "sudo"
"""Lives on a node as it is; with small file systems where nodeprov writes; as a user who needs sudo."""

_LOCK, _COMMIT = ("hold",), (f"write_link {CURRENT}",)
_SWAP = (f"write_file {CONFIG}", "run arm")
_RESTART = ("run restart", "run switched")
_SERVING = ("run prove-serving", "run switched")
"""Operations by how their names end; of two, the one that a run has."""
PLACES = {"/var/lib/nodeprov": ACTIONS, "/opt/nodeprov": ACTIONS, "/etc/containerd": _RESTARTING}
"""Where nodeprov writes, and in which actions."""


@dataclass(frozen=True)
class Must:
    """A moment at which a full run acts a fault in any case: an action, an operation, and when."""

    action: str
    what: tuple[str, ...]
    when: str = DURING


@dataclass(frozen=True)
class Fault:
    """One fault: prepared before the run, acted at a point of it, and ended when the run is over.

    `outlasts` says that the node is judged before the fault is ended, and `steady_seconds` how long containerd
    must have served by then; `anywhere` that it is acted at any point, and not only where it must be.
    """

    name: str
    does: str
    ended: str
    act: Act
    end: Act = nothing
    prepare: Act = nothing
    group: str = PLAIN
    actions: tuple[str, ...] = ACTIONS
    whens: tuple[str, ...] = (BEFORE, DURING, AFTER)
    must: tuple[Must, ...] = ()
    anywhere: bool = True
    weight: float = 1.0
    outlasts: bool = False
    steady_seconds: int = 0
    is_slow: bool = False

    @property
    def settings(self) -> Mapping[str, str]:
        """What nodeprov is told by its environment: where containerd dies late, its own default."""
        return {"NODEPROV_PROOF_STEADY_SECONDS": "6"} if self.steady_seconds else {}


_KILLED = Fault("kill -9", "nodeprov is killed", "", acts.kill_controller, weight=4)
_CUT = Fault(
    "sshd killed",
    "its SSH session's processes on the node are killed",
    "",
    acts.cut_session,
    must=(Must(INSTALL, _SWAP), Must(UNINSTALL, _SWAP)),
    weight=3,
)
_CONNECTIONS = (
    _KILLED,
    _CUT,
    Fault("link down 3 s", "the node's network is cut", "after 3 s", acts.break_link_for_a_while, acts.mend_link),
    Fault(
        "link down",
        "the node's network is cut",
        "when nodeprov has ended",
        acts.break_link,
        acts.mend_link,
        is_slow=True,
        weight=0.5,
    ),
)
_REBOOTS = (
    Fault(
        "reboot",
        "the node is killed and booted again",
        "",
        acts.reboot,
        weight=3,
        must=(
            *(Must(action, _RESTART) for action in _RESTARTING),
            Must(INSTALL, _SWAP, AFTER),
            Must(UPGRADE, _COMMIT, AFTER),
        ),
    ),
    Fault(
        "node dead",
        "the node is killed",
        "booted when nodeprov has ended",
        Scene.pull_power,
        Scene.put_power_in,
        is_slow=True,
        weight=0.5,
    ),
)
_SUDO = (
    Fault(
        "sudo stops",
        "sudoers loses the user",
        "when nodeprov has ended",
        acts.forbid_sudo,
        acts.allow_sudo,
        group=SUDO,
        weight=2,
    ),
    Fault("kill -9, with sudo", _KILLED.does, "", _KILLED.act, group=SUDO),
    Fault("sshd killed, with sudo", _CUT.does, "", _CUT.act, group=SUDO),
)
_OTHERS = (
    Fault(
        "ctr hangs",
        "`ctr` becomes a program that does not end",
        "when nodeprov has ended",
        partial(acts.shadow, "ctr", "exec sleep 987"),
        partial(acts.unshadow, "ctr"),
        whens=(BEFORE, AFTER),
        is_slow=True,
        weight=0.2,
        must=(Must(UPGRADE, ("run prove-sandbox",), BEFORE),),
    ),
    Fault(
        "config.toml edited",
        "another tool puts a line into config.toml",
        "never: the line must stay",
        acts.edit,
        weight=2,
        must=tuple(Must(action, _LOCK, BEFORE) for action in _RESTARTING),
    ),
)


def _clocks() -> list[Fault]:
    return [
        Fault(
            f"clock {title}",
            f"`date` on the node and nodeprov's own clock jump by an hour, {title}",
            "when nodeprov has ended",
            partial(acts.jump_clock, title),
            partial(acts.unshadow, "date"),
            whens=(BEFORE, AFTER),
            must=(Must(INSTALL, _SERVING, BEFORE),),
        )
        for title in ("back", "ahead")
    ]


def _places() -> list[Fault]:
    kinds: tuple[tuple[str, str, Callable[..., None], Callable[..., None]], ...] = (
        ("disk full:", "the file system is filled", acts.fill, acts.empty),
        ("no inodes:", "the file system's inodes are used up", acts.use_up_inodes, acts.empty),
        ("read-only:", "the file system is remounted read-only", acts.read_only, acts.writable),
    )
    return [
        Fault(
            f"{name} {place}",
            does,
            "when the node was judged",
            partial(act, place),
            partial(end, place),
            group=MOUNTS,
            actions=actions,
            # While a file is open for writing there is no remounting.
            whens=(BEFORE, AFTER) if act is acts.read_only else (BEFORE, DURING, AFTER),
            outlasts=True,
        )
        for name, does, act, end in kinds
        for place, actions in PLACES.items()
    ]


def _candidates() -> list[Fault]:
    kinds = {
        "does not start": acts.DOES_NOT_START,
        "dies after 5 s": acts.DIES_LATER,
        "hangs": acts.HANGS,
    }
    at_restart = tuple(Must(action, _RESTART) for action in _RESTARTING)
    besides: dict[str, Act] = {"": nothing, ", kill -9": acts.kill_controller, ", reboot": acts.reboot}
    found = [
        _candidate(f"containerd {kind}{more}", act, at_restart, 7 if kind == "dies after 5 s" else 0, *how)
        for kind, how in kinds.items()
        for more, act in besides.items()
    ]
    at_rename = tuple(Must(action, _SWAP, BEFORE) for action in _RESTARTING)
    name = "containerd does not start, kill -9 after the rename, reboot"
    return [*found, _candidate(name, acts.kill_and_reboot_after_rename, at_rename, 0, *acts.DOES_NOT_START)]


def _candidate(name: str, act: Act, must: tuple[Must, ...], steady_seconds: int, command: str, more: str) -> Fault:
    return Fault(
        name,
        "the unit's containerd misbehaves with the configuration that is written, and only with that",
        "when the node was judged",
        act,
        acts.good_candidate,
        partial(acts.bad_candidate, command, more),
        actions=_RESTARTING,
        must=must,
        anywhere=False,
        outlasts=True,
        steady_seconds=steady_seconds,
    )


FAULTS: tuple[Fault, ...] = (
    *_CONNECTIONS,
    *_REBOOTS,
    *_places(),
    *_candidates(),
    *_SUDO,
    *_OTHERS,
    *_clocks(),
)
