"""What is wanted on a node that runs gVisor."""

from __future__ import annotations

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.inventory import Paths, RuntimeSettings, Settings
from nodeprov.node.facts import Facts
from nodeprov.plan.goal import Goal
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.generation import generation
from nodeprov.runtimes.gvisor.goals import goals as goals_of
from nodeprov.runtimes.gvisor.layout import layout
from nodeprov.states import LinkState
from tests.support.samples import good_daemon, good_facts, settings

WANTED = settings()


def goals(facts: Facts, wanted: Settings, made: Release) -> tuple[Goal, ...]:
    return goals_of(facts.running_daemon, facts.footprint, wanted, made)


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


def test_without_a_daemon_there_are_no_goals(made: Release) -> None:
    with pytest.raises(NodeprovError, match="containerd does not run") as caught:
        goals(good_facts(daemon=None), WANTED, made)
    assert caught.value.where == "worker1"
