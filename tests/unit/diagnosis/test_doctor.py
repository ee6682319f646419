"""What doctor looks at besides the facts, what blocks an install, and what is advised, and why."""

from __future__ import annotations

import base64
import os
import time
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.containerd.distributions.profiles import K3S
from nodeprov.diagnosis.doctor import Observations, ObservationsQuery, advice, examine
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, Place, plain
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.admission import Admission, Mutation
from nodeprov.node.daemon_choice import Candidate, Choice, Kubelet
from nodeprov.node.imported_files import ImportsQuery
from nodeprov.node.state import ClusterState, Facts, Mount
from nodeprov.reports.findings import Finding, Severity
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState
from tests.support.samples import CONFIG, FakeReader, changed, good_facts, node, settings, with_daemon

PATH = "/opt/nodeprov/handlers/runsc/current/runsc.toml"


def test_what_the_script_prints_is_understood() -> None:
    toml = 'binary_name = "/r"\n[runsc_config]\nsystemd-cgroup = "true"\n'
    proxies = base64.b64encode(b"https_proxy=http://p:1\nNO_PROXY=.svc\nHTTP_PROXY=\n").decode()
    text = f"now=12.5\nfapolicyd=active\nproxies:={proxies}\nconfig:={base64.b64encode(toml.encode()).decode()}\n"
    assert ObservationsQuery(PATH, None).parse(Output(0, text.encode(), b"")) == Observations(
        12.5, True, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".svc"}, toml
    )


def test_the_script_runs_here_and_complains_of_nothing() -> None:
    query = ObservationsQuery(PATH, None)
    output = LocalHost().sh(query.script)
    assert output.stderr == b""
    assert query.parse(output).config is None


def test_a_password_in_a_proxy_is_not_read() -> None:
    held = LocalHost().hold(
        plain("sh", "HTTPS_PROXY=http://me:secret@proxy:3128; export HTTPS_PROXY; sh -c 'echo $$; cat'")
    )
    try:
        output = LocalHost().sh(ObservationsQuery(PATH, int(held.first_line)).script)
    finally:
        held.release()
    assert ObservationsQuery(PATH, None).parse(output).proxies == {"HTTPS_PROXY": "http://proxy:3128"}


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


def test_a_table_that_containerd_ignores_is_named_with_its_line() -> None:
    dead = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]'
    facts = with_daemon(config=FileState(f"{CONFIG}{dead}\n".encode(), 0o644))
    (said,) = advice(facts, WANTED, GVISOR, GOOD, 0)
    assert said.message.startswith(f"{dead} (line ")
    assert said.message.endswith(" of /etc/containerd/config.toml is dead")
    broken = with_daemon(config=FileState(b"\xff", 0o644))
    assert advice(broken, WANTED, GVISOR, GOOD, 0) == ()


def test_a_file_that_says_that_a_program_makes_it_is_told_unless_its_distribution_is_known() -> None:
    made = FileState(f"# Ansible managed\n{CONFIG}".encode(), 0o644)
    (said,) = advice(with_daemon(config=made), WANTED, GVISOR, GOOD, 0)
    assert said.message == "/etc/containerd/config.toml says '# Ansible managed'"
    assert advice(with_daemon(config=made, distribution=K3S), WANTED, GVISOR, GOOD, 0) == ()


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
        (good_facts(has_swap=True), GOOD, 0, "the node has swap", "gvisor#13267", "swapoff"),
        (
            good_facts(mounts=(Mount("/opt", frozenset({"rw"}), "tmpfs"),)),
            GOOD,
            0,
            "[paths] prefix, /opt/nodeprov, is on /opt (tmpfs), which a reboot forgets",
            "pods that it cannot run any more",
            "a folder on a disk",
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
            "kubelet is configured to manage cgroups by cgroupfs, containerd's default runtime by systemd",
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


@pytest.mark.parametrize(("asked", "answered", "skew"), [(999, 1001, 0), (900, 901, 99), (1100, 1101, 100)])
def test_the_way_to_the_node_is_no_skew_of_its_clock(asked: float, answered: float, skew: float) -> None:
    assert GOOD.skew_seconds(asked, answered) == skew


class Examined(FakeReader):
    """Answers what an examination asks besides."""

    def _answer(self, query: Any) -> Any:
        if isinstance(query, ImportsQuery) and "/missing.toml" in query.patterns:
            return {}
        return GOOD if isinstance(query, ObservationsQuery) else super()._answer(query)


def found_on(facts: Facts) -> tuple[Finding, ...]:
    return examine(node(WANTED), {Place.NODE: Examined(facts)}, GVISOR, lambda: 1000.0)


def test_a_good_node_has_no_finding() -> None:
    assert found_on(good_facts()) == ()


def test_what_an_install_refuses_stands_against_it() -> None:
    findings = found_on(good_facts(user_namespaces=0, selinux_enforcing=True))
    assert [(each.node, each.severity) for each in findings] == [
        ("worker1", Severity.AGAINST),
        ("worker1", Severity.ADVICE),
    ]
    assert findings[0].what == "user namespaces are forbidden (gvisor#8578)"
    assert "a user namespace of its own" in findings[0].why
    assert findings[0].remedy == "sysctl user.max_user_namespaces=10000"


def test_a_dangling_import_stands_against_an_install() -> None:
    text = f'imports = ["/missing.toml"]\n{CONFIG}'
    (finding,) = found_on(with_daemon(config=FileState(text.encode(), 0o644)))
    assert finding.severity is Severity.AGAINST
    assert "imports /missing.toml, which does not exist" in finding.what


def test_a_configuration_that_is_no_toml_is_a_finding_and_no_end() -> None:
    findings = found_on(with_daemon(config=FileState(b"version = = 3\n", 0o644)))
    assert any("not valid TOML" in each.what for each in findings)


def test_a_node_without_containerd_is_examined_all_the_same() -> None:
    (finding,) = found_on(good_facts(daemon=None, unit_state="not-found, inactive"))
    assert finding.what == "containerd does not run (unit: not-found, inactive)"


def test_who_is_not_root_is_not_told_how_containerd_and_kubelet_are() -> None:
    """What such a user sees of them: no plugin, no configuration, no process."""
    seen = with_daemon(plugins=(), dump="", config=None, delegate=False, needs_reload=True, version=(1, 6, 0))
    for facts in (changed(seen, uid=1000, kubelets=()), good_facts(daemon=None, uid=1000, kubelets=())):
        cluster = FakeReader(cluster=ClusterState("c", "s", {"metadata": {}}, None, ()))
        readers = {Place.NODE: Examined(facts), Place.CLUSTER: cluster}
        for wanted in (WANTED, settings()):
            against = [
                each
                for each in examine(node(wanted), readers, GVISOR, lambda: 1000.0)
                if each.severity is Severity.AGAINST
            ]
            assert [each.what for each in against] == ["the commands do not run as root"]
            assert "none of that was looked at" in against[0].why
        assert advice(facts, WANTED, GVISOR, GOOD, 0.0) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_of_this_machine_is_told_no_word_of_containerd() -> None:
    nobody = LocalHost("worker1", enter=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"))
    found = [each.what for each in examine(node(WANTED), {Place.NODE: nobody}, GVISOR, time.time)]
    assert found[0] == "the commands do not run as root"
    assert not [each for each in found if "containerd" in each or "CRI" in each or "kubelet" in each]


def test_a_cluster_that_cannot_be_read_is_a_finding() -> None:
    class Down(FakeReader):
        def ask(self, queries: Any) -> Any:
            raise NodeprovError("connection refused", "is the API server up?")

    wanted = node(settings())
    findings = examine(wanted, {Place.NODE: Examined(good_facts()), Place.CLUSTER: Down()}, GVISOR, lambda: 1000.0)
    assert [each.what for each in findings] == ["the cluster cannot be read: connection refused"]


def found_in(admission: Admission, **conditions: str) -> tuple[Finding, ...]:
    """What is found where a cluster says this to the proof's pod, and reports these conditions of the node."""
    given = [{"type": kind, "status": status} for kind, status in conditions.items()]
    in_cluster = ClusterState("c", "s", {"metadata": {}, "status": {"conditions": given}}, None, ())
    readers = {
        Place.NODE: Examined(good_facts()),
        Place.CLUSTER: FakeReader(cluster=in_cluster, admission=admission),
    }
    return examine(node(settings()), readers, GVISOR, lambda: 1000.0)


def test_what_the_cluster_would_do_to_the_proof_is_found() -> None:
    assert found_in(Admission(), Ready="True") == ()
    (refused,) = found_in(Admission(refusal="denied"))
    assert (refused.severity, "denied" in refused.what) == (Severity.AGAINST, True)
    (changed,) = found_in(Admission(mutations=(Mutation("spec.initContainers", None, [{}]),)))
    assert (changed.severity, "spec.initContainers was added" in changed.what) == (Severity.ADVICE, True)
    (unasked,) = found_in(Admission(unknown="no dry run"))
    assert (unasked.severity, "no dry run" in unasked.what) == (Severity.ADVICE, True)


def test_a_node_that_is_not_ready_is_found_and_one_reason_is_enough() -> None:
    (finding,) = found_in(Admission(refusal="denied"), Ready="Unknown")
    assert (finding.severity, finding.what) == (Severity.AGAINST, "the node is not ready for the cluster: Unknown")
