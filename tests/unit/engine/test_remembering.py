"""That there was nothing to do is remembered, and holds as long as nothing differs of what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeprov.engine.fleet import Fleet
from nodeprov.engine.look import Install, Uninstall
from nodeprov.hosts.base import Place, Script
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import Node, parse
from nodeprov.kubernetes.settled import still_settled
from nodeprov.node import known_trees
from nodeprov.node.memory import Memory
from nodeprov.node.watched import Seen, WatchedQuery
from nodeprov.plan.plan import Plan
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import HOME, INVENTORY, PlayedNode
from tests.support.samples import a_run, release

(WORKER,) = parse(INVENTORY, "nodeprov.toml").nodes


class Remembering:
    """A node on which a release is installed, and the memory of a machine that provisions it."""

    def __init__(self, node: PlayedNode, folder: Path, worker: Node = WORKER) -> None:
        self.node = node
        self.worker = worker
        self.folder = folder / "memory"
        self.memory = Memory(self.folder)
        self.commands = 0
        self.scripts: list[str] = []
        self.made = release(folder, content=b"#!/bin/sh\n")
        self.hosts = LocalNode("worker1", enter=node.enter, on_command=self._count)
        self.fleet = Fleet([worker], self.hosts, lambda *_: self.made, self.memory)

    def _count(self, _host: str, script: Script[Any]) -> None:
        self.commands += 1
        self.scripts.append(script.text)

    def planned(self) -> Plan:
        plans = self.fleet.plan(Install(GVISOR))
        assert not plans.errors, plans.errors
        return plans.good[0].plan

    def install(self) -> None:
        (outcome,) = self.fleet.apply(self.fleet.plan(Install(GVISOR)).good, a_run())
        assert (outcome.exit_code, outcome.error) == (0, None)
        self.node.said("sleep 0.1")  # what changed in the very moment of a look is not remembered

    def seen(self) -> str:
        """What the command shows of what the memory rests on."""
        found = self.memory.of(WORKER)
        assert found is not None
        seen: Seen = self.hosts.of(WORKER)[Place.NODE].ask([WatchedQuery(found.watched)])[0]
        return seen.digest

    def at_rest(self) -> str:
        """The same, when no process begins any more."""
        before, now = "", self.seen()
        while before != now:
            before, now = now, self.seen()
        return now

    def recalled(self, worker: Node | None = None) -> Mapping[str, Plan]:
        worker = worker or self.worker
        found = self.memory.of(worker)
        known = {worker.name: found} if found else {}
        return still_settled(known, [worker] if found else [], self.hosts.of, lambda _node: "")[0]


@pytest.fixture
def remembering(node: PlayedNode, tmp_path: Path) -> Remembering:
    it = Remembering(node, tmp_path)
    it.install()
    return it


def test_nothing_to_do_is_recalled_by_one_command_with_the_same_plan(remembering: Remembering) -> None:
    assert remembering.recalled() == {}
    plan = remembering.planned()
    assert not plan.pending
    before = remembering.commands
    assert remembering.recalled() == {"worker1": plan}
    assert remembering.recalled() == {"worker1": plan}
    assert remembering.commands == before + 2


def test_a_node_with_two_handlers_is_remembered_as_a_whole(node: PlayedNode, tmp_path: Path) -> None:
    (worker,) = parse(INVENTORY + '[handlers.runsc-kvm]\nplatform = "ptrace"\n', "nodeprov.toml").nodes
    remembering = Remembering(node, tmp_path, worker)
    remembering.install()
    plan = remembering.planned()
    assert not plan.pending
    assert [each.handler for each in plan.handlers] == ["runsc", "runsc-kvm"]
    assert remembering.recalled() == {"worker1": plan}
    assert remembering.recalled(WORKER) == {}  # with the first handler alone it is another question
    remembering.planned()
    node.said(f"touch {HOME}/opt/handlers/runsc-kvm/current/runsc.toml")
    assert remembering.recalled() == {}


def hashing(remembering: Remembering) -> int:
    """Plan, and count the commands that compute the digests of the release."""
    seen = len(remembering.scripts)
    assert not remembering.planned().pending
    return sum("-exec sha256sum" in each for each in remembering.scripts[seen:])


def test_digests_are_not_computed_again_while_the_release_looks_as_it_did(
    remembering: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_trees, "SETTLED_SECONDS", 0.0)
    assert hashing(remembering) == 1
    assert hashing(remembering) == 0
    assert remembering.recalled() != {}, "and it is remembered still"
    remembering.node.said(f"touch {RELEASE}/runsc; sleep 0.1")
    assert hashing(remembering) == 1
    remembering.node.said(f"touch {HOME}/etc/config.toml; sleep 0.1")
    assert hashing(remembering) == 0, "that is no part of it"
    remembering.fleet = Fleet(
        [WORKER], remembering.hosts, lambda *_: remembering.made, remembering.memory, trusts_memory=False
    )
    assert hashing(remembering) == 1, "a deep look computes them"


def test_a_release_that_was_damaged_within_its_size_and_its_time_is_seen(remembering: Remembering) -> None:
    remembering.planned()
    remembering.node.said(BREAKS["and looks as old and as long as before"].replace("x y", "b c"))
    assert "tree" in [each.resource.key.partition(":")[0] for each in remembering.planned().changes]


def test_what_is_to_be_done_is_not_remembered(remembering: Remembering) -> None:
    remembering.planned()
    remembering.node.said(f"rm {HOME}/opt/handlers/runsc/current")
    assert remembering.planned().pending
    assert list(remembering.folder.iterdir()) == []
    remembering.install()
    remembering.planned()
    assert remembering.recalled() != {}


def test_an_uninstall_is_read_in_full_and_ends_what_is_remembered(remembering: Remembering) -> None:
    remembering.planned()
    plans = remembering.fleet.plan(Uninstall(GVISOR))
    (outcome,) = remembering.fleet.apply(plans.good, a_run())
    assert outcome.exit_code == 0
    assert remembering.recalled() == {}
    assert remembering.planned().pending


RECEIPT = f"$(ls {HOME}/state/receipts/* | head -n 1)"
GENERATION = f"$(readlink -f {HOME}/opt/handlers/runsc/current)"
RELEASE = f"$(echo {HOME}/opt/releases/2*)"
CONFIG_FILE = f"{HOME}/etc/config.toml"
BREAKS = {
    "a program of the release is another": f"echo x >> {RELEASE}/runsc",
    "and looks as old and as long as before": f"cp -p {RELEASE}/runsc /run/kept; "
    f"tr x y < /run/kept > {RELEASE}/runsc; touch -r /run/kept {RELEASE}/runsc",
    "a program of the release may not be started": f"chmod a-x {RELEASE}/runsc",
    "the release has a file more": f"touch {RELEASE}/more",
    "the release is somebody else's": f"chown 1000 {RELEASE}",
    "the generation's flags are others": f"echo '# x' >> {GENERATION}/runsc.toml",
    "the generation's link leads elsewhere": f"ln -sfn /bin/true {GENERATION}/containerd-shim-runsc-v1",
    "another generation": f"mkdir {HOME}/opt/handlers/runsc/0123",
    "another handler": f"mkdir {HOME}/opt/handlers/other",
    "another release": f"mkdir {HOME}/opt/releases/other",
    "a receipt is edited": f"echo >> {RECEIPT}",
    "a receipt more": f"cp {RECEIPT} {HOME}/state/receipts/000009-install.json",
    "what the restart wrote down is edited": f"echo >> {HOME}/state/daemon.json",
    "a change is in flight": f"mkdir -p {HOME}/state/switch; echo x > {HOME}/state/switch/run",
    "and is another one then": f"echo y > {HOME}/state/switch/run",
    "the state's folder may be entered by all": f"chmod 755 {HOME}/state",
    "the configuration has another line": f"echo '# x' >> {CONFIG_FILE}",
    "the configuration is edited within its size and its time": f"cp -p {CONFIG_FILE} /run/kept; "
    f"tr 2 3 < /run/kept > {CONFIG_FILE}; touch -r /run/kept {CONFIG_FILE}",
    "the configuration was replaced by its copy": f"cp -p {CONFIG_FILE} /srv/c; mv /srv/c {CONFIG_FILE}",
    "the configuration may be written by all": f"chmod 666 {CONFIG_FILE}",
    "a folder on the way is somebody else's": "chown 1000 /srv",
    "a folder on the way may be written by all": f"chmod 777 {HOME}",
    "containerd's program is another": f"touch {HOME}/bin/containerd",
    "ctr is another": f"touch {HOME}/bin/ctr",
    "the unit is another": "touch /etc/systemd/system/containerd.service",
    "the unit has got a drop-in": "mkdir -p /etc/systemd/system/containerd.service.d; "
    "touch /etc/systemd/system/containerd.service.d/x.conf",
    "the drop-in is another": "echo >> /etc/systemd/system/containerd.service.d/x.conf",
    "the file system can no longer be written": "mount -o remount,ro /srv",
    "and can be again": "mount -o remount,rw /srv",
    "programs may no longer be started there": "mount -o remount,noexec /srv",
    "and may be again": "mount -o remount,exec /srv",
    "containerd is stopped by a signal": f"kill -STOP $(cat {HOME}/containerd.pid); sleep 0.1",
    "and goes on": f"kill -CONT $(cat {HOME}/containerd.pid); sleep 0.1",
    "another containerd runs": f"setsid {HOME}/bin/containerd -c /x > /dev/null 2>&1 < /dev/null & sleep 0.2",
    "what the restart wrote down is gone": f"rm {HOME}/state/daemon.json",
    "a receipt is gone": f"rm {RECEIPT}",
    "the link `current` leads elsewhere": f"ln -sfn /tmp {HOME}/opt/handlers/runsc/current",
    "a program of the release is gone": f"rm {RELEASE}/runsc",
    "the configuration is gone": f"rm {CONFIG_FILE}",
    "containerd is gone": f"kill -KILL $(cat {HOME}/containerd.pid); sleep 0.2",
    "a file system lies on the way": f"mount -t tmpfs tmpfs {HOME}/opt",
}
"""What somebody may do on a node, one after the other, each of which a plan has to see."""


def test_whatever_differs_of_what_it_rests_on_makes_the_memory_void(remembering: Remembering) -> None:
    remembering.planned()
    unseen = []
    for name, script in BREAKS.items():
        before = remembering.at_rest()
        remembering.node.said(script)
        if remembering.seen() == before:
            unseen.append(name)
    assert unseen == []
    assert remembering.recalled() == {}


def test_a_daemon_that_has_started_anew_makes_the_memory_void(remembering: Remembering) -> None:
    remembering.planned()
    remembering.node.said("systemctl restart containerd.service; sleep 0.2")
    assert remembering.recalled() == {}


def test_what_a_plan_does_not_depend_on_leaves_it_as_it_is(remembering: Remembering) -> None:
    remembering.planned()
    remembering.node.said(f"touch /srv/other {HOME}/other /run/other; mkdir {HOME}/folder; rmdir {HOME}/folder")
    assert remembering.recalled() != {}


def test_other_settings_are_another_question(remembering: Remembering) -> None:
    remembering.planned()
    (other,) = parse(INVENTORY.replace("steady_seconds = 1", "steady_seconds = 2"), "nodeprov.toml").nodes
    assert remembering.recalled(other) == {}
    assert remembering.recalled() != {}


def test_what_changes_while_it_is_looked_at_is_not_remembered(
    remembering: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = LocalNode.of

    def touched(self: LocalNode, node: Node) -> object:
        remembering.node.said(f"touch {HOME}/etc/config.toml")
        return ask(self, node)

    monkeypatch.setattr(LocalNode, "of", touched)  # it is called once more between the look and what is remembered
    remembering.planned()
    assert remembering.memory.of(WORKER) is None


def test_neither_contents_nor_secrets_are_kept_and_nobody_else_may_read_it(remembering: Remembering) -> None:
    remembering.node.said(f"echo '# password = hunter2' >> {HOME}/etc/config.toml; sleep 0.1")
    assert not remembering.planned().pending
    (file,) = remembering.folder.iterdir()
    assert "hunter2" not in file.read_text()
    assert (file.stat().st_mode & 0o777, remembering.folder.stat().st_mode & 0o777) == (0o600, 0o700)
