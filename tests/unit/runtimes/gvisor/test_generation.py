"""A generation: runsc.toml, and what makes it another one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nodeprov.inventory import RuntimeSettings, Settings
from nodeprov.node.facts import Facts
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import containers_of_other_releases, generation, runsc_flags, tree_bytes
from tests.support.samples import CONFIG, good_daemon, good_facts, release, settings, with_daemon

WANTED = settings()


def test_runsc_toml_names_the_versioned_runsc_and_every_flag_as_a_string(made: Release) -> None:
    wanted = settings(runtime=RuntimeSettings(platform="kvm", flags={"debug": "true", "network": 'a"b'}))
    assert tomllib.loads(generation(good_daemon(), wanted, made).runsc_toml) == {
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
    first = generation(good_daemon(), WANTED, made)
    assert (generation(facts.running_daemon, wanted, made).digest == first.digest) is is_same


def test_a_generation_is_another_when_the_releases_bytes_are(tmp_path: Path) -> None:
    same = [release(tmp_path / name) for name in ("one", "two")]
    other = release(tmp_path / "three", content=b"\x7fELF other")
    first, second, third = (generation(good_daemon(), WANTED, each).digest for each in (*same, other))
    assert first == second
    assert first != third


def test_the_order_in_which_flags_are_written_plays_no_part(made: Release) -> None:
    flags = {"debug": "true", "strace": "true"}
    turned = dict(reversed(flags.items()))
    digests = {
        generation(good_daemon(), settings(runtime=RuntimeSettings(flags=each)), made).digest
        for each in (flags, turned)
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("dump", "derived"),
    [
        (CONFIG, True),
        (CONFIG.replace("= true", "= false"), False),
        (CONFIG.replace("SystemdCgroup", "systemdCgroup"), True),
        ("version = 3\n", False),
        (
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndefault_runtime_name = 'crun'\n"
            "runtimes.crun.options.SystemdCgroup = true\nruntimes.runc.options.SystemdCgroup = false\n",
            True,
        ),
    ],
)
def test_systemd_cgroup_follows_the_default_runtime(dump: str, derived: bool) -> None:
    flags = runsc_flags(good_daemon(dump=dump), WANTED)
    assert flags == {"platform": "systrap", **({"systemd-cgroup": "true"} if derived else {})}


def test_containers_of_other_releases_are_counted_by_their_shims(made: Release) -> None:
    releases = "/opt/nodeprov/releases"
    processes = {
        f"{releases}/{made.name}/containerd-shim-runsc-v1": 4,
        f"{releases}/20260518.0-bf2b32777424/containerd-shim-runsc-v1": 2,
        f"{releases}/20250101.0-0123456789ab/containerd-shim-runsc-v1 (deleted)": 1,
        f"{releases}/20260518.0-bf2b32777424/runsc": 9,
        "/opt/nodeprov/.proof-x/shim": 1,
    }
    footprint = good_facts(processes=processes).footprint
    count = containers_of_other_releases(footprint, WANTED, made)
    assert count == 3


def test_a_release_is_as_large_as_its_files(made: Release) -> None:
    assert tree_bytes(made) == sum(path.stat().st_size for path in made.folder.iterdir())
