"""The dead man's switch as a node runs it; systemd and containerd are played by a few lines of shell."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess  # noqa: TID251  chattr and mount
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError, RollbackFailed, RolledBack
from nodeprov.hosts.base import Output, plain
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import Paths, ProofSettings, RolloutSettings
from nodeprov.node import switch as switch_module
from nodeprov.node.switch import Switch, Switched
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Names, Restart, Serving, Swap
from nodeprov.states import FileState
from nodeprov.templates import render
from tests.adversaries.power_cut import Disk, witnessed
from tests.support.containerd_words import DETAIL, REFUSED
from tests.support.runtimes import runsc
from tests.support.samples import good_daemon, settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")

# containerd serves unless its configuration says how it is broken.
PLAYED = {
    "systemctl": """
echo "$*" >> {folder}/calls
case "$*" in
    *MainPID*) cat {folder}/pid ;;
    *ActiveState*) echo inactive ;;
    is-system-running) cat {folder}/system ;;
    restart*) [ ! -e {folder}/on-restart ] || . {folder}/on-restart
              ! grep -qs "does not start" {etc}/*.toml || exit 1 ;;
esac
""",
    "ctr": """
! grep -qs "hangs" {etc}/*.toml || exit 1
case "$*" in
    *" -d") cat {folder}/details 2>/dev/null; exit ;;
    *" containers info "*) cat {folder}/info; exit ;;
    *" containers ls "*) echo "$*" >> {folder}/calls; cat {folder}/inits; exit ;;
esac
status=ok; ! grep -qs "cri is broken" {etc}/*.toml || status=error
echo "io.containerd.cri.v1 images - ok"; echo "io.containerd.cri.v1 runtime - $status"
""",
    "journalctl": "cat {folder}/journal 2>/dev/null || echo 'said by the journal'",
    "systemd-run": 'echo "systemd-run $*" >> {folder}/calls; exit $(cat {folder}/systemd-run)',
}
OLD, NEW = FileState(b"version = 3\n# as it was\n", 0o640), FileState(b"version = 3\n# ours\n", 0o640)


@dataclass
class Node:
    """A node of which only a folder is real."""

    folder: Path
    switch: Switch
    swap: Swap

    @property
    def config(self) -> Path:
        return self.folder / "etc" / "config.toml"

    @property
    def state(self) -> FileState | None:
        if not self.config.exists():
            return None
        return FileState(self.config.read_bytes(), self.config.stat().st_mode & 0o7777)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def arm(self, init_containers: Names = frozenset()) -> Output:
        """Do what the controller does."""
        for number, change in enumerate(self.swap.changes, start=1):
            if isinstance(change.after, FileState):
                self.switch.host.write_file(f"{self.folder}/state/switch.next/new.{number}", change.after)
        return self.switch.host.run(self.switch.arming(self.swap, init_containers))

    def do(self, what: str, shell: str = "sh") -> Output:
        """Do what systemd does."""
        return self.switch.host.run(plain("sh", f"{shell} {self.folder}/state/switch/switch.sh {what}"))

    def reboot(self) -> None:
        """Start as after a reboot: what lies in /run is gone, and the recovery unit runs if it is wanted."""
        (self.folder / "marker").unlink(missing_ok=True)
        if (self.folder / "units/containerd.service.wants/nodeprov-recovery.service").exists():
            self.do("boot")

    def outcome(self) -> str:
        return (self.folder / "state/switch/outcome").read_text()

    def is_tidy(self) -> None:
        """See that nothing is left but the outcome: no copies, and nothing that runs at the next boot."""
        assert sorted(path.name for path in (self.folder / "etc").iterdir()) in (["config.toml"], [])
        assert not list((self.folder / "units").iterdir())
        assert not (self.folder / "marker").exists()


def a_swap(node: Path, before: FileState | None, after: FileState | None) -> Swap:
    runtime = runsc("runsc", "/shim", "/runsc.toml")
    config = ContainerdConfig(f"{node}/etc/config.toml", runtime, "containerd")
    changes = (Change(config, before, after),)
    return Swap(changes, Restart("containerd.service", ("to serve",)), Serving("it serves"))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    folder, tools = tmp_path / "node", tmp_path / "played"
    for each in (folder / "etc", folder / "units", tools):
        each.mkdir(parents=True)
    for name, text in PLAYED.items():
        (tools / name).write_text("#!/bin/sh\n" + text.format(folder=folder, etc=folder / "etc"))
        (tools / name).chmod(0o755)
    for name, said in {"system": "running", "pid": str(os.getpid()), "systemd-run": "0", "calls": ""}.items():
        (folder / name).write_text(said)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(switch_module, "UNITS", str(folder / "units"))
    monkeypatch.setattr(switch_module, "MARKER", str(folder / "marker"))
    monkeypatch.setattr(switch_module, "PATIENCE_SECONDS", 0)
    dump = f'root = "{folder}/root"\n'
    daemon = replace(good_daemon(), restart_seconds=0.0, ctr="ctr", unit="containerd.service", dump=dump)
    where = settings(paths=Paths(state=f"{folder}/state"))
    switch = Switch(LocalHost("worker1"), daemon, where, "000001-install")
    made = Node(folder, switch, a_swap(folder, OLD, NEW))
    made.config.write_bytes(OLD.content)
    made.config.chmod(OLD.mode)
    return made


def wanting(node: Node, text: str) -> Node:
    return replace(node, swap=a_swap(node.folder, OLD, replace(NEW, content=text.encode())))


@pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
def test_what_serves_is_kept_and_nothing_else_is_left(node: Node, shell: str) -> None:
    assert node.arm().returncode == 0
    assert node.state == OLD
    assert f"/bin/sh {node.folder}/state/switch/switch.sh swap" in node.calls[-1]
    for what in ("swap", "after"):
        assert node.do(what, shell).stderr == b""
    assert node.outcome() == "kept\n"
    assert node.state == NEW
    node.is_tidy()


def test_a_switch_that_is_just_being_handed_over_is_waited_for(node: Node) -> None:
    """Its script goes on when the connection to it is lost, and is slow where the disk is."""
    script = f"{node.folder}/state/switch/switch.sh"
    Path(shutil.which("systemd-run") or "").write_text(f"#!/bin/sh\nsh {script} swap; sh {script} after\n")
    real = shutil.which("sync")
    slow = Path(shutil.which("systemctl") or "").with_name("sync")
    slow.write_text(f'#!/bin/sh\nsleep 0.2; exec {real} "$@"\n')
    slow.chmod(0o755)
    Path(node.folder, "state").mkdir()
    handing_over = threading.Thread(target=node.arm)
    handing_over.start()
    while not (node.folder / "etc" / ".config.toml.nodeprov-old").exists():
        time.sleep(0.01)
    node.switch.settle()
    assert node.outcome() == "kept\n"
    assert node.state == NEW
    handing_over.join()


BROKEN = {
    "it does not start": "containerd.service does not restart",
    "it hangs": "it does not answer on its socket",
    "cri is broken": "its CRI plugin does not work: io.containerd.cri.v1.runtime is error",
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
def test_what_does_not_serve_is_taken_back_and_why_is_written_down(node: Node, shell: str, how: str) -> None:
    node = wanting(node, how)
    node.arm()
    node.do("swap", shell)
    assert node.state is not None
    assert node.state.content == how.encode()
    node.do("after", shell)
    assert node.outcome().startswith("restored\n")
    assert BROKEN[how] in node.outcome()
    assert node.state == OLD
    node.is_tidy()
    restarts = [call for call in node.calls if call.endswith(" containerd.service")]
    assert restarts == ["reset-failed containerd.service", "restart containerd.service"] * 2


def test_the_controller_is_told_what_the_node_has_done(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_module, "WAIT_SECONDS", 0)

    def handed_over(wanted: str) -> str:
        each = wanting(node, wanted)
        played = Path(shutil.which("systemd-run") or "")
        script = f"{node.folder}/state/switch/switch.sh"
        played.write_text(f"#!/bin/sh\nsh {script} swap; sh {script} after\n")
        return each.switch.hand_over(each.swap).said

    with pytest.raises(
        RolledBack, match="rolled back on its own: it does not answer on its socket: said by the journal"
    ):
        handed_over("hangs")
    assert handed_over("good") == "CRI is ok, the main process is unchanged after 6 s"


class TestMeanwhile:
    """What is done while a node watches its containerd."""

    @pytest.fixture
    def at_work(self, node: Node) -> Iterator[Node]:
        """A node that switches by itself, and whose containerd has just started."""
        script = f"{node.folder}/state/switch/switch.sh"
        played = Path(shutil.which("systemd-run") or "")
        played.write_text(f"#!/bin/sh\n(sh {script} swap; sh {script} after) > /dev/null 2>&1 &\n")
        with subprocess.Popen(["sleep", "60"]) as daemon:
            (node.folder / "pid").write_text(str(daemon.pid))
            where = replace(node.switch.settings, proof=ProofSettings(steady_seconds=2))
            yield replace(node, switch=replace(node.switch, settings=where))
            daemon.kill()

    def test_it_is_done_once_after_the_restart_and_before_the_node_has_decided(self, at_work: Node) -> None:
        seen: list[tuple[FileState | None, bool, bool]] = []

        def look() -> None:
            restarted = "restart containerd.service" in at_work.calls
            seen.append((at_work.state, restarted, (at_work.folder / "state/switch/decision").is_symlink()))

        assert at_work.switch.hand_over(at_work.swap, look).said.startswith("CRI is ok")
        assert seen == [(NEW, True, False)]

    def test_what_it_has_seen_counts_for_nothing_where_the_node_goes_back(self, at_work: Node) -> None:
        done: list[str] = []
        node = wanting(at_work, "cri is broken")
        with pytest.raises(RolledBack, match="its CRI plugin does not work"):
            node.switch.hand_over(node.swap, lambda: done.append("a proof"))
        assert done == ["a proof"], "it was begun, and yet the node has the last word"
        assert node.state == OLD

    def test_it_is_not_done_where_containerd_does_not_answer(self, at_work: Node) -> None:
        node = wanting(at_work, "it hangs")
        with pytest.raises(RolledBack, match="does not answer on its socket"):
            node.switch.hand_over(node.swap, lambda: pytest.fail("containerd does not answer"))

    def test_it_is_not_done_where_a_confirmation_is_waited_for(self, at_work: Node) -> None:
        where = replace(at_work.switch.settings, proof=ProofSettings(steady_seconds=2, unconfirmed="restore"))
        switch = replace(at_work.switch, settings=where)
        switch.hand_over(at_work.swap, lambda: pytest.fail("the confirmation must not come late"))
        assert at_work.outcome() == "kept\n"


class TestBystanders:
    """Containers of others, as CRI keeps their states on disk."""

    INFO = """{
    "ID": "run",
    "Labels": {
        "io.cri-containerd.kind": "container",
        "io.kubernetes.container.name": "main",
        "io.kubernetes.pod.name": "cart-2",
        "io.kubernetes.pod.namespace": "shop"
    },
"""
    CREATED, RUNNING = '"StartedAt":0,"FinishedAt":0,"ExitCode":0', '"StartedAt":7,"FinishedAt":0,"ExitCode":0'
    ENDED, CUT_OFF = '"FinishedAt":9,"ExitCode":0,"Reason":""', '"FinishedAt":9,"ExitCode":255,"Reason":"Unknown"'

    def status(self, node: Node, name: str) -> Path:
        return node.folder / "root/io.containerd.grpc.v1.cri/containers" / name / "status"

    def has(self, node: Node, **states: str) -> None:
        (node.folder / "info").write_text(self.INFO)
        for name, state in states.items():
            self.status(node, name).parent.mkdir(parents=True, exist_ok=True)
            self.status(node, name).write_text(f'{{"Version":"v1","Pid":1,"CreatedAt":5,{state}}}')

    def with_quiet(self, node: Node, seconds: int) -> Node:
        where = replace(node.switch.settings, rollout=RolloutSettings(quiet_seconds=seconds))
        return replace(node, switch=replace(node.switch, settings=where))

    def sleeping(self, node: Node, script: str = ":") -> None:
        """Have a script in place of a wait of a fifth of a second."""
        tool = Path(shutil.which("ctr") or "").with_name("sleep")
        tool.write_text(f'#!/bin/sh\n[ "$1" = 0.2 ] || exit 0\necho sleep >> {node.folder}/calls\n{script}\n')
        tool.chmod(0o755)

    def test_who_is_hit_is_named(self, node: Node) -> None:
        node = self.with_quiet(node, 0)
        self.has(
            node, before=self.CUT_OFF, run=self.RUNNING, goes_on=self.RUNNING, ended=self.ENDED, hangs=self.CREATED
        )
        self.has(node, starts=self.CREATED)
        changed = f"sed -i 's/{self.RUNNING}/{self.CUT_OFF}/' {self.status(node, 'run')}"
        started = f"sed -i 's/{self.CREATED}/{self.RUNNING}/' {self.status(node, 'starts')}"
        (node.folder / "on-restart").write_text(f"{changed}\n{started}\n")
        node.arm()
        node.do("swap")
        node.do("after")
        switched = Switched.read("000001-install", node.outcome())
        assert (switched.outcome, switched.why) == ("kept", "")
        assert switched.hit == (
            "shop/cart-2 (container main) ended while containerd restarted: exit code 255, reason Unknown",
            "shop/cart-2 (container main) was being started when containerd restarted, and has not started since",
        )
        node.is_tidy()

    def test_one_whose_start_was_cut_off_is_named(self, node: Node) -> None:
        """containerd takes back a start that it cannot finish: the container ends and has never begun."""
        unbegun = '"StartedAt":0,"FinishedAt":9,"ExitCode":137,"Reason":"Error"'
        node = self.with_quiet(node, 0)
        self.has(node, starts=self.CREATED, before=unbegun)
        cut = f"sed -i 's/{self.CREATED}/{unbegun}/' {self.status(node, 'starts')}"
        (node.folder / "on-restart").write_text(f"{cut}\n")
        node.arm()
        node.do("swap")
        node.do("after")
        (hit,) = Switched.read("000001-install", node.outcome()).hit
        assert hit.endswith("was being started when containerd restarted, and has ended before it began")

    def test_who_is_hit_is_named_where_the_node_goes_back_too(self, node: Node) -> None:
        node = wanting(self.with_quiet(node, 0), "cri is broken")
        self.has(node, run=self.RUNNING)
        changed = f"sed -i 's/{self.RUNNING}/{self.CUT_OFF}/' {self.status(node, 'run')}"
        (node.folder / "on-restart").write_text(f"{changed}\n")
        node.arm()
        node.do("swap")
        node.do("after")
        switched = Switched.read("000001-install", node.outcome())
        assert (switched.restored, "CRI plugin does not work" in switched.why) == (True, True)
        (hit,) = switched.hit
        assert hit.startswith("shop/cart-2 (container main) ended while containerd restarted")
        with pytest.raises(RolledBack) as raised:
            node.switch._understood(node.outcome(), node.swap)
        assert raised.value.hit == switched.hit

    def test_nobody_is_where_there_are_no_containers(self, node: Node) -> None:
        node.arm()
        node.do("swap")
        node.do("after")
        assert node.outcome() == "kept\n"

    def test_one_that_containerd_does_not_know_any_more_has_its_id(self, node: Node) -> None:
        self.has(node, a1b2c3d4e5f6a7b8=self.RUNNING)
        (node.folder / "info").write_text("")
        path = self.status(node, "a1b2c3d4e5f6a7b8")
        (node.folder / "on-restart").write_text(f"sed -i 's/{self.RUNNING}/{self.CUT_OFF}/' {path}\n")
        node.arm()
        node.do("swap")
        node.do("after")
        (hit,) = Switched.read("000001-install", node.outcome()).hit
        assert hit.startswith("container a1b2c3d4e5f6a ended while containerd restarted")

    def test_a_container_that_is_just_being_started_is_waited_for(self, node: Node) -> None:
        self.has(node, starts=self.CREATED)
        self.sleeping(node, f"sed -i 's/{self.CREATED}/{self.RUNNING}/' {self.status(node, 'starts')}")
        node.arm()
        node.do("swap")
        calls = [call.split()[0] for call in node.calls]
        assert calls.index("sleep") < calls.index("restart")
        assert calls.count("sleep") == 1

    def test_an_init_container_that_runs_is_waited_for_and_found_by_its_labels(self, node: Node) -> None:
        """containerd knows neither: the cluster has said which containers these are."""
        self.has(node, migrates=self.RUNNING, over=self.ENDED, main=self.RUNNING)
        (node.folder / "inits").write_text("over\nmigrates\n")
        self.sleeping(node, f"sed -i 's/{self.RUNNING}/{self.ENDED}/' {self.status(node, 'migrates')}")
        node.arm(frozenset({("shop", "migrate"), ("jobs", "get")}))
        node.do("swap")
        calls = [call.split()[0] for call in node.calls if "containers ls" not in call]
        assert calls.index("sleep") < calls.index("restart")
        assert calls.count("sleep") == 1
        asked = next(call for call in node.calls if "containers ls" in call)
        pod, name = 'labels."io.kubernetes.pod.namespace"', 'labels."io.kubernetes.container.name"'
        assert asked.endswith(f"-q {pod}==jobs,{name}==get {pod}==shop,{name}==migrate")

    def test_no_longer_than_is_said(self, node: Node) -> None:
        node = self.with_quiet(node, 2)
        self.has(node, hangs=self.CREATED)
        self.sleeping(node)
        node.arm()
        node.do("swap")
        assert [call.split()[0] for call in node.calls].count("sleep") == 10

    def test_one_that_hangs_for_a_minute_is_not_waited_for(self, node: Node) -> None:
        self.has(node, hangs=self.CREATED)
        os.utime(self.status(node, "hangs"), (0, 0))
        self.sleeping(node)
        node.arm()
        node.do("swap")
        assert "sleep" not in node.calls


def systemd_runs_it(node: Node) -> None:
    """Have systemd-run do what systemd does, at once."""
    script = f"{node.folder}/state/switch/switch.sh"
    Path(shutil.which("systemd-run") or "").write_text(f"#!/bin/sh\nsh {script} swap; sh {script} after\n")


@contextlib.contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    """Have even root not be able to rename a file, or to put another one in its place."""
    by, undo = {
        "chattr +i": (["chattr", "+i"], ["chattr", "-i"]),
        "chattr +a": (["chattr", "+a"], ["chattr", "-a"]),
        "a mount": (["mount", "--bind", str(path)], ["umount"]),
    }[how]
    if (
        shutil.which(by[0]) is None
        or subprocess.run([*by, str(path)], check=False, capture_output=True).returncode
    ):
        pytest.skip(f"{how} cannot be done here")
    try:
        yield
    finally:
        subprocess.run([*undo, str(path)], check=True)


LOCKS = ("chattr +i", "chattr +a", "a mount")


@pytest.mark.parametrize("how", LOCKS)
def test_a_swap_that_could_change_nothing_ends_at_once_as_taken_back(
    node: Node, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch_module, "WAIT_SECONDS", 0)
    systemd_runs_it(node)
    began = time.monotonic()
    with locked(node.config, how), pytest.raises(RolledBack, match=r"rolled back on its own: mv: .*config\.toml"):
        node.switch.hand_over(node.swap)
    assert time.monotonic() - began < 5
    assert node.outcome().startswith("restored\nmv: ")
    assert node.state == OLD
    assert not [call for call in node.calls if call.startswith("restart")], "containerd runs on"
    node.is_tidy()


@pytest.mark.parametrize("how", LOCKS)
def test_a_file_that_could_be_swapped_goes_back_though_another_could_not(node: Node, how: str) -> None:
    other = node.folder / "etc" / "drop-in.toml"
    runtime = runsc("runsc", "/shim", "/runsc.toml")
    drop_in = Change(ContainerdConfig(str(other), runtime, "containerd"), None, NEW)
    node = replace(node, swap=replace(node.swap, changes=(drop_in, *node.swap.changes)))
    with locked(node.config, how):
        node.arm()
        for what in ("swap", "after"):
            node.do(what)
    assert node.outcome().startswith("restored\nmv: ")
    assert node.state == OLD
    node.is_tidy()


@pytest.mark.parametrize("how", LOCKS)
def test_a_node_that_cannot_go_back_is_told_of_at_once_and_goes_back_later(
    node: Node, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch_module, "WAIT_SECONDS", 0)
    node = wanting(node, "cri is broken")
    script = f"{node.folder}/state/switch/switch.sh"
    with contextlib.ExitStack() as stack:
        played = Path(shutil.which("systemd-run") or "")
        played.write_text(f"#!/bin/sh\nsh {script} swap\n")
        node.arm()
        stack.enter_context(locked(node.config, how))
        node.do("after")
        with pytest.raises(RollbackFailed, match=r"cannot put its old configuration back: .*mv: ") as caught:
            node.switch._understood(node.switch._outcome(), node.swap)
    assert f"{node.folder}/state/switch" in caught.value.hint
    node.do("after")
    assert node.outcome().startswith("restored\n")
    assert node.state == OLD
    node.is_tidy()


def went_back(node: Node, wanted: str, *, journal: str = "", details: str = "") -> str:
    """Say why a node has gone back, or has not, whose containerd says so much."""
    node = wanting(node, wanted)
    for name, text in {"journal": journal, "details": details}.items():
        (node.folder / name).write_text(text)
    node.arm()
    node.do("swap")
    node.do("after")
    return Switched.read("000001-install", node.outcome()).why


def test_why_cri_does_not_work_is_what_its_plugins_say_and_once(node: Node) -> None:
    assert went_back(node, "cri is broken", details=DETAIL) == (
        f"it answers, and its CRI plugin does not work: {REFUSED}"
    )


# As containerd 2.4.2 logs it; 1.7 names the file itself.
UNREAD = """\
level=info msg="starting containerd"
level=error msg="failed to load cni during init, please check CRI plugin status before setting up network for pods"
level=error msg="Failure unmarshaling TOML" column=9 error="toml: incomplete number" file=/x.toml row=4
containerd: failed to unmarshal TOML at row 4 column 9: toml: incomplete number
"""


@pytest.mark.parametrize(
    ("journal", "why"),
    [
        pytest.param(
            UNREAD, "/x.toml: failed to unmarshal TOML at row 4 column 9: toml: incomplete number", id="2.x"
        ),
        pytest.param("containerd: /x.toml: (4, 9): wrong\n", "/x.toml: (4, 9): wrong", id="1.7"),
        pytest.param('level=fatal msg="flag: no such flag"\n', "flag: no such flag", id="a distribution's log"),
        pytest.param(
            "c.service: killed, status=9/KILL\n", "c.service: killed, status=9/KILL", id="systemd's words"
        ),
        pytest.param("", "", id="nobody says why"),
    ],
)
def test_why_it_does_not_start_is_what_the_log_has(node: Node, journal: str, why: str) -> None:
    said = "containerd.service does not restart"
    assert went_back(node, "it does not start", journal=journal) == (f"{said}: {why}" if why else said)


def test_what_holds_for_the_new_configuration_and_the_old_one_is_said_once(node: Node) -> None:
    broken = replace(OLD, content=b"hangs")
    node.config.write_bytes(broken.content)
    (node.folder / "journal").write_text(UNREAD)
    node = replace(node, swap=a_swap(node.folder, broken, replace(NEW, content=b"hangs too")))
    node.arm()
    node.do("swap")
    node.do("after")
    assert node.outcome().startswith("broken\n")
    assert node.outcome().count("containerd: failed to unmarshal") == 2
    assert Switched.read("000001-install", node.outcome()).why.count("row 4") == 1


@pytest.mark.parametrize(("before", "after"), [(None, NEW), (OLD, None)], ids=["none before", "none after"])
@pytest.mark.parametrize("serves", [True, False])
def test_a_file_that_was_not_there_goes_and_one_that_is_to_go_comes_back(
    node: Node, before: FileState | None, after: FileState | None, serves: bool
) -> None:
    if before is None:
        node.config.unlink()
    if not serves:
        (node.folder / "on-restart").write_text(f"rm {node.folder}/on-restart; exit 1\n")
    node = replace(node, swap=a_swap(node.folder, before, after))
    assert node.arm().returncode == 0
    for what in ("swap", "after"):
        node.do(what)
    assert node.outcome().startswith("kept" if serves else "restored")
    assert node.state == (after if serves else before)
    node.is_tidy()


def test_a_link_stays_one(node: Node) -> None:
    node.config.rename(node.folder / "real.toml")
    node.config.symlink_to("../real.toml")
    node.arm()
    for what in ("swap", "after"):
        node.do(what)
    assert node.config.is_symlink()
    assert (node.folder / "real.toml").read_bytes() == NEW.content
    assert not list(node.folder.glob(".real*"))


class TestOthers:
    def test_an_edit_since_it_was_read_is_seen_before_anything_is_made(self, node: Node) -> None:
        node.config.write_text("theirs")
        output = node.arm()
        assert output.returncode == 1
        assert "config.toml has changed since it was read" in output.said
        assert node.config.read_text() == "theirs"
        node.is_tidy()
        assert not (node.folder / "state/switch").exists()

    def test_an_edit_between_hand_over_and_swap_is_not_touched(self, node: Node) -> None:
        node.arm()
        node.config.write_text("theirs")
        for what in ("swap", "after"):
            node.do(what)
        assert node.outcome().startswith("restored\nthe configuration has changed since it was read")
        assert node.config.read_text() == "theirs"
        assert not [call for call in node.calls if call.startswith("restart")]
        node.is_tidy()
        with pytest.raises(RolledBack, match="the configuration has changed since it was read"):
            node.switch._understood(node.outcome(), node.swap)

    def test_an_edit_after_the_swap_is_kept_aside_when_the_node_goes_back(self, node: Node) -> None:
        node = wanting(node, "hangs")
        node.arm()
        node.do("swap")
        node.config.write_text("theirs, and hangs")
        node.do("after")
        assert node.state == OLD
        assert "somebody else has changed" in node.outcome()
        others = node.config.with_name(".config.toml.nodeprov-others-000001-install")
        assert str(others) in node.outcome()
        assert others.read_text() == "theirs, and hangs"
        node.arm()
        assert others.read_text() == "theirs, and hangs", "the next swap leaves it alone"

    def test_where_systemd_starts_nothing_nothing_is_left(self, node: Node) -> None:
        (node.folder / "systemd-run").write_text("1")
        assert node.arm().returncode == 1
        assert node.state == OLD
        node.is_tidy()
        (node.folder / "systemd-run").write_text("0")
        assert node.arm().returncode == 0


class TestReboot:
    def test_before_the_proof_it_starts_with_the_old_file(self, node: Node) -> None:
        node = wanting(node, "it does not start")
        node.arm()
        node.do("swap")
        calls = len(node.calls)
        node.reboot()
        assert node.state == OLD
        assert node.outcome().startswith("restored while the node rebooted\n")
        assert not [call for call in node.calls[calls:] if call.startswith("restart")], "containerd comes after it"
        node.is_tidy()

    def test_after_the_proof_it_keeps_the_new_one(self, node: Node) -> None:
        node.arm()
        node.do("swap")
        node.reboot()
        assert (node.state, node.outcome()) == (NEW, "kept\n")
        node.is_tidy()

    def test_in_an_orderly_one_nothing_is_restarted(self, node: Node) -> None:
        node = wanting(node, "hangs")
        node.arm()
        node.do("swap")
        (node.folder / "system").write_text("stopping")
        node.do("after")
        assert node.state == OLD
        assert len([call for call in node.calls if call.startswith("restart")]) == 1
        node.reboot()
        node.is_tidy()

    def test_the_restart_itself_is_none(self, node: Node) -> None:
        """A daemon-reload of somebody makes the restart start the recovery unit too."""
        node.arm()
        (node.folder / "on-restart").write_text(f"sh {node.folder}/state/switch/switch.sh boot\n")
        for what in ("swap", "after"):
            node.do(what)
        assert (node.state, node.outcome()) == (NEW, "kept\n")


@pytest.fixture
def confirming(node: Node, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Node]:
    """A node that goes back unless it is told to stay, within some seconds."""

    def make(seconds: int) -> Node:
        monkeypatch.setattr(switch_module, "CONFIRM_SECONDS", seconds)
        wanted = replace(node.switch.settings, proof=ProofSettings(unconfirmed="restore"))
        return replace(node, switch=replace(node.switch, settings=wanted))

    return make


class TestConfirmation:
    def test_that_does_not_come_is_a_way_back(self, confirming: Callable[[int], Node]) -> None:
        node = confirming(1)
        node.arm()
        for what in ("swap", "after"):
            node.do(what)
        assert node.outcome().startswith("restored\n")
        assert "nobody has confirmed it within 1 s" in node.outcome()
        assert node.state == OLD

    def test_it_comes_from_the_controller_itself(
        self, confirming: Callable[[int], Node], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = confirming(30)
        played, script = Path(shutil.which("systemd-run") or ""), f"{node.folder}/state/switch/switch.sh"
        played.write_text(f"#!/bin/sh\n(sh {script} swap; sh {script} after) > /dev/null 2>&1 &\n")
        asking = render(
            "switch/switched.sh.j2", folder=f"{node.folder}/state/switch", wait_seconds=20, early=False
        )
        node.arm()
        assert node.switch.host.run(plain("sh", asking)).text == "proven\n"
        assert not (node.folder / "state/switch/decision").is_symlink(), "who only asks decides nothing"
        assert node.switch._outcome() == "kept\n"
        assert node.state == NEW

    def test_it_and_the_way_back_are_never_both(self, confirming: Callable[[int], Node]) -> None:
        """The confirmation comes at the very second in which the node gives up."""
        node = confirming(1)
        ways = set()
        for delay in (0.0, 0.95, 1.0, 1.05, 1.5):
            node.config.write_bytes(OLD.content)
            node.arm()
            folder = node.folder / "state/switch"
            confirm = (
                f"cd {folder}; until [ -e proven ]; do :; done; sleep {delay}; ln -s kept decision && echo yes"
            )
            script = f"({confirm}) > {node.folder}/said 2>/dev/null & cd {folder}; for each in swap after"
            node.switch.host.run(plain("sh", f"{script}; do sh switch.sh $each; done; wait"))
            confirmed = (node.folder / "said").read_text() == "yes\n"
            assert node.outcome().startswith("kept" if confirmed else "restored")
            assert node.state == (NEW if confirmed else OLD)
            node.is_tidy()
            ways.add(confirmed)
        assert ways == {True, False}


KILLED = """#!/bin/sh
echo x >> {count}
[ "$(wc -l < {count})" != "$(cat {at})" ] || kill -9 "$PPID"
exec {real} "$@"
"""


@pytest.mark.parametrize(
    ("first", "how", "wanted"), [(1, "after", "good"), (2, "boot", "good"), (3, "boot", "hangs")]
)
def test_killed_at_any_moment_the_node_goes_back_or_has_decided(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, how: str, wanted: str
) -> None:
    """Each of these takes every third moment."""
    node, path = wanting(node, wanted), os.environ["PATH"]
    tools = tmp_path / "killing"
    tools.mkdir()
    values = {"count": tmp_path / "count", "at": tmp_path / "at"}
    for name in ("mv", "rm", "ln", "sync", "readlink", "systemctl", "ctr"):
        (tools / name).write_text(KILLED.format(real=shutil.which(name), **values))
        (tools / name).chmod(0o755)
    ends = []
    for number in itertools.count(first, 3):
        node.config.write_bytes(OLD.content)
        assert node.arm().returncode == 0
        values["count"].write_text("")
        values["at"].write_text(str(number))
        monkeypatch.setenv("PATH", f"{tools}:{path}")
        for what in ("swap", "after"):
            node.do(what)
        monkeypatch.setenv("PATH", path)
        killed = len(values["count"].read_text().splitlines()) >= number
        if how == "boot":
            node.reboot()
            with contextlib.suppress(OSError):  # killed before its very last step: nothing is left to do at a boot
                (node.folder / "units/containerd.service.wants").rmdir()
        else:
            node.do("after")
        ends.append(node.outcome().splitlines()[0].split()[0])
        assert node.state == (replace(OLD, content=wanted.encode()) if ends[-1] == "kept" else OLD), number
        node.is_tidy()
        if not killed:
            break
    assert len(ends) > 8
    assert "restored" in ends
    assert ("kept" in ends) == (wanted == "good")


@pytest.mark.parametrize("wanted", ["good", "hangs"])
def test_a_power_cut_at_any_moment_leaves_what_was_or_what_was_proven(
    node: Node, tmp_path: Path, wanted: str
) -> None:
    node = wanting(node, wanted)
    with witnessed(node.folder, tmp_path / "tools") as journal:
        node.arm()
        for what in ("swap", "after"):
            node.do(what)
    for hasty, lazy in zip(journal.hasty, journal.lazy, strict=True):
        told = "state/switch/outcome" in hasty  # from here on the controller may have read it
        assert "state/switch/decision" in lazy or not told
    seen = {tuple(sorted(disk.items())) for disk in journal.disks}
    assert len(seen) > 30
    for disk in seen:
        laid_out(node.folder, dict(disk))
        node.reboot()
        kept = (node.folder / "state/switch/decision").is_symlink() and node.outcome().startswith("kept")
        assert node.state is not None
        assert node.state.content == (wanted.encode() if kept else OLD.content)
        assert not kept or wanted == "good"


def laid_out(folder: Path, disk: Mapping[str, str] | Disk) -> None:
    """Make a folder what a power cut has left."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in sorted(disk):
        path = folder / name
        if disk[name] == "/":
            path.mkdir(parents=True, exist_ok=True)
        elif disk[name].startswith("-> "):
            path.symlink_to(disk[name].removeprefix("-> "))
        else:
            path.write_text(disk[name])


def test_a_restart_without_a_swap_is_done_in_the_same_way(node: Node) -> None:
    """The configuration is right already, and the running containerd has not read it."""
    node = replace(node, swap=replace(node.swap, changes=()))
    assert node.arm().returncode == 0
    node.do("swap")
    node.do("after")
    assert node.outcome().startswith("kept")
    assert node.state == OLD
    node.is_tidy()


def test_what_an_earlier_run_has_handed_over_and_nobody_ends_is_ended_first(node: Node) -> None:
    node = wanting(node, "hangs")
    node.arm()
    node.do("swap")
    node.switch.settle()
    assert node.state == OLD
    assert node.outcome().startswith("restored")


def test_a_node_that_cannot_go_back_says_so_and_keeps_what_it_needs(node: Node) -> None:
    node = wanting(node, "hangs")
    node.arm()
    node.do("swap")
    (node.folder / "pid").write_text("")  # containerd is gone for good
    node.do("after")
    assert node.outcome().startswith("broken\n")
    with pytest.raises(NodeprovError, match="does not serve with it either"):
        node.switch._understood(node.outcome(), node.swap)


@pytest.mark.parametrize(
    ("steady", "restart", "waits"), [(6, 0.1, 6), (6, 5.0, 6), (6, 10.0, 11), (30, 5.0, 30), (1, 1.0, 2)]
)
def test_containerd_must_go_on_serving_for_longer_than_systemd_waits_to_start_it_again(
    node: Node, steady: int, restart: float, waits: int
) -> None:
    wanted = replace(node.switch.settings, proof=ProofSettings(steady_seconds=steady))
    switch = replace(node.switch, settings=wanted, daemon=replace(node.switch.daemon, restart_seconds=restart))
    assert f"+ {waits} - $(uptime)" in switch.script(node.swap)


@pytest.mark.parametrize(
    ("outcome", "restored"), [("", False), ("kept", False), ("restored", True), ("broken", True)]
)
def test_a_switch_has_gone_back_unless_it_has_not_ended_or_was_kept(outcome: str, restored: bool) -> None:
    assert Switched("000001-install.json", outcome).restored is restored
