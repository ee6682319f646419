"""What is wanted on a node that runs gVisor."""

from __future__ import annotations

import pytest

from nodeprov.containerd import Config, empty_config, with_runtime
from nodeprov.errors import NodeprovError
from nodeprov.inventory import Paths, RuntimeSettings, Settings
from nodeprov.node.state import Facts
from nodeprov.plan.goal import Goal
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import former_runtimes, tree_bytes
from nodeprov.runtimes.family import goals as goals_of
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import LinkState
from tests.support.runtimes import config_path, generation_of, layout_of, runtime_of, state_of
from tests.support.samples import good_facts, settings

WANTED = settings()


def goals(facts: Facts, wanted: Settings, made: Release) -> tuple[Goal, ...]:
    return tuple(goals_of(state_of(wanted, facts), GVISOR, made))


def test_what_is_wanted_comes_in_an_order_in_which_nothing_names_what_is_not_there(made: Release) -> None:
    handler = "/opt/nodeprov/handlers/runsc"
    digest = generation_of(WANTED, made, good_facts()).digest
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
    digest = generation_of(WANTED, made, good_facts()).digest
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
    assert (
        f"file:/data/gv/handlers/runsc-kvm/{generation_of(wanted, made, good_facts()).digest}/runsc.toml" in keys
    )
    assert not any(key.endswith("/bin/runsc") for key in keys)
    runtime = runtime_of(wanted)
    assert runtime.handler == "runsc-kvm"
    assert runtime.runtime_path == "/data/gv/handlers/runsc-kvm/current/containerd-shim-runsc-v1"
    assert config_path(runtime) == "/data/gv/handlers/runsc-kvm/current/runsc.toml"


def test_without_a_daemon_there_are_no_goals(made: Release) -> None:
    with pytest.raises(NodeprovError, match="containerd does not run") as caught:
        goals(good_facts(daemon=None), WANTED, made)
    assert caught.value.where == "worker1"


def test_a_release_is_as_large_as_its_files(made: Release) -> None:
    assert tree_bytes(made) == sum(path.stat().st_size for path in made.folder.iterdir())


def test_pods_may_say_how_they_share_volumes_and_nothing_else_only_where_that_is_wanted() -> None:
    assert "pod_annotations" not in runtime_of(WANTED).table()
    hints = settings(runtime=RuntimeSettings(mount_hints=True))
    assert runtime_of(hints).table()["pod_annotations"] == ["dev.gvisor.spec.mount.*"]


def test_what_lets_them_say_so_goes_again_and_what_others_let_through_stays() -> None:
    hints, former = settings(runtime=RuntimeSettings(mount_hints=True)), former_runtimes(GVISOR, layout_of(WANTED))
    empty = Config.of(empty_config("2.4.2").encode(), "/etc/containerd/config.toml")
    with_hints = with_runtime(empty, runtime_of(hints))
    assert "dev.gvisor.spec.mount.*" in with_hints.text
    without = with_runtime(with_hints, runtime_of(WANTED), former)
    assert without.text == with_runtime(empty, runtime_of(WANTED)).text
    theirs = Config.of(
        with_hints.text.replace("dev.gvisor.spec.mount.*", "example.com/*").encode(), with_hints.path
    )
    assert "example.com/*" in with_runtime(theirs, runtime_of(WANTED), former).text
