"""What is read of the machine that hosts the lab: texts in, values out."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov_lab.host import may_lower_oom_score, parse_capabilities, parse_mounts_below
from nodeprov_lab.images import is_static
from nodeprov_lab.nspawn.cgroups import is_unified, own_cgroups
from nodeprov_lab.nspawn.lab import MACHINES
from nodeprov_lab.nspawn.network import bridge_commands, machine_commands
from nodeprov_lab.nspawn.requirements import HostFacts, gather, problems, used_instances
from nodeprov_lab.nspawn.shape import Shape
from nodeprov_lab.processes import Process, parse_start_time, process, record, recorded

MOUNTS_V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
MOUNTS_V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
CAPABLE = HostFacts(
    is_root=True,
    capabilities=(1 << 41) - 1,
    missing_programs=(),
    has_go=True,
    has_overlay=True,
    free_bytes=2,
    needed_bytes=1,
    free_instances=100,
    needed_instances=60,
)


def test_our_cgroup_is_found_in_every_hierarchy() -> None:
    text = "12:pids:/not/mounted\n4:memory:/a:b/c\n3:cpu,cpuacct:/\n1:name=systemd:/user.slice\n0::/\n"
    assert own_cgroups(text, MOUNTS_V1) == [
        Path("/sys/fs/cgroup/memory/a:b/c"),
        Path("/sys/fs/cgroup/cpu,cpuacct"),
        Path("/sys/fs/cgroup/systemd/user.slice"),
        Path("/sys/fs/cgroup/unified"),
    ]


def test_a_machine_with_both_versions_of_cgroups_is_not_unified() -> None:
    assert is_unified(MOUNTS_V2)
    assert not is_unified(MOUNTS_V1)


def test_mounts_below_a_folder_are_listed_innermost_first() -> None:
    text = (
        "1 0 0:1 / /lab rw - overlay o rw\n"
        "2 1 0:2 / /lab/a\\040b rw - overlay o rw\n"
        "3 1 0:3 / /laboratory rw - overlay o rw\n"
    )
    assert parse_mounts_below(text, "/lab") == ["/lab/a b", "/lab"]


def test_a_start_time_is_read_behind_any_name() -> None:
    stat = "42 (a) R 9) S 1 " + " ".join(str(number) for number in range(5, 40))
    assert parse_start_time(stat) == 22


def test_a_process_is_known_again_and_another_with_its_id_is_not(tmp_path: Path) -> None:
    file = tmp_path / "process"
    record(os.getpid(), file)
    ours = recorded(file)
    assert ours == process(os.getpid())
    assert ours is not None
    file.write_text(f"{ours.pid} {ours.started - 1}\n")
    assert recorded(file) is None
    file.write_text("")
    assert recorded(file) is None
    assert process(2**22 + 1) is None
    assert ours == Process(ours.pid, ours.started)


def test_capabilities_are_read_from_the_status() -> None:
    status = "Name:\tsh\nCapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\n"
    assert not may_lower_oom_score(parse_capabilities(status))
    assert may_lower_oom_score((1 << 41) - 1)


def test_nothing_is_missing_on_a_capable_machine() -> None:
    assert problems(CAPABLE) == []


@pytest.mark.parametrize(
    ("facts", "message", "hint"),
    [
        (replace(CAPABLE, is_root=False), "need root", "become root"),
        (replace(CAPABLE, capabilities=0), "CAP_SYS_ADMIN", "container"),
        (
            replace(CAPABLE, missing_programs=("ip", "ssh")),
            "ip, ssh",
            "apt-get install -y iproute2 openssh-client",
        ),
        (replace(CAPABLE, has_go=False), "Go 1.21", "apt-get install -y golang-go"),
        (replace(CAPABLE, has_overlay=False), "overlay", "modprobe overlay"),
        (replace(CAPABLE, needed_bytes=10 << 30), "10 GiB", "df"),
        (
            replace(CAPABLE, free_instances=59),
            "leaves 59 inotify instances, the machines need 60",
            "sysctl -w fs.",
        ),
        (replace(CAPABLE, free_instances=-3), "leaves 0 inotify instances", "max_user_instances=1024"),
    ],
)
def test_what_is_missing_comes_with_the_command_against_it(facts: HostFacts, message: str, hint: str) -> None:
    (problem,) = problems(facts)
    assert message in problem.message
    assert hint in problem.hint


def test_all_that_is_missing_is_told_at_once() -> None:
    facts = replace(CAPABLE, missing_programs=("mmdebstrap",), has_go=False, has_overlay=False)
    assert len(problems(facts)) == 3


def test_a_program_with_libraries_is_not_static() -> None:
    assert not is_static(Path(sys.executable).resolve().read_bytes())
    assert is_static(b"\x7fELF")


def test_every_machine_gets_a_cable_and_an_address() -> None:
    bridge = bridge_commands(MACHINES)
    assert "link add nplab-worker1 type veth peer name eth0 netns nplab-worker1\n" in bridge
    assert "address add 10.123.0.1/24 dev nplab0\n" in bridge
    assert machine_commands(MACHINES[1]).startswith("address add 10.123.0.11/24 dev eth0\n")
    longest = max(len(f"nplab-{machine.name}") for machine in MACHINES)
    assert longest <= 15  # the kernel's limit for an interface's name


def test_the_inotify_instances_of_this_user_are_counted() -> None:
    libc = ctypes.CDLL(None)

    def counted() -> int:
        before = used_instances()
        made = libc.inotify_init()
        try:
            return used_instances() - before
        finally:
            os.close(made)

    # Other programs of this user make and close theirs meanwhile.
    assert 1 in {counted() for _ in range(20)}


def test_machines_that_run_already_need_no_more_of_anything(tmp_path: Path) -> None:
    assert gather(tmp_path, tmp_path, ()).needed_instances == 0
    assert gather(tmp_path, tmp_path, MACHINES).needed_instances == 60
    assert gather(tmp_path, tmp_path, Shape(12, bare=True).machines).needed_instances == 3 * 20 + 10 * 8
