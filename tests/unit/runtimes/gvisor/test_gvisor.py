from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.containerd import Refused
from nodeprov.errors import NodeprovError, Problem
from nodeprov.inventory import Paths, RuntimeSettings, Settings
from nodeprov.node.facts import Facts
from nodeprov.node.runtime_table import without_runtime
from nodeprov.plan.goal import Goal
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import containers_of_other_releases, generation, runsc_flags, tree_bytes
from nodeprov.runtimes.gvisor.goals import goals as goals_of
from nodeprov.runtimes.gvisor.kernel import gvisors_word
from nodeprov.runtimes.gvisor.layout import layout
from nodeprov.states import FileState, LinkState, TreeState
from tests.support.samples import CONFIG, VERSION, good_daemon, good_facts, release, settings, with_daemon

WANTED = settings()


@pytest.fixture
def made(tmp_path: Path) -> Release:
    return release(tmp_path)


def goals(facts: Facts, wanted: Settings, made: Release) -> tuple[Goal, ...]:
    return goals_of(facts.running_daemon, facts.footprint, wanted, made)


def with_runtime(current: FileState | None, facts: Facts | None = None) -> FileState:
    """What is wanted of the configuration; the release plays no part in it."""
    no_release = Release(VERSION, "x86_64", "files", Path("/nowhere"), TreeState(()), {})
    target = goals(facts or good_facts(), WANTED, no_release)[-1].target(current)
    assert isinstance(target, FileState)
    return target


def test_what_is_wanted_comes_in_an_order_in_which_nothing_names_what_is_not_there(made: Release) -> None:
    handler = "/opt/nodeprov/handlers/runsc"
    digest = generation(good_daemon(), WANTED, made).digest
    assert [goal.resource.key for goal in goals(good_facts(), WANTED, made)] == [
        f"tree:/opt/nodeprov/releases/{made.name}",
        f"file:{handler}/{digest}/runsc.toml",
        f"link:{handler}/{digest}/containerd-shim-runsc-v1",
        f"link:{handler}/{digest}/runsc",
        f"link:{handler}/current",
        "link:/usr/local/bin/runsc",
        "file:/etc/containerd/config.toml",
    ]


def test_links_lead_to_the_release_by_absolute_paths_and_current_to_the_generation(made: Release) -> None:
    wanted = {goal.resource.key: goal.target(None) for goal in goals(good_facts(), WANTED, made)[2:6]}
    digest = generation(good_daemon(), WANTED, made).digest
    assert list(wanted.values()) == [
        LinkState(f"/opt/nodeprov/releases/{made.name}/containerd-shim-runsc-v1"),
        LinkState(f"/opt/nodeprov/releases/{made.name}/runsc"),
        LinkState(digest),
        LinkState("/opt/nodeprov/handlers/runsc/current/runsc"),
    ]


def test_only_what_is_invisible_before_the_commit_is_collected(made: Release) -> None:
    collected = [goal.resource.collected for goal in goals(good_facts(), WANTED, made)]
    assert collected == [True, True, True, True, False, False, False]


def test_settings_say_where_all_of_it_lies(made: Release) -> None:
    wanted = settings(runtime=RuntimeSettings(handler="runsc-kvm"), paths=Paths(prefix="/data/gv", bin=""))
    keys = [goal.resource.key for goal in goals(good_facts(), wanted, made)]
    assert all(key.partition(":")[2].startswith("/data/gv/") for key in keys[:-1])
    assert f"file:/data/gv/handlers/runsc-kvm/{generation(good_daemon(), wanted, made).digest}/runsc.toml" in keys
    assert not any(key.endswith("/bin/runsc") for key in keys)
    runtime = layout(wanted).runtime
    assert runtime.handler == "runsc-kvm"
    assert runtime.runtime_path == "/data/gv/handlers/runsc-kvm/current/containerd-shim-runsc-v1"
    assert runtime.config_path == "/data/gv/handlers/runsc-kvm/current/runsc.toml"


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


def test_without_a_daemon_there_are_no_goals(made: Release) -> None:
    with pytest.raises(NodeprovError, match="containerd does not run") as caught:
        goals(good_facts(daemon=None), WANTED, made)
    assert caught.value.where == "worker1"


def test_a_configuration_keeps_its_owner_and_mode() -> None:
    before = FileState(CONFIG.encode(), 0o600, 5, 6)
    after = with_runtime(before)
    assert replace(after, content=b"") == replace(before, content=b"")
    assert after.content.startswith(before.content)


def test_a_reached_configuration_is_wanted_as_it_is() -> None:
    after = with_runtime(FileState(CONFIG.encode(), 0o644))
    assert with_runtime(after) == after


@pytest.mark.parametrize(("disk_version", "version"), [((2, 4, 2), 4), ((2, 2, 9), 3), ((1, 7, 27), 2)])
def test_a_missing_configuration_is_made_for_the_containerd_on_disk(
    disk_version: tuple[int, ...], version: int
) -> None:
    after = with_runtime(None, with_daemon(disk_version=disk_version))
    assert tomllib.loads(after.content.decode())["version"] == version
    assert (after.mode, after.uid, after.gid) == (0o644, 0, 0)


def test_a_missing_configuration_for_a_containerd_of_unknown_version_is_not_guessed() -> None:
    with pytest.raises(Refused, match="is no version of containerd"):
        with_runtime(None, with_daemon(disk_version=()))


@given(st.sampled_from(["\n", "\r\n"]), st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_without_is_the_inverse_of_with(newline: str, comment: str) -> None:
    runtime = layout(WANTED).runtime
    content = newline.join([*CONFIG.splitlines(), f"# {comment}", ""]).encode()
    before = FileState(content, 0o640, 1, 2)
    after = with_runtime(before)
    assert after != before
    assert without_runtime(runtime)(after) == before


def test_without_leaves_what_others_wrote_since_and_what_is_absent_absent() -> None:
    runtime = layout(WANTED).runtime
    installed = with_runtime(FileState(CONFIG.encode(), 0o644))
    edited = replace(installed, content=installed.content + b"\n[debug]\nlevel = 'info'\n")
    assert without_runtime(runtime)(edited) == FileState(f"{CONFIG}\n[debug]\nlevel = 'info'\n".encode(), 0o644)
    assert without_runtime(runtime)(None) is None


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
    found = gvisors_word(said)
    assert found.startswith(word)
    assert bool(found) == bool(word)


def test_a_daemon_that_cannot_be_told_from_others_is_not_said_to_be_down() -> None:
    facts = good_facts(daemon=None, undecided=Problem("2 containerds run", "say which one"))
    with pytest.raises(NodeprovError, match="2 containerds run") as caught:
        assert facts.running_daemon
    assert caught.value.hint == "say which one"
