"""What faults do to a node or to the controller, and how that is ended again."""

from __future__ import annotations

import shlex
import time

from nodeprov.hosts.local import run_checked
from tests.lab.faults.operations import AHEAD, BACK
from tests.lab.faults.scene import EDIT, Scene
from tests.lab.machines import ADDRESSES, CONFIG


def nothing(_scene: Scene) -> None:
    """Do nothing."""


def kill_controller(scene: Scene) -> None:
    scene.running.kill()


def cut_session(scene: Scene) -> None:
    """Kill the node's processes of the connections that nodeprov has from here; ours is another one."""
    address = ADDRESSES[scene.node.name]
    listed = run_checked(["ss", "-Htnp", "state", "established", f"dst {address}:22"], "ss")
    own = [line.split() for line in listed.splitlines() if f"pid={scene.running.process.pid}," in line]
    for words in own:
        port = words[2].rpartition(":")[2]
        scene.node.run(
            f"for pid in $(ss -Htnp 'sport = :22 and dport = :{port}' | grep -o 'pid=[0-9]*' | cut -d= -f2); "
            "do kill -9 $pid; done"
        )


def link(scene: Scene, state: str) -> None:
    run_checked(["ip", "link", "set", f"nplab-{scene.node.name}", state], "ip link set")


def break_link(scene: Scene) -> None:
    link(scene, "down")


def break_link_for_a_while(scene: Scene) -> None:
    break_link(scene)
    time.sleep(3)
    link(scene, "up")


def mend_link(scene: Scene) -> None:
    link(scene, "up")
    scene.node.host.close()


def reboot(scene: Scene) -> None:
    scene.pull_power()
    scene.put_power_in()


def fill(place: str, scene: Scene) -> None:
    scene.node.try_run(f"cat /dev/zero > {place}/.filler 2>/dev/null")


def use_up_inodes(place: str, scene: Scene) -> None:
    scene.node.try_run(f"cd {place} && touch $(seq -f .filler-%g 300) 2>/dev/null")


def empty(place: str, scene: Scene) -> None:
    scene.node.run(f"rm -f {place}/.filler*")


def read_only(place: str, scene: Scene) -> None:
    scene.node.run(f"tries=0; until mount -o remount,ro {place}; do [ $((tries += 1)) -lt 50 ]; sleep 0.1; done")


def writable(place: str, scene: Scene) -> None:
    scene.node.run(f"mount -o remount,rw {place}")


def bad_candidate(end: str, extra: str, scene: Scene) -> None:
    """Have containerd misbehave with the configuration that the run will write, and only with that."""
    scene.declared = _declares(scene.node.config())
    holds = f"{'! ' if scene.declared else ''}grep -q runtimes.runsc {CONFIG}"
    scene.node.drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{holds} && {end}; exec containerd'\n{extra}", "fault")


def _declares(config: bytes) -> bool:
    return b"runtimes.runsc" in config


def good_candidate(scene: Scene) -> None:
    scene.no_drop_in("fault")


DOES_NOT_START = ("exit 1", "")
DIES_LATER = ("{ (sleep 5; kill -9 $$$$) & exec containerd; }", "RestartSec=5")
HANGS = ("exec sleep 1000", "TimeoutStartSec=8")
"""Commands of a unit's shell in place of containerd, where `$$` is a dollar."""


def shadow(program: str, script: str, scene: Scene) -> None:
    """Have another program stand in a program's place."""
    scene.node.run(
        f"mkdir -p /run/faults; path=$(command -v {program}); cp $path /run/faults/{program}.real\n"
        f"printf '%s\\n' '#!/bin/sh' {shlex.quote(script)} > /run/faults/{program}\n"
        f"chmod 0755 /run/faults/{program}\n"
        f"mount --bind /run/faults/{program} $path"
    )


def unshadow(program: str, scene: Scene) -> None:
    scene.node.run(f"umount -l $(command -v {program}) 2>/dev/null; pkill -x -f 'sleep 987'; true")


def jump_clock(direction: str, scene: Scene) -> None:
    """Have `date` on the node and nodeprov's own clock jump; the node's real clock is that of its host."""
    by, scene.answer = {"back": ("1 hour ago", BACK), "ahead": ("1 hour", AHEAD)}[direction]
    shadow("date", f'exec /run/faults/date.real -d "{by}" "$@"', scene)


def forbid_sudo(scene: Scene) -> None:
    scene.node.run("mv /etc/sudoers.d/faults /root/faults.sudoers")


def kill_and_reboot_after_rename(scene: Scene) -> None:
    """Let the run go on until config.toml has changed; the node's disk is seen from its host."""
    scene.running.go_on()
    deadline = time.monotonic() + 60
    while _declares(scene.disk(CONFIG)) == scene.declared:
        assert time.monotonic() < deadline, "config.toml was not seen to change"
        time.sleep(0.005)
    kill_controller(scene)
    reboot(scene)


def allow_sudo(scene: Scene) -> None:
    scene.node.run("[ ! -e /root/faults.sudoers ] || mv /root/faults.sudoers /etc/sudoers.d/faults")


def edit(scene: Scene) -> None:
    scene.edits += 1
    scene.node.run(f"sed -i '1i {EDIT.decode().strip()}' {CONFIG}")
