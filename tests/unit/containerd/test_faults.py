"""Settings with which containerd would run no pod, or gVisor none."""

from __future__ import annotations

import pytest

from nodeprov.containerd import Config
from nodeprov.containerd.faults import unusable
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
