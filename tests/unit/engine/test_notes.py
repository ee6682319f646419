"""What is told of a plan besides its steps."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.inventory import ProofSettings
from nodeprov.node.daemon_choice import Candidate, Choice
from nodeprov.node.receipts import BEGUN
from nodeprov.node.state import Facts
from nodeprov.plan.steps import Adopt
from nodeprov.releases.obtain import Release
from nodeprov.states import FileState
from nodeprov.workloads.judgement import changes
from tests.support.samples import CONFIG, changed, receipt_of, settings, with_daemon, with_receipts
from tests.support.situations import (
    CONFIG_KEY,
    TOGETHER,
    after_install,
    after_of,
    fresh,
    in_cluster,
    interrupted_in_a_drain,
    steps_of,
    uninstallable,
)


def test_of_several_containerds_the_plan_says_which_is_meant_and_why(new: Release) -> None:
    meant = Candidate(
        400, "containerd.service", ("/run/containerd/containerd.sock",), "/etc/containerd/config.toml"
    )
    dockers = Candidate(500, "docker.service", ("/run/docker.sock",), "/run/docker/containerd.toml")
    choice = Choice(meant, "kubelet talks to it (its default)", passed_over=(dockers,))
    planned = fresh(new, facts=with_daemon(choice=choice)).install()
    assert planned.plan.notes[1] == (
        "containerd: containerd.service at /run/containerd/containerd.sock, for kubelet talks to it (its "
        "default); left alone: docker.service at /run/docker.sock"
    )


def on(daemon: tuple[int, ...], text: str) -> Facts:
    """A containerd with this file."""
    file = FileState(text.encode(), 0o644)
    return with_daemon(version=daemon, disk_version=daemon, config=file, dump=CONFIG)


def test_a_dead_table_of_somebody_else_is_named_with_its_line_and_stays(new: Release) -> None:
    dead = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]'
    theirs = f"{CONFIG}\n{dead}\nruntime_type = 'io.containerd.runsc.v1'\n"
    planned = fresh(new, facts=on((2, 4, 2), theirs)).install()
    line = theirs.split(dead)[0].count("\n") + 1
    assert planned.plan.notes[1] == (
        f"{dead} (line {line}) of /etc/containerd/config.toml is dead: containerd 2.4.2 reads the runtimes of "
        "this file elsewhere; it is not nodeprov's, and stays"
    )
    after = after_of(planned, CONFIG_KEY)
    assert isinstance(after, FileState)
    assert after.content.decode().startswith(theirs)


def test_a_runc_that_is_declared_too_is_spoken_of(new: Release) -> None:
    planned = fresh(new, facts=on((1, 7, 35), 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n')).install()
    assert planned.plan.notes[1] == (
        "/etc/containerd/config.toml declares no runtime: runc is declared too, as the default has it, for the "
        "runtimes of a file take its place in containerd 1.7.35"
    )
    after = after_of(planned, CONFIG_KEY)
    assert isinstance(after, FileState)
    assert b'.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\nsandbox_mode' in after.content


def test_no_pod_is_run_where_none_is_wanted_and_that_is_said(new: Release) -> None:
    wanted = settings(proof=ProofSettings(pod=False))
    planned = in_cluster(fresh(new, wanted), has_label=False, has_class=False).install()
    assert steps_of(planned)[-1] == "proof handler"
    assert planned.plan.notes[-1] == "no pod is run as a proof: [proof] pod is false"


def test_an_install_does_not_say_that_it_finishes_what_another_handlers_run_left(new: Release) -> None:
    situation = uninstallable(new)
    theirs = receipt_of(1, "install", state=BEGUN, handler="runsc-kvm")
    situation.reader.facts = with_receipts(situation.facts, theirs)
    assert not any("finishes what it left" in note for note in situation.install().plan.notes)


def test_running_containers_of_the_release_before_are_spoken_of(old: Release, new: Release) -> None:
    situation = after_install(old, new)
    shim = f"/opt/nodeprov/releases/{old.name}/containerd-shim-runsc-v1"
    situation.reader.facts = changed(situation.facts, processes={shim: 3})
    _, restart, note, *_ = situation.install().plan.notes
    assert restart.startswith("containerd is not restarted, and the node keeps its label")
    assert note.startswith(
        f"3 sandboxes of {old.name} go on with it; a container that restarts in one is started by {new.name}"
    )


def test_what_pods_meet_otherwise_with_another_release_is_told(old: Release, new: Release) -> None:
    notes = after_install(old, new).install().plan.notes
    expected = [
        f"in pods, from {old.version} to {new.version}: {each}"
        for each in changes(old.version, new.version, {}, 2)
    ]
    assert expected
    assert [each for each in notes if each.startswith("in pods")] == expected
    assert not any(each.startswith("in pods") for each in fresh(new).install().plan.notes)
    assert not any(each.startswith("in pods") for each in after_install(new, new).install().plan.notes)


def test_that_an_interrupted_run_has_cordoned_the_node_is_told(new: Release) -> None:
    notes = interrupted_in_a_drain(new).uninstall().plan.notes
    assert "it has cordoned the node, which is uncordoned at the end" in notes


def test_a_runtime_class_of_an_earlier_label_stays_and_is_told_and_so_is_who_is_cut_off(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=False, has_class=True, labelled=())
    situation.wanted = replace(TOGETHER, label=replace(TOGETHER.label, key="example.com/gvisor"))
    planned = situation.uninstall()
    assert "runtimeclass" not in str(steps_of(planned, new=new))
    assert any("RuntimeClass gvisor is left" in note for note in planned.plan.notes)
    assert any("they get no new sandboxed pods" in note for note in situation.install().plan.notes)
    assert not any("sandboxed pods" in note for note in fresh(new, TOGETHER).install().plan.notes)


def test_receipts_of_another_machine_are_told_and_do_not_count(new: Release) -> None:
    situation = uninstallable(new)
    situation.reader.facts = changed(situation.facts, machine_id="ffff")
    planned = situation.install()
    assert isinstance(planned.plan.steps[0], Adopt)
    assert "it was cloned or reimaged since" in planned.plan.notes[1]
    assert planned.state.history.next_number > 1, "no receipt is written over"
    assert after_of(situation.uninstall(), CONFIG_KEY) == FileState(CONFIG.encode(), 0o644)
