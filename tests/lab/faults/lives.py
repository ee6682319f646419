"""A life of a node, from install to uninstall, with a fault in each of its runs; and the judgement of each."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.lab.faults.judge import ELSE, Seen, State, difference, look, verdict
from tests.lab.faults.operations import DURING, GO
from tests.lab.faults.plan import Case, Life
from tests.lab.faults.record import USER, Record, arguments, inventory, is_nothing_to_do
from tests.lab.faults.scene import EDIT, Scene
from tests.lab.faults.table import MOUNTS, PLACES, SUDO
from tests.lab.faults.watching import Watching
from tests.lab.machines import CONFIG, Kubectl, Machine, eventually
from tests.lab.running import nodeprov

QUICKER = "RestartSec=1"
SUDO_USER = f"""
useradd -m -s /bin/bash {USER} && mkdir -p /home/{USER}/.ssh && cp /root/.ssh/authorized_keys /home/{USER}/.ssh/
chown -R {USER}: /home/{USER} && echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/faults
"""
NO_SUDO_USER = (
    f"rm -f /etc/sudoers.d/faults /root/faults.sudoers; pkill -9 -u {USER}; userdel -r {USER} 2>/dev/null; true"
)
MOUNT = "set -e\n" + "\n".join(
    f"mkdir -p {place} && cp -a {place} /run/copied\n"
    f"mount -t tmpfs -o mode=0755,nr_inodes=200,size={size} tmpfs {place}\n"
    f"cp -a /run/copied/. {place}/ && rm -rf /run/copied"
    for place, size in zip(PLACES, ("4m", "600m", "4m"), strict=True)
)
PROOFS = "ctr -n nodeprov containers ls -q"
UNMOUNT = "; ".join(f"umount -l {place}" for place in PLACES)


@dataclass(frozen=True)
class Tried:
    """A fault that was acted, and what came of it."""

    fault: str
    action: str
    point: str
    outcome: str
    wrong: str
    exit_code: int
    seconds: float
    is_lost: bool = False
    """Whether no rerun brings the node to where it was to go."""


class Living:
    """A node in the middle of a life."""

    def __init__(self, node: Machine, kubectl: Kubectl, record: Record, group: str, seed: str) -> None:
        self._scene = Scene(node)
        self._kubectl = kubectl
        self._record = record
        self._group = group
        self._rng = random.Random(seed)
        self._plain: tuple[str, ...] = ()

    def live(self, life: Life, tried: list[Tried]) -> None:
        """Take the node through a life; what is wrong is in the list, and a node that is lost ends it."""
        node = self._scene.node
        with self._prepared():
            listing = node.listing()
            with eventually() as more:  # a pod of the test before may still be ending
                while len(plain := self._look().plain) != 1:
                    assert more(), f"the pod's containers are {plain}"
            self._plain = plain
            for case in life.cases.values():
                found = self._case(case)
                tried.append(found)
                if found.is_lost:
                    return
            self._scene.node.run(f"sed -i '/^{EDIT.decode().strip()}$/d' {CONFIG}")
            left = set(node.listing().splitlines()) ^ set(listing.splitlines())
            left |= {f"a proof's container: {each}" for each in node.run(PROOFS).split()}
            if left:
                tried.append(Tried("(the whole life)", "", "", ELSE, f"not as before: {sorted(left)}", 0, 0))

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        node = self._scene.node
        node.drop_in(QUICKER, "quicker")  # in /etc, and so also after a reboot
        node.run({MOUNTS: MOUNT, SUDO: SUDO_USER}.get(self._group, "true"))
        try:
            yield
        finally:
            node.host.close()
            node.run({MOUNTS: UNMOUNT, SUDO: NO_SUDO_USER}.get(self._group, "true"))

    def _case(self, case: Case) -> Tried:
        began = time.monotonic()
        outcome, wrong, code = self._act(case)
        lost = self._lost(case)
        wrong = "; ".join(filter(None, (wrong, lost)))
        seconds = time.monotonic() - began
        point = str(case.point)
        return Tried(
            case.fault.name, case.action, point, ELSE if wrong else outcome, wrong, code, seconds, bool(lost)
        )

    def _act(self, case: Case) -> tuple[str, str, int]:
        """Act a fault, and judge what it leaves."""
        scene, fault = self._scene, case.fault
        scene.answer, scene.has_rebooted = GO, False
        with contextlib.ExitStack() as ends:
            ends.callback(fault.end, scene)
            fault.prepare(scene)
            where = inventory(case.action, scene.node.name, self._group)
            scene.run = Watching(arguments(case.action, scene.node.name), where, case.point, fault.settings)
            ends.callback(scene.run.kill)
            reached = self._reach(case)
            ended = scene.run.end()
            if not fault.outlasts:
                ends.close()
            seen = self._look(fault.steady_seconds)
        before, wanted = self._record.before(case.action), self._record.wanted(case.action)
        outcome, wrong = verdict(seen, self._edited(before), self._edited(wanted), ended.returncode)
        more = [wrong, self._other_pods(seen)] + (["a traceback"] if "Traceback" in ended.stderr else [])
        if not reached:
            more.append("the run never came to that point")
        wrong = "; ".join(filter(None, more))
        if wrong:
            wrong += f" (it said: {ended.stderr[-600:]})"
        return outcome, wrong, ended.returncode

    def _reach(self, case: Case) -> bool:
        """Act the fault when the run comes to the point; say whether it did."""
        run = self._scene.running
        if not run.reaches(case.point):
            return False
        if case.point.when == DURING:
            time.sleep(self._rng.random() * case.point.seconds)
        case.fault.act(self._scene)
        if case.point.when != DURING and run.process.poll() is None:
            run.go_on(self._scene.answer)
        return True

    def _lost(self, case: Case) -> str:
        """Run the same command again, which must bring the node to what is wanted; say if it does not."""
        command = arguments(case.action, self._scene.node.name)
        with_inventory = inventory(case.action, self._scene.node.name, self._group)
        again = nodeprov(*command, inventory=with_inventory)
        if again.returncode != 0:
            return f"the rerun ends with {again.returncode}: {again.stderr[-800:]}"
        wanted = self._edited(self._record.wanted(case.action))
        seen = self._look()
        wrong = [*seen.wrong, self._other_pods(seen), difference(seen.state, wanted)]
        if any(wrong):
            return f"after the rerun: {'; '.join(filter(None, wrong))}"
        if seen.labelled != wanted.declares:
            return "after the rerun the label is not as wanted"
        if seen.canary_labelled != bool(wanted.tried):
            return "after the rerun the canary's label is not as wanted"
        if is_nothing_to_do(again.stdout):
            return ""
        third = nodeprov(*command, inventory=with_inventory)
        if third.returncode != 0 or not is_nothing_to_do(third.stdout):
            return f"a second rerun changes something: {third.stdout[-600:]}"
        return ""

    def _look(self, steady_seconds: int = 0) -> Seen:
        return look(self._scene.node, self._kubectl, self._record.sums, steady_seconds)

    def _edited(self, state: State) -> State:
        return replace(state, config=self._scene.edited(state.config))

    def _other_pods(self, seen: Seen) -> str:
        """See that the pod which has nothing to do with gVisor runs, and never noticed but for a reboot."""
        if self._scene.has_rebooted and len(seen.plain) == 1:
            self._plain = seen.plain
            self._scene.has_rebooted = False
        return "" if seen.plain == self._plain else f"the pod's containers are {seen.plain} and were {self._plain}"
