"""What nothing needs any more, and what earlier settings made, is taken away, at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.inventory import Label, Paths, RuntimeClassSettings
from nodeprov.node.receipts import Written
from nodeprov.releases.obtain import Release
from nodeprov.states import LinkState
from tests.support.runtimes import generation_of
from tests.support.samples import (
    changed,
    good_facts,
    installed,
    receipt_of,
    release,
    with_daemon,
    with_receipts,
)
from tests.support.situations import (
    ALONE,
    CONFIG_KEY,
    CURRENT_KEY,
    LABEL_KEY,
    PEOPLE_KEY,
    REMOVED_FROM_NODE,
    TOGETHER,
    after_install,
    collected,
    in_cluster,
    in_use,
    steps_of,
    uninstallable,
)


@pytest.fixture
def oldest(tmp_path: Path) -> Release:
    return release(tmp_path, "20260101.0", b"\x7fELF oldest")


def test_an_upgrade_keeps_the_generation_before_it_and_collects_older_ones_last(
    oldest: Release, old: Release, new: Release
) -> None:
    planned = after_install(old, new, before=installed(ALONE, oldest)).install()
    lines = steps_of(planned, oldest=oldest, old=old, new=new)
    assert lines[-2:] == ["- folder:handlers/runsc/Goldest", "- folder:releases/Roldest"]
    assert not any("Gold/" in line or line.endswith(("Gold", "Rold")) for line in lines if line.startswith("-"))


def test_nothing_is_collected_when_nothing_else_is_to_do(oldest: Release, new: Release) -> None:
    assert after_install(new, new, before=installed(ALONE, oldest)).install().plan.steps == ()


@pytest.mark.parametrize("kind", ["processes", "bundles"])
def test_what_a_sandbox_still_uses_is_not_collected(
    oldest: Release, old: Release, new: Release, kind: str
) -> None:
    before = installed(ALONE, oldest)
    path = f"/opt/nodeprov/releases/{oldest.name}/runsc"
    used: dict[str, Any] = {kind: {path: 1} if kind == "processes" else (path,)}
    planned = after_install(old, new, before=changed(before, **used)).install()
    assert collected(planned, oldest=oldest) == []


def test_a_pod_of_a_release_keeps_no_generation_of_it_that_nothing_names(old: Release, new: Release) -> None:
    """A run that died left it: other flags for the release that runs, and goes on running."""
    before = installed(ALONE, old)
    release_path = f"/opt/nodeprov/releases/{old.name}"
    left = {"/opt/nodeprov/handlers/runsc/0123456789ab": release_path}
    used: dict[str, Any] = {
        "processes": {f"{release_path}/runsc": 1},
        "bundles": ("/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1",),
    }
    before = changed(before, generations={**before.footprint.generations, **left}, **used)
    planned = after_install(old, new, before=before).install()
    assert collected(planned, old=old) == ["- folder:handlers/runsc/0123456789ab"]
    named = changed(before, bundles=("/opt/nodeprov/handlers/runsc/0123456789ab/containerd-shim-runsc-v1",))
    assert collected(after_install(old, new, before=named).install(), old=old) == []


def test_the_generation_that_was_replaced_is_kept_also_by_a_later_change_in_the_cluster(
    oldest: Release, old: Release, new: Release
) -> None:
    before = installed(TOGETHER, old, installed(TOGETHER, oldest))
    situation = after_install(new, new, TOGETHER, before)
    links = [LinkState(generation_of(TOGETHER, made, good_facts()).digest) for made in (oldest, old, new)]
    situation.reader.facts = with_receipts(
        situation.facts,
        receipt_of(1, "install", Written(CURRENT_KEY, links[0], links[1])),
        receipt_of(2, "install", Written(CURRENT_KEY, links[1], links[2])),
    )
    planned = in_cluster(situation, has_label=False, has_class=True).install()
    assert collected(planned, oldest=oldest, old=old, new=new) == [
        "- folder:handlers/runsc/Goldest",
        "- folder:releases/Roldest",
    ]


def test_a_release_that_another_handler_names_is_not_collected(
    oldest: Release, old: Release, new: Release
) -> None:
    before = installed(ALONE, oldest)
    theirs = {"/opt/nodeprov/handlers/runsc-kvm/0123456789ab": f"/opt/nodeprov/releases/{oldest.name}"}
    before = changed(before, generations={**before.footprint.generations, **theirs})
    planned = after_install(old, new, before=before).install()
    assert collected(planned, oldest=oldest) == ["- folder:handlers/runsc/Goldest"]


def test_a_release_that_nothing_names_is_collected(old: Release, new: Release) -> None:
    before = good_facts(releases=("/opt/nodeprov/releases/20250101.0-000000000000",))
    planned = after_install(old, new, before=before).install()
    assert collected(planned) == ["- folder:releases/20250101.0-000000000000"]


@pytest.mark.parametrize(
    "receipts",
    [(("install", "done"), ("uninstall", "done")), (("install", "undone"),)],
    ids=["an uninstall that was cut short", "an install whose undo was"],
)
def test_what_an_earlier_run_could_not_remove_is_removed(
    new: Release, receipts: tuple[tuple[str, str], ...]
) -> None:
    situation = after_install(new, new)
    unlinked = changed(situation.facts, links=dict.fromkeys(situation.facts.footprint.links, ""))
    written = [receipt_of(i, action, state=state) for i, (action, state) in enumerate(receipts, start=1)]
    plain = good_facts().running_daemon
    left = with_daemon(unlinked, config=plain.config, dump=plain.dump, loaded_log=plain.loaded_log)
    situation.reader.facts = with_receipts(left, *written)
    assert [step for step in steps_of(situation.uninstall(), new=new) if step.startswith("- folder")] == [
        "- folder:handlers/runsc/Gnew",
        "- folder:releases/Rnew",
    ]


def test_an_uninstall_takes_empty_folders_away_only_below_where_the_prefix_is(new: Release) -> None:
    changes = {change.resource.key: change.resource for change in uninstallable(new).uninstall().plan.changes}
    within = {key: getattr(resource, "within", None) for key, resource in changes.items()}
    assert within.pop(PEOPLE_KEY) == within.pop(CONFIG_KEY) == ""
    assert set(within.values()) == {"/opt"}


def test_an_uninstall_of_one_handler_leaves_the_release_to_the_other(new: Release) -> None:
    situation = uninstallable(new)
    facts = situation.facts
    theirs = {"/opt/nodeprov/handlers/runsc-kvm/0123456789ab": f"/opt/nodeprov/releases/{new.name}"}
    situation.reader.facts = changed(facts, generations={**facts.footprint.generations, **theirs})
    assert steps_of(situation.uninstall(), new=new) == REMOVED_FROM_NODE[:-1]


def test_the_release_that_drained_pods_used_is_collected_too(new: Release) -> None:
    path = f"/opt/nodeprov/releases/{new.name}/runsc"
    situation = in_use(uninstallable(new, TOGETHER), processes={path: 2})
    situation = in_cluster(situation, has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = ("default/web",)
    assert steps_of(situation.uninstall(drain=True), new=new)[-1] == "- folder:releases/Rnew"


def test_a_changed_prefix_moves_everything_and_then_removes_what_lay_there(new: Release) -> None:
    situation = after_install(new, new)
    situation.wanted = replace(ALONE, paths=Paths(prefix="/srv/np"))
    at = "/opt/nodeprov/handlers/runsc"
    situation.reader.facts_of_former = changed(
        situation.facts,
        prefixes=("/srv/np", "/opt/nodeprov"),
        links={
            "/srv/np/handlers/runsc/current": "",
            f"{at}/current": "Gold",
            "/usr/local/bin/runsc": f"{at}/current/runsc",
        },
        generations={f"{at}/Gold": "/opt/nodeprov/releases/Rold"},
        releases=("/opt/nodeprov/releases/Rold",),
    )
    steps = [line for line in steps_of(situation.install(), situation.wanted, new=new) if "proof" not in line]
    assert steps[-3:] == [
        "- link:handlers/runsc/current",
        "- folder:handlers/runsc/Gold",
        "- folder:releases/Rold",
    ]
    assert steps[4:8] == [
        "+ link:/srv/np/handlers/runsc/current",
        "~ link:/usr/local/bin/runsc",
        "~ file:/etc/containerd/config.toml",
        "restart containerd.service",
    ]


def test_a_changed_bin_takes_the_old_link_away_unless_somebody_has_changed_it(new: Release) -> None:
    situation = after_install(new, new)
    situation.wanted = replace(ALONE, paths=Paths(bin="/srv/bin"))
    steps = steps_of(situation.install(), situation.wanted, new=new)
    assert "+ link:/srv/bin/runsc" in steps
    assert "- link:/usr/local/bin/runsc" in steps
    situation.reader.states[PEOPLE_KEY] = LinkState("/elsewhere")
    assert "- link:/usr/local/bin/runsc" not in steps_of(situation.install(), situation.wanted, new=new)


def test_a_changed_label_takes_the_old_one_away_after_the_new_one_is_there(new: Release) -> None:
    situation = in_cluster(after_install(new, new, TOGETHER), has_label=True, has_class=True)
    situation.wanted = replace(TOGETHER, label=Label(key="example.com/gvisor"))
    steps = steps_of(situation.install(), situation.wanted)
    assert steps.index("+ label:worker1:example.com/gvisor") < steps.index(f"- {LABEL_KEY}")


def test_a_renamed_runtime_class_is_made_and_the_old_one_is_left_and_named(new: Release) -> None:
    situation = in_cluster(after_install(new, new, TOGETHER), has_label=True, has_class=False)
    situation.wanted = replace(TOGETHER, runtime_class=RuntimeClassSettings(name="sandboxed"))
    planned = situation.install()
    assert steps_of(planned, situation.wanted)[0] == "+ runtimeclass:sandboxed"
    (note,) = [note for note in planned.plan.notes if note.startswith("RuntimeClass gvisor")]
    assert "is left" in note
    assert note.endswith("kubectl delete runtimeclass gvisor")
