"""What differs between two configurations besides our table."""

from __future__ import annotations

import pytest

from nodeprov.containerd import Config, add_runtime, differences
from tests.support.containerd_texts import DUMPS, RUNSC, dump


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
