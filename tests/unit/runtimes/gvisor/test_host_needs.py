"""What a sandbox needs of a host: each thing that upstream's issues tell of is seen before anything is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.inventory import RuntimeSettings
from nodeprov.node.daemon_choice import Kubelet
from nodeprov.node.state import Facts
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.gvisor.requirements import warnings
from nodeprov.runtimes.requirements import check_facts
from tests.support.runtimes import layout_of
from tests.support.samples import CONFIG, good_facts, settings, with_daemon

KUBELET = good_facts().machine.kubelets[0]
OURS = """
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runsc]
runtime_type = 'io.containerd.runsc.v1'
runtime_path = '/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1'
"""


def having(**sysctls: int) -> Facts:
    """A node with other settings of the kernel; in a name __ stands for a dot."""
    return good_facts(sysctls={name.replace("__", "."): value for name, value in sysctls.items()})


def limited(pids: int | None) -> Facts:
    limited: Kubelet = replace(KUBELET, pod_pids_limit=pids)
    return good_facts(kubelets=(limited,))


def said(facts: Facts, **runtime: object) -> list[str]:
    wanted = settings(runtime=RuntimeSettings(**runtime))  # type: ignore[arg-type]
    return [
        f"{each.message} | {each.hint} | {each.why}"
        for each in check_facts(facts, wanted, layout_of(wanted), GVISOR)
    ]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (having(kernel__yama__ptrace_scope=3), ("ptrace_scope is 3", "reboot", "gvisor#10495")),
        (having(vm__memfd_noexec=2), ("vm.memfd_noexec is 2", "sysctl vm.memfd_noexec=1", "mfd_noexec")),
        (having(user__max_net_namespaces=0), ("user.max_net_namespaces is 0", "sysctl user.max_net_namespaces=")),
        (having(user__max_pid_namespaces=0), ("user.max_pid_namespaces is 0",)),
        (having(user__max_mnt_namespaces=0), ("user.max_mnt_namespaces is 0",)),
        (having(user__max_ipc_namespaces=0), ("user.max_ipc_namespaces is 0",)),
        (having(user__max_uts_namespaces=0), ("user.max_uts_namespaces is 0",)),
        (good_facts(user_namespaces=1), ("user.max_user_namespaces is 1: a sandbox needs 2", "hostsettings")),
        (good_facts(has_seccomp=False), ("no seccomp", "CONFIG_SECCOMP_FILTER=y")),
        (limited(16), ("podPidsLimit is 16", "1024 or more", "gvisor#3942")),
        (with_daemon(dump=f"{CONFIG}{OURS}sandboxer = 'shim'\n"), ("sandboxer = 'shim'", "not implemented")),
        (with_daemon(dump=f"{CONFIG}{OURS}io_type = 'streaming'\n"), ("io_type = 'streaming'", "named pipes")),
    ],
)
def test_what_no_sandbox_starts_with_stands_against_an_install(facts: Facts, expected: tuple[str, ...]) -> None:
    (problem,) = said(facts)
    for each in expected:
        assert each in problem


@pytest.mark.parametrize(
    "facts",
    [
        having(kernel__yama__ptrace_scope=2, vm__memfd_noexec=1, vm__max_map_count=1048576),
        good_facts(user_namespaces=2, has_seccomp=True),
        limited(None),
        limited(-1),
        limited(4096),
        with_daemon(dump=f"{CONFIG}{OURS}sandboxer = 'podsandbox'\nio_type = ''\n"),
        with_daemon(dump=f"{CONFIG}{OURS.replace('runtimes.runsc', 'runtimes.kata')}sandboxer = 'shim'\n"),
    ],
)
def test_what_a_sandbox_can_live_with_does_not(facts: Facts) -> None:
    assert said(facts) == []


@pytest.mark.parametrize(
    ("scope", "runtime", "stands"),
    [
        (1, {"flags": {"directfs": "false"}}, False),
        (2, {"flags": {"directfs": "false"}}, True),
        (2, {"flags": {"directfs": "F"}}, True),
        (2, {"flags": {"directfs": "true"}}, False),
        (3, {"platform": "ptrace"}, True),
        (3, {"platform": "kvm"}, False),
    ],
)
def test_whether_yama_matters_is_the_platforms_and_the_flags_matter(
    scope: int, runtime: dict[str, object], *, stands: bool
) -> None:
    assert (
        any("ptrace_scope" in each for each in said(having(kernel__yama__ptrace_scope=scope), **runtime)) is stands
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (having(vm__max_map_count=30000), "vm.max_map_count is 30000"),
        (good_facts(user_namespaces=100), "user.max_user_namespaces is 100: each sandbox takes two"),
        (limited(256), "podPidsLimit is 256"),
        (good_facts(has_swap=True), "gvisor#13267"),
    ],
)
def test_what_troubles_later_sandboxes_is_a_warning(facts: Facts, expected: str) -> None:
    assert said(facts) == []
    (found,) = warnings(facts.machine)
    assert expected in f"{found.message} {found.why}"
    assert found.hint


def test_swap_is_no_matter_on_cgroup_v1() -> None:
    assert list(warnings(good_facts(has_swap=True, cgroup_version=1).machine)) == []
