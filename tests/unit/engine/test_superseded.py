"""What earlier settings have left gives way to what the settings of now want."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.inventory import Label, Paths, RuntimeClassSettings
from nodeprov.releases.obtain import Release
from nodeprov.states import LinkState
from tests.support.samples import changed
from tests.support.situations import ALONE, LABEL_KEY, PEOPLE_KEY, TOGETHER, after_install, in_cluster, steps_of


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
