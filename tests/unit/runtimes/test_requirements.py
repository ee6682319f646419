from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.containerd import add_runtime
from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.errors import Problem
from nodeprov.inventory import ContainerdSettings, Paths, RuntimeSettings, Settings
from nodeprov.node.daemon import Plugin
from nodeprov.node.daemon_choice import Kubelet
from nodeprov.node.requirements import MARGIN_BYTES, forgotten_places
from nodeprov.node.state import Facts, Mount
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.requirements import check
from nodeprov.runtimes.requirements import check_facts as check_facts_of
from nodeprov.states import FileState
from tests.support.runtimes import layout_of, runsc, state_of
from tests.support.samples import CONFIG, changed, good_facts, installed, release, settings, with_daemon

WANTED = settings()
FOREIGN = runsc("runsc", "/usr/bin/containerd-shim-runsc-v1", "/etc/runsc.toml")
SELINUX = CONFIG + "\n[plugins.'io.containerd.cri.v1.runtime']\nenable_selinux = true\n"
NO_DEFAULT = """
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'crun'
runtimes.runc.runtime_type = 'io.containerd.runc.v2'
"""


def mounted(*options: str, path: str = "/opt") -> Facts:
    return good_facts(mounts=(Mount("/", frozenset({"rw"})), Mount(path, frozenset(options))))


OTHERS = "\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.other]\nruntime_type = 'x'\n"


def using(driver: str) -> Facts:
    """A node whose kubelet runs, and drives cgroups in a way."""
    facts = good_facts()
    return changed(facts, kubelets=tuple(replace(each, uses_driver=driver) for each in facts.machine.kubelets))


def talking_to(socket: str) -> Kubelet:
    return replace(good_facts().machine.kubelets[0], socket=socket)


def configured(text: str) -> Facts:
    """The daemon's file, and what it makes of it."""
    return with_daemon(config=FileState(text.encode(), 0o644), dump=text)


def check_facts(facts: Facts, wanted: Settings) -> tuple[Problem, ...]:
    layout = layout_of(wanted, facts.footprint.prefixes[1:])
    return check_facts_of(facts, wanted, layout, GVISOR)


def with_release(facts: Facts, made: Release) -> tuple[Problem, ...]:
    """What blocks this release."""
    return check(state_of(WANTED, facts), GVISOR, made)


V2 = configured("version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n")


def test_a_good_node_has_no_problem() -> None:
    assert check_facts(good_facts(), WANTED) == ()


def test_a_node_on_which_all_is_installed_has_no_problem(tmp_path: Path) -> None:
    made = release(tmp_path)
    assert with_release(installed(WANTED, made), made) == ()


def test_a_containerd_without_a_configuration_file_is_no_problem() -> None:
    assert check_facts(with_daemon(config=None, config_changed_at=None), WANTED) == ()


@pytest.mark.parametrize(
    ("facts", "message", "hint"),
    [
        (good_facts(uid=1000), "the commands do not run as root", "sudo"),
        (good_facts(architecture="riscv64"), "gVisor is not published for riscv64", "x86_64 and aarch64"),
        (good_facts(kernel="5.4.0-216-generic"), "kernel 5.4.0-216-generic is too old", "5.6 or later"),
        (good_facts(kernel="4.18.0"), "kernel 4.18.0 is too old", "5.6 or later"),
        (good_facts(architecture="aarch64", page_size=65536), "pages are 65536 bytes, gVisor needs 4096", "4 KiB"),
        (
            good_facts(architecture="aarch64", page_size=4096, address_bits=39),
            "the kernel's addresses have 39 bits, gVisor needs 48",
            "CONFIG_ARM64_VA_BITS_48",
        ),
        (good_facts(user_namespaces=0), "user namespaces are forbidden", "sysctl user.max_user_namespaces="),
        (good_facts(systemd_version=None), "systemd does not run on this node", "by systemd only"),
        (
            good_facts(loose={"/opt": "owner 1000, mode 755"}),
            "/opt, which holds [paths] prefix, can be written by others than root: owner 1000, mode 755",
            "chown root /opt && chmod o-w /opt, or set [paths] prefix",
        ),
        (
            good_facts(
                loose={"/data": "owner root, mode 1777"}, real_paths={"/var/lib/nodeprov": "/data/nodeprov"}
            ),
            "/data, which holds [paths] state, can be written by others than root",
            "chmod o-w /data",
        ),
        (
            good_facts(locked={"/opt": "it is immutable (chattr +i)"}),
            "/opt, which holds [paths] prefix, takes no file: it is immutable (chattr +i)",
            "chattr -i -a /opt",
        ),
        (
            good_facts(locked={"/etc/systemd/system": "it is append-only (chattr +a)"}),
            "/etc/systemd/system, which holds the unit of the dead man's switch, takes no file",
            "chattr -i -a /etc/systemd/system",
        ),
        (
            with_daemon(locked={"/etc/containerd/config.toml": "it is immutable (chattr +i)"}),
            "/etc/containerd/config.toml cannot be replaced: it is immutable (chattr +i)",
            "chattr -i -a /etc/containerd/config.toml",
        ),
        (
            with_daemon(locked={"/etc/containerd": "it is append-only (chattr +a)"}),
            "/etc/containerd/config.toml cannot be replaced: it is append-only (chattr +a): /etc/containerd",
            "chattr -i -a /etc/containerd",
        ),
        (
            mounted("rw", path="/etc/containerd/config.toml"),
            "/etc/containerd/config.toml is a mount of its own",
            "mount the folder",
        ),
        (
            with_daemon(good_facts(cgroup_version=1), dump=f"{CONFIG}{OTHERS}cgroup_writable = true\n"),
            "would not start again: runtime other has cgroup_writable = true, which needs cgroup v2",
            "take cgroup_writable out of the table of other in /etc/containerd/config.toml",
        ),
        (
            with_daemon(dump=f"{CONFIG}{OTHERS}io_type = 'pipe'\n"),
            "runtime other has io_type = 'pipe', which must be fifo or streaming",
            "take io_type out",
        ),
        (
            with_daemon(dump=f"{CONFIG}{OTHERS}privileged_without_host_devices_all_devices_allowed = true\n"),
            "which needs privileged_without_host_devices = true",
            "take privileged_without_host_devices_all_devices_allowed out",
        ),
        (
            using("cgroupfs"),
            "the running kubelet manages cgroups by cgroupfs, and containerd's default runtime is set to systemd",
            "set SystemdCgroup = false for runc in /etc/containerd/config.toml",
        ),
        (mounted("rw", "noexec"), "/opt/nodeprov is on /opt, mounted noexec", "[paths] prefix"),
        (mounted("ro"), "/opt/nodeprov is on /opt, mounted ro", "[paths] prefix"),
        (mounted("ro", path="/var"), "/var/lib/nodeprov is on /var, mounted ro", "[paths] state"),
        (mounted("ro", path="/etc"), "/etc/containerd/config.toml is on /etc", "where it can be written"),
        (mounted("ro", path="/usr"), "/usr/local/bin is on /usr, mounted ro", "[paths] bin"),
        (
            good_facts(daemon=None, unit_state="not-found, inactive"),
            "containerd does not run (unit: not-found, inactive)",
            "[containerd] unit",
        ),
        (
            good_facts(daemon=None, kubelets=(talking_to("/run/crio/crio.sock"),)),
            "containerd does not run: kubelet has pods run by CRI-O, at /run/crio/crio.sock",
            "take this node out of the inventory",
        ),
        (
            good_facts(daemon=None, kubelets=(talking_to("/run/cri-dockerd.sock"),)),
            "kubelet has pods run by Docker (cri-dockerd), at /run/cri-dockerd.sock",
            "take this node out of the inventory",
        ),
        (
            good_facts(daemon=None, undecided=Problem("2 containerds run", "[containerd] unit", "why")),
            "2 containerds run",
            "[containerd] unit",
        ),
        (
            with_daemon(unit=""),
            "containerd (process 400) was not started by a systemd service",
            "[containerd] unit",
        ),
        (
            with_daemon(version=(1, 6, 36)),
            "containerd 1.6.36 (running) is too old for gVisor 20260905.0",
            "1.7 or later",
        ),
        (
            with_daemon(V2, disk_version=(1, 6, 36)),
            "containerd 1.6.36 (on disk) is too old",
            "20260511.0 or older",
        ),
        (
            with_daemon(plugins=(Plugin("io.containerd.grpc.v1", "cri", "error"),)),
            "containerd's CRI plugin does not work now: io.containerd.grpc.v1.cri: error",
            "/usr/local/bin/ctr plugins ls -d",
        ),
        (with_daemon(plugins=()), "the CRI plugin is not loaded", "/usr/local/bin/ctr plugins ls -d"),
        (
            with_daemon(kill_mode="control-group"),
            "containerd.service has KillMode=control-group: a restart would end the node's pods",
            "set KillMode=process in containerd.service",
        ),
        (with_daemon(kill_mode="mixed"), "has KillMode=mixed", "set KillMode=process"),
        (
            with_daemon(dump=""),
            "containerd cannot read /etc/containerd/config.toml any more: "
            "`/usr/local/bin/containerd -c /etc/containerd/config.toml config dump` prints nothing",
            "fix it, and see whether it is read: /usr/local/bin/containerd -c /etc/containerd/config.toml",
        ),
        (
            with_daemon(dump=SELINUX),
            "enable_selinux = true, with which every gVisor pod fails",
            "false in /etc/containerd/config.toml",
        ),
        (
            with_daemon(dump=add_runtime(CONFIG, FOREIGN)),
            "handler 'runsc' is there that nodeprov did not write (runtime_path = "
            "'/usr/bin/containerd-shim-runsc-v1')",
            "[runtime] handler",
        ),
        (
            with_daemon(dump=f"{CONFIG}[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runsc]\n"),
            "(runtime_path = 'unset')",
            "[runtime] handler",
        ),
        (
            with_daemon(dump="version = 3\n" + NO_DEFAULT),
            "default_runtime_name is 'crun', which no runtime is named",
            "fix default_runtime_name in /etc/containerd/config.toml",
        ),
        (
            configured("version = 7\n"),
            "the file states version 7, which this nodeprov does not know",
            "1 to 4",
        ),
        (
            with_daemon(configured("version = 1\n[plugins.cri]\n"), disk_version=(2, 1, 5)),
            "config.toml states version 1, and containerd 2.1 then ignores [plugins.cri] (line 2)",
            "write version = 2",
        ),
        (
            with_daemon(config_target="/nix/store/x/config.toml"),
            "/etc/containerd/config.toml is a link to /nix/store/x/config.toml",
            'set [containerd] config = "/nix/store/x/config.toml"',
        ),
        (
            with_daemon(config=FileState(b"#" * (5 << 20), 0o644)),
            "/etc/containerd/config.toml: it has 5120 KiB",
            "up to 1024 KiB",
        ),
        (
            with_daemon(disk_version=(1, 7, 29)),
            "/etc/containerd/config.toml states version 3, and containerd 1.7 reads no more than version 2",
            "version 2",
        ),
        (
            with_daemon(config=FileState(b"version = 3\n# caf\xe9\n", 0o644)),
            "/etc/containerd/config.toml: line 2 is not UTF-8",
            "UTF-8",
        ),
        (
            with_daemon(config=FileState(b"version = = 3\n", 0o644)),
            "not valid TOML",
            "correct it first",
        ),
        (
            good_facts(links={"/usr/local/bin/runsc": "/usr/bin/runsc"}),
            "/usr/local/bin/runsc exists and was not installed by nodeprov: it leads to /usr/bin/runsc",
            "move it away",
        ),
        (
            good_facts(links={"/usr/local/bin/runsc": "(no link)"}),
            "/usr/local/bin/runsc exists and was not installed by nodeprov: it is a file",
            "move it away",
        ),
        (
            good_facts(links={"/usr/local/bin/runsc": "/opt/nodeprovisioner/runsc"}),
            "it leads to /opt/nodeprovisioner/runsc",
            "move it away",
        ),
    ],
)
def test_one_fact_changed_is_one_problem_with_its_remedy(facts: Facts, message: str, hint: str) -> None:
    (problem,) = check_facts(facts, WANTED)
    assert message in problem.message
    assert hint in problem.hint
    assert problem.why


def test_a_table_of_others_that_is_not_in_the_file_itself_is_not_adopted_and_that_is_said() -> None:
    """Not that `nodeprov adopt` would take it over: it is what was typed."""
    facts = with_daemon(dump=add_runtime(CONFIG, FOREIGN))
    (problem,) = check_facts_of(facts, WANTED, layout_of(WANTED), GVISOR, adopts=True)
    assert "handler 'runsc' is there that nodeprov did not write" in problem.message
    assert "move its table into /etc/containerd/config.toml itself; or remove it" in problem.hint
    assert "nodeprov adopt" not in problem.hint


@pytest.mark.parametrize(
    "facts",
    [
        good_facts(kernel="5.6.0"),
        good_facts(kernel="5.15.167.4-microsoft-standard-WSL2"),
        good_facts(kernel="10.0"),
        good_facts(architecture="aarch64"),
        good_facts(architecture="aarch64", page_size=None),
        good_facts(page_size=65536),
        good_facts(user_namespaces=None),
        with_daemon(config=FileState(b"version = 2\n", 0o644)),
        with_daemon(V2, version=(1, 7, 0), disk_version=(1, 7, 0)),
        with_daemon(version=(), disk_version=()),
        with_daemon(kill_mode="none"),
        with_daemon(kill_mode=""),
        mounted("ro", "noexec", path="/opt/data"),
        mounted("rw", "noexec", path="/var"),
        good_facts(links={"/usr/local/bin/runsc": "/opt/nodeprov/handlers/runsc/current/runsc"}),
    ],
)
def test_what_is_at_the_border_is_no_problem(facts: Facts) -> None:
    assert check_facts(facts, WANTED) == ()


def test_whose_handler_is_called_otherwise_is_not_in_the_way() -> None:
    facts = with_daemon(dump=add_runtime(CONFIG, FOREIGN))
    assert check_facts(facts, settings(runtime=RuntimeSettings(handler="runsc-2"))) == ()


@pytest.mark.parametrize(("has_kvm", "problems"), [(False, 1), (True, 0), (None, 0)])
def test_the_platform_kvm_needs_its_device(has_kvm: bool | None, problems: int) -> None:
    wanted = settings(runtime=RuntimeSettings(platform="kvm"))
    assert len(check_facts(good_facts(has_kvm=has_kvm), wanted)) == problems
    assert check_facts(good_facts(has_kvm=False), WANTED) == ()


def test_a_template_that_leads_into_a_read_only_store_is_refused() -> None:
    path = "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl"
    source = Source(path, How.GO_TEMPLATE, 3, FileState(b"", 0o644), 1.0, "/nix/store/abc-config.toml.tmpl")
    facts = changed(
        with_daemon(source=source), mounts=(Mount("/", frozenset()), Mount("/nix/store", frozenset({"ro"})))
    )
    (problem,) = check_facts(facts, WANTED)
    assert problem.message == (
        f"{path} is on /nix/store (/nix/store/abc-config.toml.tmpl), mounted ro: it cannot be edited"
    )


def test_who_wants_no_link_for_people_keeps_his_own_runsc() -> None:
    facts = good_facts(links={"/usr/local/bin/runsc": "(no link)"})
    assert check_facts(facts, settings(paths=Paths(bin=""))) == ()


@pytest.mark.parametrize("missing", [1, 0])
def test_a_release_that_is_not_there_needs_room_for_itself_and_a_margin(tmp_path: Path, missing: int) -> None:
    made = release(tmp_path)
    size = sum(path.stat().st_size for path in made.folder.iterdir())
    problems = with_release(good_facts(free_bytes=size + MARGIN_BYTES - missing), made)
    assert len(problems) == missing
    assert all(problem.message.startswith("/opt has ") for problem in problems)
    assert all(problem.message.endswith(" MiB are needed") for problem in problems)


def test_a_release_that_is_there_needs_no_room(tmp_path: Path) -> None:
    made = release(tmp_path)
    assert with_release(good_facts(free_bytes=0, releases=(f"/opt/nodeprov/releases/{made.name}",)), made) == ()


def test_all_problems_are_told_at_once() -> None:
    facts = changed(
        with_daemon(version=(1, 6, 0), plugins=(), kill_mode="control-group", dump=SELINUX),
        architecture="aarch64",
        page_size=65536,
        kernel="5.4.0",
        user_namespaces=0,
        systemd_version=None,
        mounts=(Mount("/", frozenset({"ro", "noexec"})),),
        links={"/usr/local/bin/runsc": "(no link)"},
    )
    said = "\n".join(problem.message for problem in check_facts(facts, WANTED))
    for part in (
        "kernel 5.4.0",
        "65536 bytes",
        "user namespaces",
        "systemd does not run",
        "/opt/nodeprov is on /, mounted noexec",
        "/opt/nodeprov is on /, mounted ro",
        "/var/lib/nodeprov is on /, mounted ro",
        "/usr/local/bin is on /, mounted ro",
        "1.6.0 (running)",
        "CRI plugin",
        "KillMode",
        "enable_selinux",
        "it is a file",
    ):
        assert part in said, part
    assert len(check_facts(facts, WANTED)) == 14


def test_who_is_not_root_is_told_what_any_user_can_know_and_nothing_of_containerd() -> None:
    facts = changed(with_daemon(version=(1, 6, 0), plugins=(), dump=""), uid=1000, kernel="5.4.0")
    problems = check_facts(facts, WANTED)
    assert [each.message.split(",")[0][:30] for each in problems] == [
        "the commands do not run as root"[:30],
        *[each.message[:30] for each in check_facts(good_facts(kernel="5.4.0"), WANTED)],
    ]
    assert "none of that was looked at" in problems[0].why


def test_a_drop_in_needs_containerd_2_and_a_folder_that_is_imported() -> None:
    wanted = settings(containerd=ContainerdSettings(config_style="dropin"))
    (problem,) = check_facts(good_facts(), wanted)
    assert problem.message.startswith("/etc/containerd/config.toml imports no folder of *.toml files")
    importing = 'imports = ["conf.d/*.toml"]\n' + CONFIG
    assert check_facts(configured(importing), wanted) == ()
    (problem,) = check_facts(with_daemon(V2, disk_version=(1, 7, 29)), wanted)
    assert "containerd 1.x" in problem.message
    assert 'leave [containerd] config_style = "dropin" out' in problem.hint


@pytest.mark.parametrize(("daemon", "blocks"), [((2, 1, 9), True), ((2, 4, 2), False)])
def test_a_drop_in_needs_the_version_of_the_runtimes_up_to_2_2(daemon: tuple[int, ...], blocks: bool) -> None:
    wanted = settings(containerd=ContainerdSettings(config_style="dropin"))
    text = 'imports = ["conf.d/*.toml"]\n' + CONFIG.replace("version = 3", "version = 2")
    found = check_facts(with_daemon(configured(text), version=daemon, disk_version=daemon), wanted)
    said = [each.message for each in found if "where another version than it states has them" in each.message]
    assert bool(said) == blocks


@pytest.mark.parametrize(
    "facts",
    [
        with_daemon(dump=f"{CONFIG}{OTHERS}cgroup_writable = true\nio_type = 'streaming'\nsandboxer = 'shim'\n"),
        with_daemon(
            dump=f"{CONFIG}{OTHERS}privileged_without_host_devices = true\n"
            "privileged_without_host_devices_all_devices_allowed = true\n"
        ),
        using("systemd"),
    ],
)
def test_what_the_cri_plugin_accepts_is_no_problem(facts: Facts) -> None:
    assert check_facts(facts, WANTED) == ()


def test_what_cannot_be_written_for_its_mount_or_its_user_is_told_once() -> None:
    locked = {"/opt": "it is immutable, or its file system is read-only"}
    read_only = changed(mounted("ro"), locked=locked)
    assert [each.message for each in check_facts(read_only, WANTED)] == [
        "/opt/nodeprov is on /opt, mounted ro: nothing there can be written"
    ]
    (problem,) = check_facts(good_facts(uid=1000, locked=locked), WANTED)
    assert problem.message == "the commands do not run as root"


TMPFS = Mount("/opt", frozenset({"rw"}), "tmpfs")
LIVE = (
    Mount("/", frozenset({"rw", "lowerdir=/ro", "upperdir=/run/upper/data"}), "overlay"),
    Mount("/run", frozenset({"rw"}), "tmpfs"),
    Mount("/var/lib", frozenset({"rw"}), "ext4"),
)


@pytest.mark.parametrize(
    ("mounts", "forgotten"),
    [
        ((Mount("/", frozenset({"rw"}), "ext4"), TMPFS), ["[paths] prefix, /opt/nodeprov, is on /opt (tmpfs)"]),
        (
            LIVE,
            [
                "[paths] prefix, /opt/nodeprov, is on / (overlay)",
                "containerd's configuration, /etc/containerd/config.toml, is on / (overlay)",
            ],
        ),
        ((Mount("/", frozenset({"rw", "upperdir=/var/upper"}), "overlay"),), []),
        ((Mount("/", frozenset({"rw"}), "btrfs"),), []),
    ],
)
def test_what_a_reboot_forgets_is_told_before_it_is_made(mounts: tuple[Mount, ...], forgotten: list[str]) -> None:
    facts = good_facts(mounts=mounts)
    found = list(forgotten_places(facts.machine, WANTED, facts.running_daemon))
    assert [each.message.removesuffix(", which a reboot forgets") for each in found] == forgotten
    assert all(each.hint and each.why for each in found)
    assert check_facts(facts, WANTED) == ()


def test_a_file_that_containerd_cannot_read_is_reported_once_in_its_words() -> None:
    said = "failed to unmarshal TOML at row 2 column 8: toml: unexpected character U+003D '=' at start of value"
    path = "/etc/containerd/config.toml"
    facts = with_daemon(dump="", config=FileState(b"version = 3\nroot = = 1\n", 0o644), refusal=f"{path}: {said}")
    wanted = settings()
    found = check_facts_of(facts, wanted, layout_of(wanted), GVISOR)
    assert [each.message for each in found if path in each.message] == [
        f"containerd cannot read {path} any more: {said}"
    ]
