"""The script that asks, run on this machine, and what it has printed on a node, understood."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import plain
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.inventory import ContainerdSettings, Paths, Settings
from nodeprov.node.daemon import Identity, Record, version_text
from nodeprov.node.facts import FactsQuery, OfRuns, OfRunsQuery, gather, parse_facts
from nodeprov.node.requirements import containerd_works
from nodeprov.node.state import Facts
from nodeprov.states import FileState
from tests.support.containerd_words import DETAIL, REFUSED
from tests.support.facts_answers import FRESH, daemon_of
from tests.support.runtimes import layout_of
from tests.support.samples import having, recorded, settings


def of_folder(folder: Path) -> Settings:
    return settings(
        paths=Paths(prefix=f"{folder}/opt/nodeprov", state=f"{folder}/state", bin=f"{folder}/bin"),
        containerd=ContainerdSettings(unit="there-is-no-such-unit.service"),
    )


@pytest.mark.parametrize(
    ("known", "lines"),
    [
        (ContainerdSettings(), "unit=containerd.service\nconfig=''\nsocket=''\n"),
        (ContainerdSettings("/c d", "k3s.service", "/run/s"), "unit=k3s.service\nconfig='/c d'\nsocket=/run/s\n"),
    ],
)
def test_what_is_known_of_containerd_is_not_looked_for(known: ContainerdSettings, lines: str) -> None:
    assert lines in FactsQuery("worker1", settings(containerd=known), layout_of(settings())).script


def facts_here(folder: Path) -> Facts:
    return gather(LocalHost("here"), of_folder(folder), layout_of(of_folder(folder)))


def test_the_script_says_of_this_machine_what_there_is_and_leaves_nothing(tmp_path: Path) -> None:
    facts = facts_here(tmp_path)
    assert facts.node == "here"
    assert facts.daemon is None
    assert facts.machine.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert facts.machine.free_at == str(tmp_path)
    assert facts.machine.free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert facts.machine.mount_of("/proc/self") is not None
    assert set(facts.footprint.links.values()) == {""}
    assert (facts.footprint.releases, facts.footprint.generations, facts.receipts, facts.footprint.record) == (
        (),
        {},
        (),
        None,
    )
    assert list(tmp_path.iterdir()) == []


def test_the_script_tells_the_folders_on_the_way_that_others_could_change(tmp_path: Path) -> None:
    """Also those on the way to a link, and to where it leads; what only a group may write is its own matter."""
    for name, mode in (("open", 0o1777), ("shared", 0o2775), ("closed", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    (tmp_path / "closed" / "link").symlink_to(tmp_path / "open")

    def loose(place: str) -> set[str]:
        known = settings(paths=Paths(prefix=f"{tmp_path}/{place}/nodeprov", state="/var/lib/nodeprov", bin=""))
        found = gather(LocalHost("here"), known, layout_of(known)).machine.loose
        return {path.removeprefix(f"{tmp_path}/") for path in found if path.startswith(f"{tmp_path}/")}

    assert loose("closed") == loose("shared") == set()
    assert loose("open") == loose("closed/link") == {"open"}
    if os.geteuid() == 0:
        os.chown(tmp_path / "closed", 1234, 0)
        assert loose("closed") == {"closed"}


def test_a_node_that_stops_between_two_programs_starts_no_sooner(tmp_path: Path) -> None:
    """Else two plans of one node differ: a file is newer than containerd in one, and not in the other."""
    date, stops = tmp_path / "date", tmp_path / "stops"
    stops.write_text("..")
    date.write_text(
        f"""#!/bin/sh
{shutil.which("date")} "$@"
[ -s {stops} ] && truncate -s -1 {stops} && sleep 0.3
"""
    )
    date.chmod(0o755)
    known = of_folder(tmp_path)
    script = FactsQuery("here", known, layout_of(known)).script
    path = f"{tmp_path}:{os.environ['PATH']}"
    told = run_program(["sh", "-c", script], environment={"PATH": path}).text
    values = dict(line.partition("=")[::2] for line in told.splitlines())
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert stops.read_text() == ""
    assert float(values["now"]) - float(values["uptime"]) == pytest.approx(booted_at, abs=0.05)


def test_the_script_complains_of_nothing(tmp_path: Path) -> None:
    assert (
        LocalHost().sh(FactsQuery("worker1", of_folder(tmp_path), layout_of(of_folder(tmp_path))).script).stderr
        == b""
    )


def test_the_script_finds_generations_releases_links_and_receipts(tmp_path: Path) -> None:
    prefix, state, folder = tmp_path / "opt" / "nodeprov", tmp_path / "state", tmp_path / "bin"
    for name in ("r1", "r2", ".r3.nodeprov-00000000"):
        (prefix / "releases" / name).mkdir(parents=True)
    for handler, digest in (("runsc", "d1"), ("runsc-kvm", "d2")):
        generation = prefix / "handlers" / handler / digest
        generation.mkdir(parents=True)
        (generation / "runsc").symlink_to(prefix / "releases" / "r1" / "runsc")
        (generation.parent / "current").symlink_to(digest)
    folder.mkdir()
    (folder / "runsc").write_text("somebody else's")
    (state / "receipts").mkdir(parents=True)
    for number in (1, 2):
        (state / "receipts" / f"00000{number}-install.json").write_text(json.dumps({"number": number}))
    record = {"boot_id": "b", "pid": 1, "start_ticks": 2, "dump": "d\n"}
    (state / "daemon.json").write_text(json.dumps(record))
    facts = facts_here(tmp_path)
    assert facts.footprint.releases == (f"{prefix}/releases/r1", f"{prefix}/releases/r2")
    assert facts.footprint.generations == {
        f"{prefix}/handlers/runsc/d1": f"{prefix}/releases/r1",
        f"{prefix}/handlers/runsc-kvm/d2": f"{prefix}/releases/r1",
    }
    assert facts.footprint.links == {f"{prefix}/handlers/runsc/current": "d1", f"{folder}/runsc": "(no link)"}
    assert [receipt["number"] for receipt in facts.receipts] == [1, 2]
    assert facts.footprint.record == Record(Identity("b", 1, 2), "d\n")
    assert facts.machine.free_at == str(prefix)
    (state / "switch").mkdir()
    (state / "switch" / "run").write_text("000002-install\n")
    (state / "switch" / "outcome").write_text("restored\nit does not answer\n")
    facts, known = facts_here(tmp_path), of_folder(tmp_path)
    alone: OfRuns = LocalHost("here").ask([OfRunsQuery(known, layout_of(known))])[0]
    assert alone == OfRuns.among(facts), "what runs change is the same, read alone and with all else"
    assert (len(alone.receipts), alone.switched) == (2, facts.footprint.switched)
    assert alone.generations
    assert alone.switched is not None


def test_the_script_counts_the_processes_that_run_our_programs(tmp_path: Path) -> None:
    program = tmp_path / "opt" / "nodeprov" / "releases" / "r1" / "runsc"
    program.parent.mkdir(parents=True)
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    running = [LocalHost().hold(plain("sh", f"echo ready; exec {program}")) for _ in range(2)]
    try:
        assert facts_here(tmp_path).footprint.processes == {str(program): 2}
        program.unlink()
        assert facts_here(tmp_path).footprint.processes == {f"{program} (deleted)": 2}
    finally:
        for each in running:
            each.release()
    assert facts_here(tmp_path).footprint.processes == {}


def test_the_script_names_who_needs_our_files(tmp_path: Path) -> None:
    program = tmp_path / "opt" / "nodeprov" / "releases" / "r1" / "runsc"
    program.parent.mkdir(parents=True)
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    container = "0123456789abcdef" * 4
    calls = (f"{program} -", f"{program} - {container}")
    running = [LocalHost().hold(plain("sh", f"echo ready; exec {each}")) for each in calls]
    try:
        found = facts_here(tmp_path).footprint.users
    finally:
        for each in running:
            each.release()
    assert {(user.path, user.pod, user.container, user.pid.isdecimal()) for user in found} == {
        (str(program), "", "", True),
        (str(program), "", container, True),
    }


def test_processes_below_a_prefix_that_is_reached_through_a_link_are_still_ours(tmp_path: Path) -> None:
    (tmp_path / "var" / "opt" / "nodeprov" / "releases" / "r1").mkdir(parents=True)
    (tmp_path / "opt").symlink_to("var/opt")
    program = tmp_path / "opt" / "nodeprov" / "releases" / "r1" / "runsc"
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    running = LocalHost().hold(plain("sh", f"echo ready; exec {program}"))
    try:
        facts = facts_here(tmp_path)
    finally:
        running.release()
    assert facts.footprint.processes == {str(program): 1}
    assert facts.machine.real_paths[f"{tmp_path}/opt/nodeprov"] == f"{tmp_path}/var/opt/nodeprov"


BUNDLE = {
    "shim-binary-path": "{prefix}/handlers/runsc/current/containerd-shim-runsc-v1",
    "config.json": '{{"ociVersion":"1.2.1","annotations":{{"io.kubernetes.cri.container-type":"sandbox",'
    '"io.kubernetes.cri.sandbox-name":"{name}","io.kubernetes.cri.sandbox-namespace":"{namespace}"}}}}',
}


def test_the_pods_of_containers_that_need_our_files_are_known_by_what_cri_has_written(tmp_path: Path) -> None:
    containers = {
        "a": ("web-1", "shop", f"{tmp_path}/opt/nodeprov"),
        "b": ("web-1", "shop", f"{tmp_path}/opt/nodeprov"),  # the same pod's container
        "c": ("runc-1", "shop", "/usr/local/bin"),
        "d": ("$(touch x)|&", "..", f"{tmp_path}/opt/nodeprov"),
    }
    for name, (pod, namespace, prefix) in containers.items():
        folder = tmp_path / "run" / "io.containerd.runtime.v2.task" / "k8s.io" / name
        folder.mkdir(parents=True)
        for file, text in BUNDLE.items():
            (folder / file).write_text(text.format(name=pod, namespace=namespace, prefix=prefix))
    script = FactsQuery("here", of_folder(tmp_path), layout_of(of_folder(tmp_path))).script
    script = script.replace("${states:-/run/containerd}", f"{tmp_path}/run")
    footprint = parse_facts("here", LocalHost().execute(script, b"", 60).text).footprint
    shim = f"{tmp_path}/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1"
    assert (footprint.bundles, footprint.pods) == ((shim,), {"shop/web-1": (shim,)})


def without_containerd(text: str) -> str:
    """What the script prints where the unit is not there: systemctl says so, and nothing follows of a daemon."""
    names = [line.partition("=")[0] for line in text.splitlines()]
    of_daemon = ("daemon.", "config", "dump", "socket", "ctr", "plugins", "unit.")
    gone: dict[str, str | None] = {name: None for name in names if name.startswith(of_daemon)}
    unit = {"unit_state": "not-found, inactive", "containerd": None}
    return having(text, {**gone, **unit})


def test_a_real_node_is_understood() -> None:
    facts = parse_facts("worker2", FRESH)
    assert (facts.node, facts.machine.hostname, facts.machine.uid) == ("worker2", "worker2", 0)
    assert (facts.machine.architecture, facts.machine.kernel, facts.machine.os) == (
        "x86_64",
        "6.12.41-1-amd64",
        "Debian GNU/Linux 13 (trixie)",
    )
    assert (facts.machine.page_size, facts.machine.user_namespaces, facts.machine.systemd_version) == (
        4096,
        96365,
        257,
    )
    assert (facts.machine.cgroup_version, facts.machine.selinux_enforcing) == (1, None)
    assert (facts.machine.free_at, facts.machine.free_bytes) == ("/opt", 71128576 * 1024)
    assert facts.footprint.links == {"/opt/nodeprov/handlers/runsc/current": "", "/usr/local/bin/runsc": ""}
    assert (facts.unit_state, facts.footprint.record, facts.receipts) == ("loaded, active", None, ())
    assert (
        facts.footprint.processes,
        facts.footprint.bundles,
        facts.footprint.releases,
        facts.footprint.generations,
    ) == ({}, (), (), {})


def test_a_real_containerd_is_understood() -> None:
    daemon = daemon_of(FRESH)
    assert daemon.identity == Identity("691af8d2-42c3-4e5e-86db-c6cabba98f97", 161, 458156)
    assert (daemon.version, daemon.disk_version) == ((2, 4, 2), (2, 4, 2))
    assert (daemon.binary, daemon.ctr) == ("/usr/local/bin/containerd", "/usr/local/bin/ctr")
    assert daemon.socket == "/run/containerd/containerd.sock"
    assert (daemon.unit, daemon.kill_mode, daemon.needs_reload) == ("containerd.service", "process", False)
    assert daemon.restart_seconds == 5.0
    assert daemon.config is not None
    assert (daemon.config.mode, daemon.config.uid, daemon.config.gid) == (0o644, 0, 0)
    assert daemon.config.content.startswith(b"version = 4\n")
    assert daemon.dump.startswith("version = 4\n")
    assert daemon.cri_errors == ()
    assert '"starting cri plugin"' in daemon.loaded_log
    # now 1795259446.237530615, up for 4636.23 s, started 4581.563728 s after the boot.
    assert daemon.started_at == pytest.approx(1795259446.237530615 - 4636.23 + 4581.563728)
    assert daemon.config_changed_at == 1795259391.023099


def test_what_is_installed_and_used_on_a_real_node_is_understood() -> None:
    facts = parse_facts("worker2", recorded("sandboxed"))
    release = next(iter(facts.footprint.generations.values()))
    assert facts.footprint.releases == (release.removeprefix("/opt/nodeprov/releases/"),)
    current = facts.footprint.links["/opt/nodeprov/handlers/runsc/current"]
    assert list(facts.footprint.generations) == [f"/opt/nodeprov/handlers/runsc/{current}"]
    assert facts.footprint.links["/usr/local/bin/runsc"] == "/opt/nodeprov/handlers/runsc/current/runsc"
    assert set(facts.footprint.processes) >= {f"{release}/containerd-shim-runsc-v1"}
    assert all(path.startswith(f"{release}/") for path in facts.footprint.processes)
    assert all(path.startswith("/opt/nodeprov/") for path in facts.footprint.bundles)
    assert facts.footprint.bundles
    assert facts.daemon is not None
    assert facts.footprint.record is not None
    assert facts.footprint.record.identity == facts.daemon.identity
    assert [receipt["state"] for receipt in facts.receipts] == ["done"]


def test_a_node_without_containerd_has_no_daemon() -> None:
    facts = parse_facts("worker2", without_containerd(FRESH))
    assert facts.daemon is None
    assert facts.unit_state == "not-found, inactive"


def test_a_node_without_systemd_says_so() -> None:
    text = having(without_containerd(FRESH), {"systemd": None, "unit_state": None})
    facts = parse_facts("worker2", text)
    assert (facts.machine.systemd_version, facts.unit_state) == (None, "unknown")


def test_a_missing_configuration_is_absent_and_not_empty() -> None:
    daemon = daemon_of(having(FRESH, {"config.stat": None, "config:": None}))
    assert (daemon.config, daemon.config_changed_at) == (None, None)
    assert daemon.config_path == "/etc/containerd/config.toml"
    assert daemon_of(having(FRESH, {"config:": ""})).config is not None


def test_a_configuration_that_is_a_link_says_where_it_leads() -> None:
    text = having(recorded("fresh"), {"config.target": "/nix/store/x/config.toml"})
    assert daemon_of(text).config_target == "/nix/store/x/config.toml"
    assert daemon_of(recorded("fresh")).config_target == ""


def test_a_configuration_that_is_no_utf_8_keeps_its_bytes() -> None:
    content = b"# caf\xe9\r\nversion = 3\n"
    text = having(FRESH, {"config:": content.decode(errors="surrogateescape"), "config.stat": "600 1 2 3.5"})
    config = daemon_of(text).config
    assert config is not None
    assert (config.content, config.mode, config.uid, config.gid) == (content, 0o600, 1, 2)


def test_a_binary_that_was_deleted_has_no_version_on_disk() -> None:
    daemon = daemon_of(having(FRESH, {"daemon.disk_version": "", "dump:": "\n"}))
    assert (daemon.version, daemon.disk_version) == ((2, 4, 2), ())
    assert version_text(daemon.disk_version) == "of unknown version"


def test_a_journal_that_has_forgotten_says_nothing() -> None:
    assert daemon_of(having(FRESH, {"daemon.loaded:": ""})).loaded_log == ""


def test_a_unit_that_waits_for_a_reload_and_kills_its_pods_is_seen() -> None:
    daemon = daemon_of(having(FRESH, {"unit.NeedDaemonReload": "yes", "unit.KillMode": "control-group"}))
    assert (daemon.needs_reload, daemon.kill_mode) == (True, "control-group")


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("cgroup", "cgroup2fs", "cgroup_version", 2),
        ("cgroup", "tmpfs", "cgroup_version", 1),
        ("selinux", "1", "selinux_enforcing", True),
        ("selinux", "0", "selinux_enforcing", False),
        ("selinux", "", "selinux_enforcing", None),
        ("page_size", "65536", "page_size", 65536),
        ("page_size", "", "page_size", None),
        ("user_namespaces", "0", "user_namespaces", 0),
        ("user_namespaces", "", "user_namespaces", None),
        ("systemd", "systemd 249 (249.11-0ubuntu3.16)", "systemd_version", 249),
        ("systemd", "", "systemd_version", None),
        ("sysctl kernel.yama.ptrace_scope", "3", "sysctls", {"kernel.yama.ptrace_scope": 3}),
        ("sysctl vm.memfd_noexec", "", "sysctls", {}),
        ("seccomp", "0", "has_seccomp", False),
        ("seccomp", "1", "has_seccomp", True),
        ("seccomp", "", "has_seccomp", None),
        ("swaps", "0", "has_swap", False),
        ("swaps", "2", "has_swap", True),
        ("machine_id", None, "machine_id", ""),
        ("os", None, "os", ""),
        ("link /usr/local/bin/runsc", "(no link)", "links", None),
    ],
)
def test_nodes_differ(name: str, text: str | None, field: str, value: object) -> None:
    facts = parse_facts("worker2", having(FRESH, {name: text}))
    found = getattr(facts.footprint if field == "links" else facts.machine, field)
    assert (found if field != "links" else found["/usr/local/bin/runsc"]) == (value if field != "links" else text)


def test_what_is_locked_is_told_with_its_path() -> None:
    locked = "it is immutable (chattr +i) /opt/my folder\n"
    text = having(FRESH, {"locked:": locked, "config.locked:": locked.replace("/opt/my folder", "/etc/c.toml")})
    facts = parse_facts("worker2", text)
    assert facts.machine.locked == {"/opt/my folder": "it is immutable (chattr +i)"}
    assert facts.running_daemon.locked == {"/etc/c.toml": "it is immutable (chattr +i)"}


@pytest.mark.parametrize(
    ("uses", "driver"), [("systemd", "systemd"), ("cgroupfs", "cgroupfs"), ("", None), ("x", None)]
)
def test_how_the_running_kubelet_drives_cgroups_is_told(uses: str, driver: str | None) -> None:
    facts = parse_facts("worker2", having(FRESH, {}) + f"kubelet=7\nkubelet.uses_driver={uses}\nkubelet=\n")
    assert facts.machine.kubelets[-1].uses_driver == driver


def test_who_uses_our_files_is_counted_also_when_they_are_deleted() -> None:
    processes = (
        "      2 /opt/nodeprov/releases/r1/runsc (deleted)\n     11 /opt/nodeprov/releases/r2/gvisor sentry\n"
    )
    bundles = "/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1\n"
    facts = parse_facts("worker2", having(FRESH, {"processes:": processes, "bundles:": bundles}))
    assert facts.footprint.processes == {
        "/opt/nodeprov/releases/r1/runsc (deleted)": 2,
        "/opt/nodeprov/releases/r2/gvisor sentry": 11,
    }
    assert facts.footprint.bundles == ("/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1",)


@pytest.mark.parametrize(
    "values",
    [
        {"boot_id": None},
        {"uid": "root"},
        {"free_kib": ""},
        {"daemon.start_ticks": ""},
        {"unit.ExecMainStartTimestampMonotonic": None},
        {"config.stat": "644 0"},
        {"daemon.binary": None},
    ],
    ids=str,
)
def test_an_answer_that_lacks_what_every_node_has_is_refused_with_the_nodes_name(
    values: Mapping[str, str | None],
) -> None:
    with pytest.raises(NodeprovError, match="the node's answer is not understood") as caught:
        parse_facts("worker2", having(FRESH, values))
    assert caught.value.where == "worker2"


def block_of(text: str) -> str:
    """The part of a recording that tells of its containerd."""
    start = text.index("containerd=")
    return text[start : text.index("containerd=\n", start) + len("containerd=\n")]


def on_k3s(text: str) -> str:
    """A recording of a node on which k3s runs a containerd of its own besides."""
    folder = "/var/lib/rancher/k3s/agent/etc/containerd"
    path = f"{folder}/config.toml.tmpl"
    changes = {
        "containerd": None,
        "daemon.pid": "77",
        "unit.Id": "k3s-agent.service",
        "unit.MainPID": "70",
        "daemon.start_ticks": "5000",
        "daemon.sockets:": "/run/k3s/containerd/containerd.sock\n",
        "socket": "/run/k3s/containerd/containerd.sock",
        "config.path": f"{folder}/config.toml",
        f"origin.stat {path}": "600 0 0 12.5",
        f"origin.real {path}": path,
        f"origin {path}:": '{{ template "base" . }}\n',
    }
    theirs = having(block_of(text), changes)
    kubelet = "kubelet=60\nkubelet.program=k3s-agent\nkubelet=\n"
    return f"{text}containerd=77\n{theirs}containerd=\n{kubelet}"


def test_of_two_containerds_the_one_is_read_that_kubelet_talks_to() -> None:
    facts = parse_facts("worker2", on_k3s(FRESH))
    assert facts.daemon is not None
    assert (facts.daemon.unit, facts.daemon.identity.pid) == ("k3s-agent.service", 77)
    assert facts.running_daemon.choice.why == "k3s-agent talks to it (its default)"
    assert [each.unit for each in facts.running_daemon.choice.passed_over] == ["containerd.service"]


def test_a_child_of_a_units_main_process_began_when_the_kernel_says() -> None:
    daemon = daemon_of(on_k3s(FRESH))
    assert daemon.started_at == pytest.approx(1795259446.237530615 - 4636.23 + 50.0)


def test_the_template_of_a_distribution_is_read_as_it_is() -> None:
    daemon = daemon_of(on_k3s(FRESH))
    assert daemon.distribution.name == "k3s"
    assert daemon.edited_path == "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl"
    assert daemon.edited == FileState(b'{{ template "base" . }}\n', 0o600)
    assert daemon.source is not None
    assert (daemon.source.version, daemon.source.changed_at) == (2, 12.5)


def test_whose_containerd_it_is_the_processes_above_it_tell() -> None:
    text = having(on_k3s(FRESH), {"daemon.parents:": "sh\nrke2 server\n", "unit.Id": "edge.service"})
    daemon = daemon_of(text)
    assert daemon.parents == ("sh", "rke2 server")
    assert daemon.distribution.name == "rke2"


@pytest.mark.parametrize(
    ("given", "told"), [("server", "edge server"), ("token=hush", "edge"), ("K10hush", "edge")]
)
def test_of_what_the_processes_above_one_were_given_only_a_plain_word_is_told(
    tmp_path: Path, given: str, told: str
) -> None:
    script = FactsQuery("worker2", of_folder(tmp_path), layout_of(of_folder(tmp_path))).script
    loop = script[script.index("    parent=$pid") : script.index(" | bytes daemon.parents")]
    shutil.copy2("/bin/sh", tmp_path / "edge")
    (tmp_path / "look").write_text(f"pid=$$\n{loop}\n")
    (tmp_path / given).write_text("sh ./look\nexit 0\n")
    said = LocalHost().sh(f"cd {tmp_path} && ./edge {given}; exit 0").text.splitlines()
    assert said[0] == told


def test_the_setting_of_a_distribution_is_not_looked_for() -> None:
    wanted = settings(containerd=ContainerdSettings(distribution="plain", unit="k3s-agent"))
    facts = parse_facts("worker2", on_k3s(FRESH), settings=wanted)
    assert facts.daemon is not None
    assert (facts.daemon.distribution.name, facts.daemon.source) == ("plain", None)
    assert facts.daemon.edited_path.endswith("/config.toml")


def test_a_configuration_file_that_is_set_is_read_and_the_daemons_own_tells_them_apart() -> None:
    path = "/etc/containerd/config.toml"
    text = on_k3s(FRESH).replace("kubelet=60\nkubelet.program=k3s-agent\nkubelet=\n", "")
    first, second = text.split("containerd=77\n")
    own = f"/var/lib/rancher/k3s/agent{path}"
    text = f"{first}containerd=77\n{having(second, {'config.path': path, 'config.own': own, 'containerd': None})}"
    wanted = settings(containerd=ContainerdSettings(config=path))
    facts = parse_facts("worker2", text, settings=wanted)
    assert facts.running_daemon.choice.why == f"[containerd] config is {path}"
    assert facts.daemon is not None
    assert facts.daemon.unit == "containerd.service"


def test_why_cri_does_not_work_and_why_a_file_is_refused_is_told_in_containerds_words() -> None:
    plugins = "TYPE ID PLATFORMS STATUS\nio.containerd.cri.v1 images - error\nio.containerd.cri.v1 runtime - ok\n"
    refused = "containerd: failed to unmarshal TOML at row 4 column 9\n"
    given = {"plugins:": plugins, "plugins.detail:": DETAIL, "dump:": "", "dump.refused:": refused}
    daemon = parse_facts("worker1", having(recorded("fresh"), given)).running_daemon
    assert daemon.cri_errors == (REFUSED,)
    said = [problem.message for problem in containerd_works(daemon)]
    assert f"containerd's CRI plugin does not work now: {REFUSED}" in said
    assert any(each.endswith(": failed to unmarshal TOML at row 4 column 9") for each in said)
    silent = parse_facts("worker1", having(recorded("fresh"), {"plugins:": plugins})).running_daemon
    assert silent.cri_errors == ("io.containerd.cri.v1.images: error",)
