"""What pods cost, as it is read from /proc and /sys: here from a played node of each cgroup version."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov.kubernetes.trials.pod_costs import PodCosts, PodCostsQuery

UID = "f560e3ce-4de5-4252-b124-91b9073ef05f"
STAT = "7 (containerd) sh (x) S 1 7 7 0 -1 0 0 0 0 0 100 50 30 20 20 0 1 0 5 0 0"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def process(proc: Path, number: int, bundle: Path | None, cgroup: str) -> None:
    folder = proc / str(number)
    write(folder / "cgroup", cgroup)
    write(folder / "stat", STAT)
    write(folder / "smaps_rollup", "Rss:  9000 kB\nAnonymous:      2048 kB\n")
    if bundle:
        (folder / "cwd").symlink_to(bundle)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Two processes that serve the pod from outside, one in its cgroup, one of another pod, and one alone."""
    proc, ours, other = tmp_path / "proc", tmp_path / "ours", tmp_path / "other"
    write(ours / "config.json", f'{{"annotations": {{"io.kubernetes.cri.sandbox-uid": "{UID}"}}}}')
    write(other / "config.json", "{}")
    process(proc, 1, None, "0::/init.scope\n")
    process(proc, 7, ours, "0::/system.slice/containerd.service\n")
    process(proc, 8, ours, "0::/system.slice/containerd.service\n")
    process(proc, 9, ours, f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice\n")
    process(proc, 10, other, "0::/system.slice/containerd.service\n")
    process(proc, 11, ours, "0::/system.slice/containerd.service\n")
    (proc / "11" / "smaps_rollup").unlink()  # as of one that ends at this moment
    return proc


def read(root: Path, *uids: str) -> list[PodCosts]:
    query = PodCostsQuery(uids)
    script = query.script.replace("/sys/fs/cgroup", str(root / "cgroup")).replace("/proc/[", f"{root}/proc/[")
    return query.parse(run_program(["sh", "-c", script]))


OUTSIDE = 2 * 2048 << 10
TICKS = 2 * (100 + 50 + 30 + 20) / 100


def test_costs_are_read_with_cgroup_v1(tmp_path: Path, proc: Path) -> None:
    memory = tmp_path / "cgroup" / "memory" / "kubepods" / f"pod{UID}"
    write(memory / "memory.usage_in_bytes", "24000000\n")
    write(memory / "memory.max_usage_in_bytes", "25000000\n")
    write(memory / "memory.stat", "inactive_file 1\ntotal_inactive_file 4000000\n")
    write(tmp_path / "cgroup" / "cpuacct" / "kubepods" / f"pod{UID}" / "cpuacct.usage", "1500000000\n")
    assert read(tmp_path, UID) == [PodCosts(20000000, 25000000, 1.5, OUTSIDE, TICKS)]
    assert proc.exists()


@pytest.mark.parametrize("has_peak", [True, False])
def test_costs_are_read_with_cgroup_v2(tmp_path: Path, proc: Path, has_peak: bool) -> None:
    name = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"
    pod = tmp_path / "cgroup" / "kubepods.slice" / "kubepods-burstable.slice" / name
    write(tmp_path / "cgroup" / "cgroup.controllers", "cpu memory\n")
    write(pod / "memory.current", "24000000\n")
    write(pod / "memory.stat", "anon 5\ninactive_file 4000000\n")
    write(pod / "cpu.stat", "usage_usec 1500000\nuser_usec 1\n")
    if has_peak:  # since Linux 5.19
        write(pod / "memory.peak", "25000000\n")
    assert read(tmp_path, UID) == [PodCosts(20000000, 25000000 if has_peak else 0, 1.5, OUTSIDE, TICKS)]
    assert proc.exists()


def test_a_pod_that_is_not_there_is_said_to_be_so(tmp_path: Path, proc: Path) -> None:
    (tmp_path / "cgroup" / "memory").mkdir(parents=True)
    (tmp_path / "cgroup" / "cpuacct").mkdir()
    with pytest.raises(NodeprovError, match="the cgroups of pods cannot be read"):
        read(tmp_path, UID)
    assert proc.exists()


@pytest.mark.parametrize(
    "text", ["", "hertz", "a 1 2 3 4 5\nhertz 100\n", f"{UID} 1 2\nhertz 100\n", f"{UID} 1 2 3 4 5\n"]
)
def test_answers_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(NodeprovError, match="cannot be read"):
        PodCostsQuery((UID,)).parse(Output(0, text.encode(), b"x"))
