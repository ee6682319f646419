from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.containerd import Runtime, add_runtime
from nodeprov.containerd.effective import (
    default_runtime_systemd_cgroup,
    differences,
    effective_runtime,
    missing_default_runtime,
    selinux_enabled,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "containerd"
CURRENT = "/opt/nodeprov/handlers/runsc/current"
RUNSC = Runtime("runsc", f"{CURRENT}/containerd-shim-runsc-v1", f"{CURRENT}/runsc.toml")
DUMPS = ["kubeadm-1.7", "kubeadm-2.1", "kubeadm-2.4"]  # what `containerd config default` prints is a dump too
CRI = 'version = 4\n[plugins."io.containerd.cri.v1.runtime".containerd]\ndefault_runtime_name = "x"\n'


def dump(name: str) -> str:
    return (GOLDEN / f"{name}.toml").read_text()


@pytest.mark.parametrize("name", DUMPS)
def test_a_runtime_is_found_in_the_dump_of_each_version(name: str) -> None:
    assert effective_runtime(dump(name), "runsc") is None
    assert effective_runtime(add_runtime(dump(name), RUNSC), "runsc") == RUNSC.table()


@pytest.mark.parametrize("name", DUMPS)
def test_our_table_is_no_difference_and_everything_else_is(name: str) -> None:
    before, after = dump(name), add_runtime(dump(name), RUNSC)
    assert differences(before, after, RUNSC) == ()
    assert differences(after, before, RUNSC) == ()
    (said,) = differences(before, after.replace("SystemdCgroup = true", "SystemdCgroup = false"), RUNSC)
    assert said.endswith(".containerd.runtimes.runc.options.SystemdCgroup")


def test_a_disabled_plugin_serves_nothing_though_its_tables_are_printed() -> None:
    text = add_runtime(dump("kubeadm-2.4"), RUNSC)
    off = text.replace("disabled_plugins = []", "disabled_plugins = ['io.containerd.cri.v1.runtime']")
    assert effective_runtime(off, "runsc") is None


def test_the_newer_section_counts_where_both_are_printed() -> None:
    older = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]\nruntime_type = "older"\n'
    assert effective_runtime(CRI + older, "runsc") is None
    assert effective_runtime(older, "runsc") == {"runtime_type": "older"}


def test_nothing_printed_is_nothing_served() -> None:
    assert effective_runtime("", "runsc") is None
    assert not default_runtime_systemd_cgroup("")
    assert not selinux_enabled("")
    assert missing_default_runtime("") is None


@pytest.mark.parametrize(
    ("options", "systemd"),
    [
        ("SystemdCgroup = true", True),
        ("SystemdCgroup = false", False),
        ("systemdCgroup = true", True),
        ("SystemdCgroup = false\nsystemdCgroup = true", True),
        ("SystemdCgroup = true\nsystemdCgroup = false", False),
        ("SystemdCgroup = 'true'", False),
        ("", False),
    ],
)
def test_the_cgroup_driver_is_that_of_the_default_runtime_in_any_case(options: str, systemd: bool) -> None:
    table = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes'
    text = (
        f"{CRI}{table}.x.options]\n{options}\n{table}.runc.options]\nSystemdCgroup = {str(not systemd).lower()}\n"
    )
    assert default_runtime_systemd_cgroup(text) is systemd


def test_a_default_runtime_that_is_not_declared_is_named() -> None:
    assert missing_default_runtime(dump("kubeadm-1.7")) is None
    lost = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]\n'
    assert missing_default_runtime(lost) == "runc"
    assert missing_default_runtime(CRI) == "x"


def test_selinux_is_seen() -> None:
    assert not selinux_enabled(dump("kubeadm-2.4"))
    assert selinux_enabled(dump("kubeadm-2.4").replace("enable_selinux = false", "enable_selinux = true"))


def imports(version: int, *files: str) -> str:
    return f"version = {version}\nimports = {list(files)}\n"


def test_1x_names_the_files_it_has_read_in_no_order_and_the_candidate_is_one_of_them() -> None:
    before = imports(2, "/c/config.toml", "/c/d/a.toml", "/c/d/b.toml")
    assert differences(before, imports(2, "/c/d/b.toml", "/c/.config.toml.new", "/c/d/a.toml"), RUNSC) == ()
    assert differences(imports(2), imports(2, "/c/.config.toml.new"), RUNSC) == ()


def test_1x_that_has_read_other_files_differs() -> None:
    before = imports(2, "/c/config.toml", "/c/d/a.toml")
    assert differences(before, imports(2, "/c/.config.toml.new"), RUNSC) == ("imports",)
    assert differences(before, imports(2, "/x/.config.toml.new", "/c/d/a.toml"), RUNSC) == ("imports",)


def test_2x_names_patterns_and_another_one_differs() -> None:
    assert differences(imports(4, "/c/*.toml"), imports(4, "/c/*.toml"), RUNSC) == ()
    assert differences(imports(4), imports(4, "/c/*.toml"), RUNSC) == ("imports",)


def test_what_is_not_printed_is_the_zero_value() -> None:
    options = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n'
    assert differences(f'{options}BinaryName = ""\nIoUid = 0\nSystemdCgroup = false\n', options, RUNSC) == ()
    (said,) = differences(f'{options}BinaryName = "crun"\n', options, RUNSC)
    assert said == 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options.BinaryName'
