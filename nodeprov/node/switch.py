"""The dead man's switch: a node swaps files and restarts containerd, and goes back if it does not serve."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nodeprov.containerd.words import last_words
from nodeprov.errors import NodeprovError, RollbackFailed, RolledBack, TakenOver, ended
from nodeprov.hosts.base import Host, Output, Script, check, rendered
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Names, Swap
from nodeprov.redaction import redacted
from nodeprov.states import FileState
from nodeprov.templates import render

SWITCH_UNIT = "nodeprov-switch.service"
RECOVERY_UNIT = "nodeprov-recovery.service"
"""What puts the files back when the node boots in the middle of a swap."""
WAIT_SECONDS = 20
"""How long one command waits on the node for the end of a switch."""


def folder(state: str) -> str:
    """Name the switch's folder below that of nodeprov's state."""
    return f"{state}/switch"


def steady_seconds(settings: Settings, daemon: Daemon) -> int:
    """Return how long containerd is watched after its restart: so long that systemd would have restarted it."""
    return max(settings.proof.steady_seconds, math.ceil(daemon.restart_seconds) + 1)


@dataclass(frozen=True, slots=True)
class Switched:
    """The last change that a node was to make on its own: of which run, and how it ended; "" if it has not."""

    run: str
    outcome: str = ""
    why: str = ""
    hit: tuple[str, ...] = ()
    """The containers of others that the restart has cut off, in words."""

    @classmethod
    def read(cls, run: str, text: str) -> Switched:
        """Read what the node wrote down: how it ended, and below it why, and who was hit."""
        outcome, _, rest = text.partition("\n")
        lines = redacted(rest).splitlines()
        hit = tuple(line.removeprefix(_HIT) for line in lines if line.startswith(_HIT))
        why = "; ".join(_causes([line for line in lines if not line.startswith(_HIT)]))
        return cls(run, outcome, why, hit)

    @property
    def restored(self) -> bool:
        """Tell whether the node has gone back."""
        return self.outcome not in ("", "kept")


_HIT = "hit: "
_LOG = "log: "
"""How a line begins that is of containerd's log, behind the sentence that it explains."""


def _causes(lines: Sequence[str]) -> Sequence[str]:
    """Read why a node went back: each sentence once, with what containerd's log gives as its cause."""
    found: list[str] = []
    for is_log, group in groupby(filter(str.strip, lines), lambda line: line.startswith(_LOG)):
        said = [line.removeprefix(_LOG).strip() for line in group]
        if is_log and found:
            found[-1] = ended(f"{ended(found[-1])}: {last_words(chr(10).join(said))}")
        else:
            found += [ended(line) for line in said]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class SwitchAtWork:
    """Is a dead man's switch still at work, after a while?"""

    state: str

    @property
    def script(self) -> str:
        """Print nothing if none is."""
        values = {"folder": folder(self.state), "unit_name": SWITCH_UNIT, "wait_seconds": WAIT_SECONDS}
        return render("switch/switch-ends.sh.j2", **values)

    def parse(self, output: Output) -> bool:
        """Understand what the script printed."""
        return bool(output.text.strip())


UNITS = "/etc/systemd/system"
MARKER = "/run/nodeprov-switch"
"""A file that no reboot outlives."""

RESTART_SECONDS = 90
PATIENCE_SECONDS = 30
CONFIRM_SECONDS = 60
SPARE_SECONDS = 60
RECONNECT_SECONDS = 3.0
ANSWERS = "answers\n"
"""What a node says when containerd answers again after its restart, and is watched still."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node has seen at the end of a swap that it keeps, and the containers of others that were cut off."""

    said: str
    hit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """The dead man's switch of one node."""

    host: Host
    daemon: Daemon
    settings: Settings
    run: str
    """The name of the run's receipt."""

    def hand_over(
        self, swap: Swap, meanwhile: Callable[[], None] | None = None, init_containers: Names = frozenset()
    ) -> Kept:
        """Hand a swap over to the node and wait for its word, over as many connections as it takes.

        `meanwhile` is called once when containerd answers again, while the node watches whether it goes on. What
        is seen then counts for nothing unless this returns. It is not called where the node waits for our
        confirmation, which must not come late.

        Before it restarts containerd, the node waits for a moment in which no container is being started and none
        of `init_containers` runs; these are named by their namespaces and names.

        Raises RolledBack when the node has put the files back and containerd serves with them, RollbackFailed
        when it does not serve with them either, and NodeprovError when it was not begun or the node cannot be
        asked any more.
        """
        self.settle()
        for number, change in enumerate(swap.changes, start=1):
            if isinstance(change.after, FileState):
                self.host.write_file(f"{self._next}/new.{number}", change.after)
        doing = "the swap of containerd's configuration cannot be handed over to the node"
        check(self.host.run(self.arming(swap, init_containers)), doing, where=self.host.name)
        if self._confirm_seconds:
            meanwhile = None
        return self._understood(self._outcome(meanwhile), swap)

    def settle(self) -> None:
        """Wait for the end of what was handed over, by an earlier run or over a connection that was lost.

        Raises NodeprovError if it does not end.
        """
        script = rendered(
            "switch/settle.sh.j2",
            state=self.settings.paths.state,
            unit_name=SWITCH_UNIT,
            folder=self._folder,
            next=self._next,
            wait_seconds=2 * self._most_seconds,
        )
        output = self.host.run(script, timeout_seconds=3.0 * self._most_seconds)
        hint = f"systemctl status {SWITCH_UNIT}"
        check(output, f"look at {self._folder} on the node", where=self.host.name, hint=hint)

    def arming(self, swap: Swap, init_containers: Names = frozenset()) -> Script[Output]:
        """Make the script that makes everything ready on the node, and starts the switch."""
        files = [{"path": change.resource.path, "sha256": _sha256(change)} for change in swap.changes]
        service = render("switch/recovery.service.j2", unit=swap.restart.unit, folder=self._folder)
        return rendered(
            "switch/arm.sh.j2",
            state=self.settings.paths.state,
            folder=self._folder,
            next=self._next,
            files=files,
            script=self.script(swap, init_containers),
            run=self.run,
            service=service,
            recovery_name=RECOVERY_UNIT,
            unit_name=SWITCH_UNIT,
            most_seconds=self._most_seconds,
            **self._places(swap.restart.unit),
        )

    def script(self, swap: Swap, init_containers: Names = frozenset()) -> str:
        """Write the script that the node runs on its own."""
        return render(
            "switch/switch.sh.j2",
            folder=self._folder,
            paths=[change.resource.path for change in swap.changes],
            unit=swap.restart.unit,
            ctr=self.daemon.ctr,
            socket=self.daemon.socket,
            root=self.daemon.effective.root,
            quiet_seconds=self.settings.rollout.quiet_seconds,
            filters=[_filter(*each) for each in sorted(init_containers)],
            restart_seconds=RESTART_SECONDS,
            patience_seconds=PATIENCE_SECONDS,
            settle_seconds=self._settle_seconds,
            confirm_seconds=self._confirm_seconds,
            **self._places(swap.restart.unit),
        )

    def _places(self, unit: str) -> dict[str, Any]:
        wants = f"{UNITS}/{unit}.wants"
        return {
            "units": UNITS,
            "recovery": f"{UNITS}/{RECOVERY_UNIT}",
            "wants_folder": wants,
            "wants": f"{wants}/{RECOVERY_UNIT}",
            "marker": MARKER,
        }

    @property
    def _folder(self) -> str:
        return folder(self.settings.paths.state)

    @property
    def _next(self) -> str:
        return f"{self._folder}.next"

    @property
    def _confirm_seconds(self) -> int:
        return CONFIRM_SECONDS if self.settings.proof.unconfirmed == "restore" else 0

    @property
    def _settle_seconds(self) -> int:
        return steady_seconds(self.settings, self.daemon)

    @property
    def _most_seconds(self) -> int:
        """Return how long each half may take: there, and back."""
        proving = PATIENCE_SECONDS + self._settle_seconds + self._confirm_seconds
        return self.settings.rollout.quiet_seconds + RESTART_SECONDS + proving + SPARE_SECONDS

    def _outcome(self, meanwhile: Callable[[], None] | None = None) -> str:
        """Ask until the node reports how it ended; a connection that is lost is made again."""
        deadline = time.monotonic() + 2 * self._most_seconds
        while True:
            try:
                output = self.host.run(self._asking(early=bool(meanwhile)), timeout_seconds=2.0 * WAIT_SECONDS)
                if meanwhile and output.text == ANSWERS:
                    meanwhile()
                    meanwhile = None
                    continue
                if output.text == "proven\n":
                    self.host.run(rendered("switch/confirm.sh.j2", folder=self._folder))
                elif output.returncode == 0 and output.stdout:
                    return output.text
                problem = NodeprovError("the node does not report how its switch has ended", where=self.host.name)
            except TakenOver:
                raise
            except NodeprovError as error:
                problem = error
                self.host.close()
                time.sleep(RECONNECT_SECONDS)  # not cancellable: what is to be taken back, only the node knows
            if time.monotonic() > deadline:
                hint = "the node finishes or rolls back on its own: see nodeprov status, then run this again"
                raise NodeprovError(problem.message, hint, where=self.host.name) from None

    def _asking(self, *, early: bool) -> Script[Output]:
        values = {"folder": self._folder, "wait_seconds": WAIT_SECONDS, "early": early}
        return rendered("switch/switched.sh.j2", when_well=ANSWERS.encode() if early else b"", **values)

    def _understood(self, outcome: str, swap: Swap) -> Kept:
        switched = Switched.read(self.run, outcome)
        why = switched.why or "no reason given"
        where, hint = self.host.name, f"journalctl -u {swap.restart.unit} on the node"
        if switched.outcome == "kept":
            said = f"CRI is ok, the main process is unchanged after {self._settle_seconds} s"
            return Kept(said, switched.hit)
        if switched.outcome.startswith("restored") and not self._is_left(swap):
            said = f"the new configuration was not kept, and the node rolled back on its own: {why}"
            raise RolledBack(said, hint, where=where, hit=switched.hit)
        if switched.outcome == "stuck":
            raise RollbackFailed(
                f"the node cannot put its old configuration back: {why}",
                f"see `why` in {self._folder} on the node; when nothing forbids it, the next boot or run does it",
                where=where,
            )
        raise RollbackFailed(
            f"the node went back to its old configuration, and containerd does not serve with it either: {why}",
            hint,
            where=where,
        )

    def _is_left(self, swap: Swap) -> bool:
        """Tell whether anything of ours is still there; what somebody else has made of it is theirs."""
        found = self.host.ask([change.resource.query for change in swap.changes])
        return any(state == change.after for state, change in zip(found, swap.changes, strict=True))


def _filter(namespace: str, name: str) -> str:
    """Choose containers by the labels that kubelet gives them (containerd: pkg/filters)."""
    return f'labels."io.kubernetes.pod.namespace"=={namespace},labels."io.kubernetes.container.name"=={name}'


def _sha256(change: Change) -> str:
    return hashlib.sha256(change.before.content).hexdigest() if isinstance(change.before, FileState) else ""
