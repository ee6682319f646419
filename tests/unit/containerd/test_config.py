"""A configuration, what is asked of it, and what differs between two besides our table."""

from __future__ import annotations

import pytest

from nodeprov.containerd import Config, Refused, add_runtime, differences
from nodeprov.toml import key_text
from tests.support.containerd_texts import CURRENT, DUMPS, RUNSC, V2, V3, block, dump

CRI = 'version = 4\n[plugins."io.containerd.cri.v1.runtime".containerd]\ndefault_runtime_name = "x"\n'


@pytest.mark.parametrize("name", DUMPS)
def test_a_runtime_is_found_in_the_dump_of_each_version(name: str) -> None:
    assert Config(dump(name)).runtime("runsc") is None
    assert Config(add_runtime(dump(name), RUNSC)).runtime("runsc") == RUNSC.table()


def test_a_disabled_plugin_serves_nothing_though_its_tables_are_printed() -> None:
    text = add_runtime(dump("kubeadm-2.4"), RUNSC)
    off = text.replace("disabled_plugins = []", "disabled_plugins = ['io.containerd.cri.v1.runtime']")
    assert Config(off).runtime("runsc") is None


def test_the_newer_section_counts_where_both_are_printed() -> None:
    older = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]\nruntime_type = "older"\n'
    assert Config(CRI + older).runtime("runsc") is None
    assert Config(older).runtime("runsc") == {"runtime_type": "older"}


def test_nothing_printed_is_nothing_served() -> None:
    assert Config("").runtime("runsc") is None
    assert not Config("").systemd_cgroup
    assert not Config("").enables_selinux
    assert Config("").missing_default_runtime is None


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
        f"{CRI}{table}.x]\nruntime_type = 'io.containerd.runc.v2'\n{table}.x.options]\n{options}\n"
        f"{table}.runc]\nruntime_type = 'io.containerd.runc.v2'\n"
        f"{table}.runc.options]\nSystemdCgroup = {str(not systemd).lower()}\n"
    )
    assert Config(text).systemd_cgroup is systemd


def runtimes(default: str, **tables: str) -> Config:
    """A dump with these runtimes; each says its type, and after a blank what SystemdCgroup is, if anything."""
    section = 'plugins."io.containerd.cri.v1.runtime".containerd'
    text = f"version = 3\n[{section}]\ndefault_runtime_name = '{default}'\n"
    for name, said in tables.items():
        kind, _, systemd = said.partition(" ")
        text += f"[{section}.runtimes.{name}]\nruntime_type = '{kind}'\n"
        text += f"[{section}.runtimes.{name}.options]\nSystemdCgroup = {systemd}\n" if systemd else ""
    return Config(text)


RUNC, KATA, RUNSC_TYPE = "io.containerd.runc.v2", "io.containerd.kata.v2", "io.containerd.runsc.v1"


@pytest.mark.parametrize(
    ("config", "handler", "systemd"),
    [
        (runtimes("runc", runc=f"{RUNC} true", another=f"{RUNC} false"), "runc", True),
        (runtimes("kata", kata=KATA, runc=f"{RUNC} true"), "runc", True),
        (runtimes("kata", kata=f"{KATA} false", runc=f"{RUNC} true"), "runc", True),
        (runtimes("nvidia", nvidia=f"{RUNC} true", runc=f"{RUNC} false"), "nvidia", True),
        (runtimes("kata", kata=KATA, runc=f"{RUNC} false", nvidia=f"{RUNC} true"), "nvidia", True),
        (runtimes("kata", kata=KATA, runc=f"{RUNC} true", crun="io.containerd.runc.v1 false"), "crun", False),
        (runtimes("runc", runc=RUNC, youki=f"{RUNC} true"), "youki", True),
        (runtimes("runsc", runsc=f"{RUNSC_TYPE} true"), None, None),
        (runtimes("gone", zzz=f"{RUNC} true"), "zzz", True),
        (runtimes("kata"), None, None),
    ],
)
def test_the_default_handler_is_asked_first_and_then_the_others_by_name(
    config: Config, handler: str | None, systemd: bool | None
) -> None:
    assert (config.cgroup_handler, config.systemd_cgroup) == (handler, systemd)


def test_a_default_runtime_that_is_not_declared_is_named() -> None:
    assert Config(dump("kubeadm-1.7")).missing_default_runtime is None
    lost = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]\n'
    assert Config(lost).missing_default_runtime == "runc"
    assert Config(CRI).missing_default_runtime == "x"


def test_selinux_is_seen() -> None:
    assert not Config(dump("kubeadm-2.4")).enables_selinux
    assert Config(dump("kubeadm-2.4").replace("enable_selinux = false", "enable_selinux = true")).enables_selinux


def test_a_text_is_parsed_once_and_not_before_something_is_asked_of_it() -> None:
    config = Config(dump("kubeadm-2.4"))
    assert config.document is config.document
    broken = Config("[x\n")
    for _ in range(2):
        with pytest.raises(Refused, match="not valid TOML"):
            broken.runtime("runsc")


@pytest.mark.parametrize(
    ("text", "version"), [("", 1), ("version = 0", 1), ("version = 2", 2), ("version = 4", 4)]
)
def test_the_version_of_a_file_is_1_unless_it_says_more(text: str, version: int) -> None:
    assert Config(text).version == version


def test_the_place_of_the_runtimes_follows_the_version() -> None:
    assert key_text(Config("version = 2").runtimes_path) == f"plugins.{V2}"
    for version in (3, 4):
        assert key_text(Config(f"version = {version}").runtimes_path) == f"plugins.{V3}"
    assert key_text(Config("version = 1").runtimes_path) == "plugins.cri.containerd.runtimes"
    for version in (-1, 5):
        with pytest.raises(Refused):
            assert Config(f"version = {version}").runtimes_path


def test_a_table_is_found_only_where_the_version_has_it() -> None:
    right, wrong = f"version = 3\n{block()}", f"version = 3\n{block(runtimes=V2)}"
    assert Config(right).declared("runsc") == RUNSC.table()
    assert Config(wrong).declared("runsc") is None
    assert Config(right).declares(RUNSC)
    assert Config(wrong).declares(RUNSC)
    assert not Config(right.replace(CURRENT, "/elsewhere")).declares(RUNSC)
    assert Config(block(runtimes="cri.containerd.runtimes")).declared("runsc") == RUNSC.table()


@pytest.mark.parametrize("name", DUMPS)
def test_our_table_is_no_difference_and_everything_else_is(name: str) -> None:
    before, after = dump(name), add_runtime(dump(name), RUNSC)
    assert differences(Config(before), Config(after), RUNSC) == ()
    assert differences(Config(after), Config(before), RUNSC) == ()
    changed = after.replace("SystemdCgroup = true", "SystemdCgroup = false")
    (said,) = differences(Config(before), Config(changed), RUNSC)
    assert said.endswith(".containerd.runtimes.runc.options.SystemdCgroup")


def imports(version: int, *files: str) -> Config:
    return Config(f"version = {version}\nimports = {list(files)}\n")


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
    zeros = f'{options}BinaryName = ""\nIoUid = 0\nSystemdCgroup = false\n'
    assert differences(Config(zeros), Config(options), RUNSC) == ()
    (said,) = differences(Config(f'{options}BinaryName = "crun"\n'), Config(options), RUNSC)
    assert said == 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options.BinaryName'


SNAPSHOTTERS = {
    "containerd 2": ('[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "native"', "native"),
    "containerd 1": ('[plugins."io.containerd.grpc.v1.cri".containerd]\nsnapshotter = "zfs"', "zfs"),
    "another one of a runtime": (
        '[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "native"\n'
        '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]\nsnapshotter = "devmapper"',
        "native",
    ),
    "nothing said": ('[plugins."io.containerd.cri.v1.images"]\nsnapshotter = ""', "overlayfs"),
}


@pytest.mark.parametrize(("dump", "snapshotter"), SNAPSHOTTERS.values(), ids=SNAPSHOTTERS.keys())
def test_the_snapshotter_of_images_is_the_one_that_all_runtimes_have(dump: str, snapshotter: str) -> None:
    assert Config(dump).snapshotter == snapshotter
