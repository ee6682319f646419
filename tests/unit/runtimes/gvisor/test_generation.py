"""A generation: runsc.toml, and what makes it another one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nodeprov.inventory import RuntimeSettings, Settings
from nodeprov.node.state import Facts
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.shim import runsc_flags
from tests.support.runtimes import generation_of, runsc_toml
from tests.support.samples import CONFIG, good_daemon, good_facts, release, settings, with_daemon

WANTED = settings()


def test_runsc_toml_names_the_versioned_runsc_and_every_flag_as_a_string(made: Release) -> None:
    wanted = settings(runtime=RuntimeSettings(platform="kvm", flags={"debug": "true", "network": 'a"b'}))
    assert tomllib.loads(runsc_toml(generation_of(wanted, made, good_facts()))) == {
        "binary_name": f"/opt/nodeprov/releases/{made.name}/runsc",
        "runsc_config": {"debug": "true", "network": 'a"b', "platform": "kvm", "systemd-cgroup": "true"},
    }


@pytest.mark.parametrize(
    ("facts", "wanted", "is_same"),
    [
        (good_facts(hostname="other", kernel="6.1.0", machine_id="x"), WANTED, True),
        (with_daemon(version=(2, 1, 0), loaded_log="x"), WANTED, True),
        (good_facts(), settings(version="latest"), True),
        (good_facts(), settings(runtime=RuntimeSettings(flags={"debug": "true"})), False),
        (good_facts(), settings(runtime=RuntimeSettings(platform="kvm")), False),
        (with_daemon(dump=CONFIG.replace("SystemdCgroup = true", "SystemdCgroup = false")), WANTED, False),
    ],
)
def test_a_generation_is_another_when_a_flag_is(
    made: Release, facts: Facts, wanted: Settings, is_same: bool
) -> None:
    first = generation_of(WANTED, made, good_facts())
    assert (generation_of(wanted, made, facts).digest == first.digest) is is_same


def test_a_generation_is_another_when_the_releases_bytes_are(tmp_path: Path) -> None:
    same = [release(tmp_path / name) for name in ("one", "two")]
    other = release(tmp_path / "three", content=b"\x7fELF other")
    first, second, third = (generation_of(WANTED, each, good_facts()).digest for each in (*same, other))
    assert first == second
    assert first != third


def test_the_order_in_which_flags_are_written_plays_no_part(made: Release) -> None:
    flags = {"debug": "true", "strace": "true"}
    turned = dict(reversed(flags.items()))
    digests = {
        generation_of(settings(runtime=RuntimeSettings(flags=each)), made, good_facts()).digest
        for each in (flags, turned)
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("dump", "derived"),
    [
        (CONFIG, True),
        (CONFIG.replace("= true", "= false"), False),
        (CONFIG.replace("SystemdCgroup", "systemdCgroup"), True),
        # containerd 2 takes systemd where no runtime says anything and systemd runs.
        ("version = 3\n", True),
        (
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndefault_runtime_name = 'crun'\n"
            "runtimes.crun.runtime_type = 'io.containerd.runc.v2'\n"
            "runtimes.crun.options.SystemdCgroup = true\nruntimes.runc.options.SystemdCgroup = false\n",
            True,
        ),
    ],
)
def test_systemd_cgroup_follows_the_default_runtime(dump: str, derived: bool) -> None:
    flags = runsc_flags(good_facts().machine, good_daemon(dump=dump), WANTED)
    assert flags == {"platform": "systrap", **({"systemd-cgroup": "true"} if derived else {})}
