"""Commands that are told before they run; that a real run runs just these, tests/lab/test_commands.py holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from nodeprov.engine.rehearsal import rehearse
from nodeprov.hosts.base import Place
from nodeprov.inventory import ContainerdSettings
from nodeprov.node.receipts import Author
from nodeprov.releases.obtain import Release
from nodeprov.reports.commands import Commands, comparable
from nodeprov.states import FileState
from tests.support.samples import settings
from tests.support.situations import (
    ALONE,
    TOGETHER,
    Situation,
    after_install,
    fresh,
    importing,
    in_cluster,
    interrupted_in_a_drain,
    on_k3s,
    uninstallable,
)

DROP_IN = settings(containerd=ContainerdSettings(config_style="dropin"), cluster=ALONE.cluster)
TEMPLATE = FileState(b'{{ template "base" . }}\n', 0o600)
AUTHOR = Author("ann", "desk", "0.1.0")


def told(situation: Situation, *, uninstall: bool = False, drain: bool = False) -> Commands:
    planned = situation.uninstall(drain=drain) if uninstall else situation.install()
    return rehearse(planned, situation.readers, AUTHOR)


def scripts(commands: Commands) -> str:
    return "\n".join(each.script for each in commands.doing)


SITUATIONS: dict[str, Callable[[Release], Situation]] = {
    "a fresh node": lambda new: fresh(new),
    "a fresh node of a cluster": lambda new: in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False),
    "k3s": lambda new: fresh(new, facts=on_k3s()),
    "k3s with a template": lambda new: fresh(new, facts=on_k3s(state=TEMPLATE)),
    "a drop-in": lambda new: importing(new, DROP_IN),
}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_an_install_of_every_kind_can_be_rehearsed(
    situation: Callable[[Release], Situation], new: Release
) -> None:
    commands = told(situation(new))
    assert "another run" not in scripts(commands)
    assert any("systemctl restart" in each.script for each in commands.doing)
    assert any("flock" in each.script for each in commands.doing[:1])
    uploads = [each.stdin for each in commands.doing if "of the release" in each.stdin]
    assert len(uploads) == 2, uploads
    assert any(each.what.startswith("taking back") for each in commands.undoing)
    assert "export LC_ALL=C" not in {each.script.strip() for each in commands.doing}, "nothing is asked there"


@pytest.mark.parametrize("uninstall", [False, True], ids=["install", "uninstall"])
def test_the_receipt_is_there_before_the_first_change_and_closed_after_the_last(
    new: Release, uninstall: bool
) -> None:
    situation = uninstallable(new, ALONE) if uninstall else fresh(new)
    writes = [
        path[1]
        for each in told(situation, uninstall=uninstall).doing
        if (path := re.search(r"^path=(\S+)$", each.script, re.MULTILINE)) and "query" not in each.what
    ]
    receipts = [number for number, path in enumerate(writes) if path.startswith("/var/lib/nodeprov/receipts/")]
    assert len(receipts) == 2, writes
    assert (receipts[0], receipts[1]) == (0, len(writes) - 1), writes


def test_what_is_behind_a_restart_begins_while_the_node_watches_and_the_label_waits_for_its_word(
    new: Release,
) -> None:
    situation = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False)
    said = [each.script for each in told(situation).doing]

    def places(text: str) -> list[int]:
        return [number for number, script in enumerate(said) if text in script]

    first, last = places("until [ -e outcome ]")
    assert first < places("cat /proc/version")[-1] < last, "a sandbox, and no second one after it"
    assert len(places("cat /proc/version")) == 2, "one through the new generation, one through `current`"
    assert first < places("images import")[0] < last
    assert last < places("kubectl label node")[0] < places("kubectl create")[-1]


def test_what_is_taken_back_is_told_with_the_look_before_it_and_the_one_after_it(new: Release) -> None:
    link = [each.script for each in told(fresh(new)).undoing if "path=/usr/local/bin/runsc\n" in each.script]
    assert len(link) == 3
    assert link[0] == link[2] != link[1]


def test_what_takes_an_upload_back_that_broke_is_told_too(new: Release) -> None:
    staged = [each.script for each in told(fresh(new)).undoing if "path=/opt/nodeprov/releases/." in each.script]
    assert len(staged) == 1


def test_an_uninstall_can_be_rehearsed_and_so_can_its_eviction(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    commands = told(situation, uninstall=True)
    assert "delete runtimeclass gvisor" in scripts(commands)
    situation.cluster = replace(situation.cluster, pods=("default/web",)) if situation.cluster else None
    drained = scripts(told(situation, uninstall=True, drain=True))
    assert "cordon" in drained
    assert "pods/web/eviction" in drained


@pytest.mark.parametrize("uninstall", [False, True], ids=["install", "uninstall"])
def test_what_an_interrupted_run_has_cordoned_the_next_one_uncordons(new: Release, uninstall: bool) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    assert "uncordon" not in scripts(told(situation, uninstall=uninstall))
    commands = scripts(told(interrupted_in_a_drain(new), uninstall=uninstall))
    assert "uncordon worker1" in commands


def test_an_uninstall_forgets_what_killed_proofs_have_left(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    commands = scripts(told(situation, uninstall=True))
    assert commands.index("A switch that was handed over") < commands.index("sweep_proofs")
    assert "delete pods" in commands


def test_where_there_is_nothing_to_do_nothing_runs(new: Release) -> None:
    assert told(after_install(new, new)) == Commands()


def test_a_rehearsal_asks_nothing_again_that_the_plan_has_read(new: Release) -> None:
    situation = fresh(new)
    planned = situation.install()
    asked = len(situation.reader.asked)
    rehearse(planned, situation.readers, AUTHOR)
    assert len(situation.reader.asked) == asked


def test_what_depends_on_the_moment_is_written_as_x(new: Release) -> None:
    first, second = told(fresh(new)), told(fresh(new))
    assert first == second
    assert "X" * 64 in scripts(first)
    assert "ann@desk since X" in scripts(first)
    assert (
        comparable("mv /etc/.config.toml.nodeprov-0123abcd x", "/s") == "mv /etc/.config.toml.nodeprov-XXXXXXXX x"
    )


def test_the_cluster_host_has_a_part_of_the_commands(new: Release) -> None:
    situation = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False)
    assert situation.cluster is not None
    situation.cluster.name = "master"
    commands = told(situation)
    assert {each.host for each in commands.doing} == {"worker1", "master"}
    assert any("get events" in each.script for each in commands.waiting)
    assert Place.CLUSTER in situation.readers
