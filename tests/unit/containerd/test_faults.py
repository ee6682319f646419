"""Settings and imported files with which containerd would run no pod, or gVisor none."""

from __future__ import annotations

import re

import pytest

from nodeprov.containerd import Config
from nodeprov.containerd.faults import drop_in_problems, unusable
from tests.support.containerd_texts import DUMPS, RUNSC, dump


@pytest.mark.parametrize("name", DUMPS)
def test_what_containerd_prints_of_itself_is_usable(name: str) -> None:
    assert list(unusable(Config(dump(name)), RUNSC)) == []


def test_all_faults_are_found_each_with_its_line_and_what_to_do() -> None:
    text = (
        "\ufeffversion = 2\ndisabled_plugins = ['cri', 'io.containerd.internal.v1.opt']\n"
        "[plugins.'io.containerd.grpc.v1.cri']\nenable_selinux = true\n"
    )
    plugin, selinux = unusable(Config(text), RUNSC)
    assert plugin.message.startswith("disabled_plugins names cri (line 2): ")
    assert plugin.hint == "take cri out of disabled_plugins"
    assert selinux.message.startswith("enable_selinux = true (line 4): ")
    assert selinux.hint.startswith("set enable_selinux = false")


ROOT = "/etc/containerd/config.toml"
V2, V3 = '"io.containerd.grpc.v1.cri"', '"io.containerd.cri.v1.runtime"'


def drop_in(plugin: str, below: str = ".containerd.runtimes.runsc", version: int = 2) -> str:
    return f"version = {version}\n\n[plugins.{plugin}{below}]\nx = 'y'\n"


def problems(files: dict[str, str], daemon: str, version: int = 2) -> list[str]:
    stated = f"version = {version}\n" if version else ""
    text = f"{stated}imports = {list(files)}\n"
    configs = {path: Config(each) for path, each in files.items()}
    found = list(drop_in_problems(ROOT, Config(text), configs, RUNSC, daemon))
    assert all(each.hint for each in found)
    return [each.message for each in found]


def test_a_drop_in_that_declares_the_handler_is_named_with_its_line_in_the_order_of_loading() -> None:
    files = {"/c/b.toml": drop_in(V3), "/c/a.toml": drop_in(V2), "/c/c.toml": drop_in(V3, ".cni")}
    assert problems(files, "2.4.2") == [
        f"/c/b.toml line 3 declares [plugins.{V3}.containerd.runtimes.runsc] too",
        f"/c/a.toml line 3 declares [plugins.{V2}.containerd.runtimes.runsc] too",
    ]


def test_on_1x_a_drop_in_with_any_part_of_the_section_takes_the_whole_section_away() -> None:
    files = {"/c/nvidia.toml": drop_in(V2, ".containerd.runtimes.nvidia"), "/c/debug.toml": "[debug]\n"}
    (said,) = problems(files, "1.7.29")
    assert said.startswith("/c/nvidia.toml line 3: containerd 1.x")
    assert problems(files, "2.0.0") == []


UNUSABLE = {
    "no TOML": ("[x\n", "/d.toml is not as containerd reads it: not valid TOML"),
    "no list of imports": ("imports = 3\n", "/d.toml is not as containerd reads it: imports is not a list"),
    "a version nobody knows": (
        "version = 9\n",
        "/d.toml is not as containerd reads it: the file states version 9",
    ),
    "the CRI plugin disabled": (
        'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n',
        r"/d.toml: disabled_plugins names io.containerd.grpc.v1.cri \(line 2\)",
    ),
    "SELinux": (
        f"version = 2\n[plugins.{V2}]\nenable_selinux = true\n",
        r"/d.toml: enable_selinux = true \(line 3\)",
    ),
    "a byte order mark": ("\ufeff# x\n", "/d.toml begins with a byte order mark: containerd 2.4.2 does not start"),
    "Latin-1": ("# x\n# caf\udce9\n", "/d.toml line 2 is not UTF-8: containerd 2.4.2 does not start with that"),
}


@pytest.mark.parametrize(("text", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_drop_in_with_which_containerd_would_not_start_or_not_run_gvisor_is_named(
    text: str, reason: str
) -> None:
    (said,) = problems({"/d.toml": text}, "2.4.2")
    assert re.match(reason, said)


def test_bytes_over_which_1x_reads_are_no_problem_there() -> None:
    assert problems({"/d.toml": "\ufeff# caf\udce9\n"}, "1.7.29") == []


# Tried on 1.7.29, 2.1.5 and 2.4.2 for each pair; on 2.3.0 to 2.3.4 by its source.
VERSIONS = [
    # the daemon, the file's version, the drop-in's, and what comes of it
    ("1.7.29", 2, 0, ""),
    ("1.7.29", 2, 2, ""),
    (
        "1.7.29",
        2,
        1,
        "/d.toml states version 1, and /etc/containerd/config.toml version 2: containerd 1.7.29 goes by",
    ),
    ("1.7.29", 0, 1, ""),
    ("1.7.29", 0, 2, "/d.toml states version 2, and /etc/containerd/config.toml states none"),
    ("1.7.29", 2, 3, "/d.toml states version 3, and containerd 1.7.29 reads no more than 2"),
    ("2.1.5", 2, 0, ""),
    ("2.1.5", 2, 1, ""),
    ("2.1.5", 2, 3, "/d.toml states version 3, and /etc/containerd/config.toml version 2"),
    ("2.1.5", 3, 0, ""),
    ("2.1.5", 3, 2, ""),
    ("2.1.5", 3, 4, "/d.toml states version 4, and containerd 2.1.5 reads no more than 3"),
    (
        "2.3.0",
        3,
        4,
        "/d.toml states version 4, which is higher than 3 in /etc/containerd/config.toml: containerd 2.3.0",
    ),
    ("2.3.4", 2, 3, "/d.toml states version 3, which is higher than 2"),
    ("2.3.4", 3, 2, ""),
    ("2.3.4", 0, 4, ""),
    ("2.3.5", 3, 4, ""),
    ("2.4.2", 2, 4, ""),
    ("2.4.2", 4, 2, ""),
    ("2.4.2", 0, 3, ""),
]


@pytest.mark.parametrize(("daemon", "root", "version", "reason"), VERSIONS)
def test_the_versions_of_files_go_together_or_the_one_that_does_not_is_named(
    daemon: str, root: int, version: int, reason: str
) -> None:
    stated = f"version = {version}\n" if version else ""
    found = problems({"/d.toml": f"{stated}[debug]\n"}, daemon, root)
    assert found[0].startswith(reason) if reason else not found


def test_where_the_file_states_no_version_the_first_drop_in_that_does_is_what_2_3_goes_by() -> None:
    files = {"/a.toml": "", "/b.toml": "version = 2\n", "/c.toml": "version = 3\n"}
    (said,) = problems(files, "2.3.2", 0)
    assert said.startswith("/c.toml states version 3, which is higher than 2 in /b.toml")


def test_the_last_version_counts_up_to_2_2() -> None:
    files = {"/a.toml": "version = 3\n", "/b.toml": "version = 2\n"}
    assert problems(files, "2.2.0", 2) == []
    assert len(problems(dict(reversed(files.items())), "2.2.0", 2)) == 1
