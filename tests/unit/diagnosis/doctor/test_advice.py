"""What doctor advises, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodeprov.diagnosis.doctor.advice import advice
from nodeprov.diagnosis.doctor.observations import Observations
from nodeprov.inventory import ClusterSettings
from nodeprov.node.daemon_choice import Candidate, Choice
from nodeprov.node.facts import Facts
from nodeprov.node.kubelet import Kubelet
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.samples import CONFIG, good_facts, settings, with_daemon

WANTED = settings(cluster=ClusterSettings(enabled=False))
BY_SYSTEMD = '[runsc_config]\nsystemd-cgroup = "true"\n'
GOOD = Observations(now=1000.0, fapolicyd=False, proxies={}, config=None)


def kubelet(driver: str | None) -> Kubelet:
    return Kubelet(300, "kubelet", "/run/containerd/containerd.sock", "its default", driver)


def several() -> Facts:
    meant = Candidate(400, "containerd.service", ("/run/containerd/containerd.sock",), "/c")
    dockers = Candidate(500, "docker.service", ("/run/docker.sock",), "/d")
    return with_daemon(choice=Choice(meant, "kubelet talks to it (its default)", passed_over=(dockers,)))


def seen(**changes: Any) -> Observations:
    return replace(GOOD, **changes)


def test_a_good_node_needs_no_advice() -> None:
    assert (
        advice(
            good_facts(kubelets=(kubelet("systemd"),)),
            WANTED,
            GVISOR,
            seen(config=BY_SYSTEMD),
            0.1,
        )
        == ()
    )


@pytest.mark.parametrize(
    ("facts", "found", "skew", "what", "why", "remedy"),
    [
        (
            good_facts(cgroup_version=1),
            GOOD,
            0,
            "the node uses cgroup v1",
            "failCgroupV1",
            "unified_cgroup_hierarchy",
        ),
        (good_facts(systemd_version=241), GOOD, 0, "systemd 241 with cgroup v2", "gvisor#10371", "244 or later"),
        (good_facts(selinux_enforcing=True), GOOD, 0, "SELinux enforces", "gvisor#8747", "semanage fcontext -a"),
        (good_facts(free_bytes=100 << 20), GOOD, 0, "/opt has 100 MiB free", "330 MB", "[paths] prefix"),
        (
            good_facts(),
            GOOD,
            95.4,
            "the node's clock is 95 seconds from this machine's",
            "certificates",
            "set-ntp true",
        ),
        (
            good_facts(),
            seen(fapolicyd=True),
            0,
            "fapolicyd runs",
            "not permitted",
            "--file add /opt/nodeprov/",
        ),
        (
            good_facts(),
            seen(proxies={"HTTPS_PROXY": "http://proxy:3128"}),
            0,
            "containerd goes through http://proxy:3128 for everything",
            "registries",
            "systemctl edit containerd.service",
        ),
        (
            with_daemon(delegate=False),
            GOOD,
            0,
            "containerd.service has no Delegate=yes",
            "CGROUP_DELEGATION",
            "edit",
        ),
        (
            with_daemon(needs_reload=True),
            GOOD,
            0,
            "was changed on disk and not loaded",
            "into force",
            "daemon-reload",
        ),
        (several(), GOOD, 0, "more than one containerd runs", "nvidia-container-toolkit#982", '"docker.service"'),
        (
            good_facts(kubelets=(kubelet("cgroupfs"),)),
            GOOD,
            0,
            "kubelet is told to drive cgroups by cgroupfs, containerd's default runtime by systemd",
            "container-runtimes",
            "SystemdCgroup = false for runc in /etc/containerd/config.toml",
        ),
        (
            good_facts(),
            seen(config='[runsc_config]\nplatform = "systrap"\n'),
            0,
            'runsc.toml lacks systemd-cgroup = "true"',
            "gvisor#10371",
            "nodeprov install worker1",
        ),
        (
            with_daemon(dump=CONFIG.replace("true", "false")),
            seen(config=BY_SYSTEMD),
            0,
            'runsc.toml has systemd-cgroup = "true"',
            "gvisor#13258",
            "nodeprov install worker1",
        ),
    ],
)
def test_an_advice_says_what_why_and_what_to_do(
    facts: Facts, found: Observations, skew: float, what: str, why: str, remedy: str
) -> None:
    (said,) = advice(facts, WANTED, GVISOR, found, skew)
    assert what in said.message
    assert why in said.why
    assert remedy in said.hint


def test_a_proxy_with_exceptions_is_as_it_should_be() -> None:
    proxies = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8,.svc"}
    assert advice(good_facts(), WANTED, GVISOR, seen(proxies=proxies), 0) == ()
