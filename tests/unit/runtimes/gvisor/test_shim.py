"""What the shim reads, and what gVisor's kernel says."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.inventory import RuntimeSettings
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.shim import kernel_line, parse_shim_options
from nodeprov.states import TreeState
from tests.support.runtimes import generation_of, runsc_toml
from tests.support.samples import VERSION, good_facts, settings

PATH = "/opt/nodeprov/handlers/runsc/current/runsc.toml"


@pytest.mark.parametrize(
    ("text", "binary", "flags"),
    [
        ('binary_name = "/r/runsc"\n', "/r/runsc", {}),
        ('binary_name = "/r/runsc"\n[runsc_config]\n', "/r/runsc", {}),
        (
            'binary_name = "/r/runsc"\nlog_level = "debug"\n[runsc_config]\nplatform = "kvm"\ndebug = "true"\n',
            "/r/runsc",
            {"platform": "kvm", "debug": "true"},
        ),
    ],
)
def test_the_shims_options_are_read_as_the_shim_reads_them(text: str, binary: str, flags: dict[str, str]) -> None:
    options = parse_shim_options(text, PATH)
    assert (options.binary, options.flags) == (binary, flags)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("binary_name = ", "is not TOML"),
        ("", "has no absolute binary_name: the shim would take the runsc it finds on PATH"),
        ('binary_name = "runsc"\n', "has no absolute binary_name"),
        ('binary_name = ""\n', "has no absolute binary_name"),
        ("binary_name = 1\n", "has no absolute binary_name"),
        ('[runsc_config]\nbinary_name = "/r/runsc"\n', "has no absolute binary_name"),
        ('binary_name = "/r/runsc"\n[runsc_config]\ndebug = true\n', "must be a string"),
        ('binary_name = "/r/runsc"\n[runsc_config]\nnum-network-channels = 2\n', "must be a string"),
        ('binary_name = "/r/runsc"\n[runsc_config.flags]\ndebug = "true"\n', "must be a string"),
        ('binary_name = "/r/runsc"\nrunsc_config = "x"\n', "must be a string"),
    ],
)
def test_options_that_the_shim_would_not_take_are_refused_with_the_files_name(text: str, message: str) -> None:
    with pytest.raises(NodeprovError, match=message) as caught:
        parse_shim_options(text, PATH)
    assert PATH in caught.value.message
    assert "run nodeprov install" in caught.value.hint


def test_what_nodeprov_writes_is_read_as_it_was_meant() -> None:
    wanted = settings(
        runtime=RuntimeSettings(platform="kvm", flags={"strace-syscalls": 'open,"x"\\', "debug": "true"})
    )
    release = Release(VERSION, "x86_64", "archive", Path("/nowhere"), TreeState(()), {})
    made = generation_of(wanted, release, good_facts())
    options = parse_shim_options(runsc_toml(made), PATH)
    assert options.binary == f"/opt/nodeprov/releases/{release.name}/runsc"
    assert options.flags == {
        "debug": "true",
        "platform": "kvm",
        "strace-syscalls": 'open,"x"\\',
        "systemd-cgroup": "true",
    }


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("[   0.000000] Starting gVisor...\n[   0.1] Checking naughty list...", "Starting gVisor..."),
        ("version: Linux version 4.19.0-gvisor #1 SMP x\nkernel log: operation not permitted", "version: Linux"),
        ("Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016", "Linux version 4.4.0"),
        ("Linux version 6.8.0-45-generic (buildd@lcy02) #45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 2024", ""),
        ("Linux version 4.4.0-210-generic (buildd@gvisor) #242-Ubuntu SMP", ""),
        ("", ""),
    ],
)
def test_gvisors_kernel_is_known_by_what_it_says_in_every_release(said: str, word: str) -> None:
    found = kernel_line(said)
    assert found.startswith(word)
    assert bool(found) == bool(word)
