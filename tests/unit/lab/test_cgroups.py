"""Which cgroup hierarchies are mounted, and what mounts them once more."""

from __future__ import annotations

import pytest

from nodeprov_lab.nspawn.cgroups import Hierarchy, parse_hierarchies

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
HIDDEN = "".join(f"{number}{line}\n" for number in (1, 2) for line in HYBRID.splitlines())
UNIFIED = """\
30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
"""


@pytest.mark.parametrize(
    ("mountinfo", "found"),
    [
        (
            HYBRID,
            [
                Hierarchy("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct"),
                Hierarchy("/sys/fs/cgroup/systemd", "cgroup", "none,xattr,name=systemd"),
                Hierarchy("/sys/fs/cgroup/unified", "cgroup2", "rw"),
            ],
        ),
        (HIDDEN, parse_hierarchies(HYBRID)),
        (UNIFIED, [Hierarchy("/sys/fs/cgroup", "cgroup2", "nsdelegate,memory_recursiveprot")]),
        ("23 1 0:21 / /sys rw - sysfs sysfs rw\n", []),
    ],
    ids=["v1 and a v2 without controllers", "all of it once more above", "v2 alone", "none"],
)
def test_what_mounts_a_hierarchy_once_more(mountinfo: str, found: list[Hierarchy]) -> None:
    assert parse_hierarchies(mountinfo) == found
