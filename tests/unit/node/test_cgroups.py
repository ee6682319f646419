"""Which driver of cgroups counts, and when kubelet's and containerd's are not the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.node.cgroups import by_systemd, disagreement
from nodeprov.node.state import Facts
from tests.support.samples import CONFIG, good_facts, with_daemon

BY_CGROUPFS = CONFIG.replace("= true", "= false")
NOTHING_SAID = "version = 3\n"
V1 = (1, 7, 29)


def node(
    dump: str = CONFIG, *, uses: str | None = None, told: str | None = None, version: tuple[int, ...] = V1
) -> Facts:
    kubelet = replace(good_facts().machine.kubelets[0], uses_driver=uses, cgroup_driver=told)
    return with_daemon(good_facts(kubelets=(kubelet,)), dump=dump, version=version)


@pytest.mark.parametrize(
    ("facts", "systemd"),
    [
        (node(CONFIG, uses="cgroupfs", told="systemd"), False),
        (node(BY_CGROUPFS, uses="systemd", told="cgroupfs"), True),
        (node(CONFIG, told="cgroupfs"), True),
        (node(BY_CGROUPFS, told="systemd"), False),
        (node(NOTHING_SAID, told="systemd"), True),
        (node(NOTHING_SAID, told="cgroupfs", version=(2, 4, 2)), False),
        (node(NOTHING_SAID), False),
        (node(NOTHING_SAID, version=(2, 0, 0)), True),
    ],
)
def test_what_the_running_kubelet_does_counts_then_what_containerd_says_then_what_kubelet_was_told(
    facts: Facts, *, systemd: bool
) -> None:
    assert by_systemd(facts.machine, facts.running_daemon) is systemd


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            node(CONFIG, uses="cgroupfs"),
            "the running kubelet manages cgroups by cgroupfs, and containerd's default runtime is set to systemd",
        ),
        (
            node(BY_CGROUPFS, uses="systemd"),
            "the running kubelet manages cgroups by systemd, and containerd's default runtime is set to cgroupfs",
        ),
        (
            node(
                f"{NOTHING_SAID}{CONFIG[12:].replace('runc', 'other')}".replace(
                    "io.containerd.other", "io.containerd.runc"
                ),
                uses="cgroupfs",
            ),
            "containerd's runtime other is set to systemd",
        ),
    ],
)
def test_two_drivers_are_named_with_what_to_set(facts: Facts, expected: str) -> None:
    (problem,) = disagreement(facts.machine, facts.running_daemon)
    assert expected in problem.message
    assert "SystemdCgroup = " in problem.hint
    assert "/etc/containerd/config.toml" in problem.hint


@pytest.mark.parametrize(
    "facts",
    [
        node(CONFIG, uses="systemd"),
        node(BY_CGROUPFS, uses="cgroupfs"),
        node(CONFIG),
        node(NOTHING_SAID, uses="cgroupfs"),
    ],
)
def test_one_driver_or_one_that_is_not_known_is_no_problem(facts: Facts) -> None:
    assert list(disagreement(facts.machine, facts.running_daemon)) == []
