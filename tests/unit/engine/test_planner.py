"""What is planned for a node, what is told of it, and the reasons not to begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.containerd import Config, add_runtime, drop_in_text
from nodeprov.engine.look import Install, Uninstall
from nodeprov.errors import Problems
from nodeprov.hosts.base import Place
from nodeprov.inventory import ProofSettings, ReleaseSettings, RolloutSettings, Settings
from nodeprov.kubernetes import images
from nodeprov.kubernetes.admission import Admission, Mutation
from nodeprov.kubernetes.draining import Allowed, NodePod
from nodeprov.kubernetes.runtime_class import wanted_runtime_class
from nodeprov.node.daemon import Record
from nodeprov.node.receipts import BEGUN, UNDONE, Written, from_json
from nodeprov.node.state import User
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Adopt, Drain, Restart, Swap, Wait
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import Software
from nodeprov.reports.plan import plan_text
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState, LinkState
from tests.support.runtimes import generation_of, runtime_of
from tests.support.samples import (
    CONFIG,
    FakeReader,
    changed,
    good_daemon,
    good_facts,
    node,
    receipt_of,
    settings,
    with_daemon,
    with_receipts,
)
from tests.support.situations import (
    ALONE,
    CONFIG_KEY,
    CURRENT_KEY,
    DROPIN,
    IMPORTING,
    LABEL_KEY,
    OWN_KEY,
    PEOPLE_KEY,
    REMOVED_FROM_NODE,
    TOGETHER,
    Situation,
    after_install,
    after_of,
    fresh,
    importing,
    in_cluster,
    in_use,
    on_k3s,
    planned,
    steps_of,
    uninstallable,
    without_receipts,
)


@pytest.mark.parametrize(
    ("unit", "too"),
    [("k3s.service", "kubelet, the API server, its datastore"), ("k3s-agent.service", "kubelet")],
)
def test_on_k3s_the_template_is_edited_and_what_restarts_too_is_said(new: Release, unit: str, too: str) -> None:
    planned = fresh(new, facts=on_k3s(unit)).install()
    steps = steps_of(planned, new=new)
    assert "+ file:/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl" in steps
    assert steps[-4:] == [
        f"restart {unit}",
        "proof serving",
        "proof made runsc",
        "proof sandbox handlers/runsc/current",
    ]
    assert planned.plan.notes[1:] == (
        "distribution: k3s: /var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl is edited as a Go "
        f"template; {unit} makes /var/lib/rancher/k3s/agent/etc/containerd/config.toml of it when it starts",
        f"a restart of {unit} also restarts {too} on this node; pods go on, and nodes go one after the other",
    )


def test_a_template_of_others_gets_our_table_and_an_uninstall_takes_only_that(new: Release) -> None:
    theirs = FileState(b'{{ template "base" . }}\n[debug]\nlevel = "debug"\n', 0o600)
    (change,) = [
        c for c in fresh(new, facts=on_k3s(state=theirs)).install().plan.changes if "tmpl" in c.resource.key
    ]
    assert isinstance(change.after, FileState)
    assert change.after.content.startswith(theirs.content)
    ours = fresh(new, facts=on_k3s(state=change.after))
    (back,) = [c for c in ours.uninstall().plan.changes if "tmpl" in c.resource.key]
    assert (back.before, back.after) == (change.after, theirs)


def test_in_a_template_too_a_table_of_ours_gives_way_to_what_the_settings_want_now(
    old: Release, new: Release
) -> None:
    """An upgrade in strict mode, strict turned off and on, and mount_hints: nothing of it is somebody else's."""
    strict = replace(ALONE, runtime=replace(ALONE.runtime, strict=True))
    hinted = replace(ALONE, runtime=replace(ALONE.runtime, mount_hints=True))
    wishes = ((strict, old), (strict, new), (ALONE, new), (hinted, new))

    def template(wanted: Settings, made: Release, before: FileState | None) -> FileState:
        changes = fresh(made, wanted, on_k3s(state=before)).install().plan.changes
        after = next((each.after for each in changes if "tmpl" in each.resource.key), before)
        assert isinstance(after, FileState)
        return after

    alone = [template(*each, None) for each in wishes]
    assert len({each.content for each in alone}) == len(wishes)
    for before in alone:
        for wish, after in zip(wishes, alone, strict=True):
            found = template(*wish, before)
            assert sorted(found.content.splitlines()) == sorted(after.content.splitlines())


def test_a_template_that_cannot_be_appended_to_is_refused_before_anything_is_touched(new: Release) -> None:
    with pytest.raises(Problems, match=r"config-v3.toml.tmpl: the template ends inside \{\{ if \}\}"):
        fresh(new, facts=on_k3s(state=FileState(b"{{ if .X }}\n", 0o600))).install()


def test_a_configuration_that_is_not_there_is_made(new: Release) -> None:
    planned = fresh(new, facts=with_daemon(config=None, config_changed_at=None, dump="version = 3\n")).install()
    assert "+ file:/etc/containerd/config.toml" in steps_of(planned)
    assert planned.plan.restart is not None


def test_a_second_install_does_nothing_also_if_the_file_was_touched(new: Release) -> None:
    situation = after_install(new, new)
    situation.reader.facts = with_daemon(situation.facts, config_changed_at=9999.0)
    assert situation.install().plan.steps == ()


def test_problems_are_told_all_at_once_and_before_anything_is_downloaded(new: Release) -> None:
    facts = good_facts(uid=1000, user_namespaces=0)
    situation = in_cluster(fresh(new, TOGETHER, facts), has_label=False, has_class=False)
    assert situation.cluster is not None
    assert situation.cluster.cluster is not None
    situation.cluster.cluster = replace(situation.cluster.cluster, node=None)

    with pytest.raises(Problems) as caught:
        planned(node(TOGETHER), situation.readers, Install(GVISOR))
    assert len(caught.value.problems) == 3
    assert caught.value.where == "worker1"
    assert len(situation.reader.asked) == 1


def test_the_release_is_asked_for_by_the_nodes_architecture(new: Release) -> None:
    asked: list[str] = []

    def get(_software: Software, _wanted: ReleaseSettings, architecture: str) -> Release:
        asked.append(architecture)
        return new

    planned(node(ALONE), {Place.NODE: FakeReader(good_facts(architecture="aarch64"))}, Install(GVISOR), get)
    assert asked == ["aarch64"]


def with_imports(line: str, made: Release, found: Mapping[str, str]) -> Situation:
    text = f"imports = [{line}]\n{CONFIG}"
    facts = with_daemon(config=FileState(text.encode(), 0o644), dump=text)
    situation = fresh(made, facts=facts)
    situation.reader.imports = found
    return situation


@pytest.mark.parametrize(
    ("line", "found", "message"),
    [
        ('"extra.toml"', {}, "imports /etc/containerd/extra.toml, which does not exist"),
        ('"/etc/containerd/*"', {}, "finds every file beside it"),
        (
            '"/x.toml"',
            {"/x.toml": "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runsc]\n"},
            "/x.toml line 2 declares",
        ),
    ],
)
def test_an_import_that_is_in_the_way_is_a_problem(
    new: Release, line: str, found: Mapping[str, str], message: str
) -> None:
    with pytest.raises(Problems, match=message):
        with_imports(line, new, found).install()


def test_imports_of_imports_are_followed_and_may_be_in_the_way_too(new: Release) -> None:
    found = {"/a.toml": 'imports = ["/b.toml", "/a.toml"]\n', "/b.toml": 'imports = ["missing.toml"]\n'}
    with pytest.raises(Problems, match=r"imports /missing.toml, which does not exist"):
        with_imports('"/a.toml"', new, found).install()
    found["/missing.toml"] = ""
    assert with_imports('"/a.toml"', new, found).install().plan.pending


def test_imports_that_are_there_and_say_nothing_of_ours_are_no_problem(new: Release) -> None:
    planned = with_imports(
        '"/etc/containerd/conf.d/*.toml", "/x.toml"', new, {"/x.toml": "version = 3\n"}
    ).install()
    assert planned.plan.pending


def test_a_drop_in_holds_our_table_and_the_configuration_stays_as_it_is(new: Release) -> None:
    planned = importing(new, DROPIN).install()
    config = [line for line in steps_of(planned, new=new) if "containerd/" in line]
    assert config == [f"+ {OWN_KEY}", f"+ {OWN_KEY.replace('runsc', 'runsc-next')}"]
    assert "restart containerd.service" in steps_of(planned)


def test_a_folder_that_is_imported_and_empty_is_nothing_to_adopt(new: Release) -> None:
    lines = steps_of(importing(new, ALONE).install(), new=new)
    assert [line for line in lines if "adopt" in line or "conf.d" in line] == []


def test_a_table_goes_from_the_configuration_into_the_drop_in_and_back(new: Release) -> None:
    runtime = runtime_of(DROPIN)
    both = [f"+ {OWN_KEY}", f"~ {CONFIG_KEY}", f"+ {OWN_KEY.replace('runsc', 'runsc-next')}"]
    lines = steps_of(importing(new, DROPIN, root=add_runtime(IMPORTING, runtime)).install())
    assert [line for line in lines if "containerd/" in line] == both
    lines = steps_of(importing(new, ALONE, own=drop_in_text(Config(IMPORTING), runtime)).install())
    assert [line for line in lines if "containerd/" in line] == [f"~ {CONFIG_KEY}", f"- {OWN_KEY}"]


def test_an_uninstall_takes_the_drop_in_away(new: Release) -> None:
    own = drop_in_text(Config(IMPORTING), runtime_of(DROPIN))
    lines = steps_of(importing(new, DROPIN, own=own).uninstall())
    assert [line for line in lines if "containerd/" in line] == [f"- {OWN_KEY}"]


def test_the_runtime_class_stays_while_another_node_has_the_label(new: Release) -> None:
    situation = in_cluster(
        uninstallable(new, TOGETHER), has_label=True, has_class=True, labelled=("worker1", "worker2")
    )
    assert steps_of(situation.uninstall(), new=new) == ["proof unused", f"- {LABEL_KEY}", *REMOVED_FROM_NODE]


def test_the_runtime_class_goes_with_the_last_node_of_an_invocation(new: Release) -> None:
    situation = in_cluster(
        uninstallable(new, TOGETHER), has_label=True, has_class=True, labelled=("worker1", "worker2")
    )
    assert "- runtimeclass:gvisor" in steps_of(situation.uninstall(leaving=("worker2",)))


def test_what_no_receipt_tells_of_is_written_down_and_can_be_taken_back(new: Release) -> None:
    planned = in_cluster(
        without_receipts(after_install(new, new, TOGETHER)), has_label=True, has_class=True
    ).install()
    (step,) = planned.plan.steps
    assert isinstance(step, Adopt)
    assert planned.plan.pending
    adopted = {change.resource.key: change for change in planned.plan.adopted}
    assert adopted[CONFIG_KEY].before == FileState(CONFIG.encode(), 0o644)
    assert adopted[CURRENT_KEY].before is None
    assert {LABEL_KEY, "runtimeclass:gvisor", PEOPLE_KEY} <= adopted.keys()


def test_a_runtime_class_of_somebody_else_is_not_taken_over(new: Release) -> None:
    situation = in_cluster(without_receipts(after_install(new, new, TOGETHER)), has_label=True, has_class=True)
    assert situation.cluster is not None
    assert situation.cluster.cluster is not None
    theirs = {**wanted_runtime_class(TOGETHER).value, "metadata": {"name": "gvisor"}}
    situation.cluster.cluster = replace(situation.cluster.cluster, runtime_class=theirs)
    assert "runtimeclass:gvisor" not in [change.resource.key for change in situation.install().plan.adopted]


def test_a_pod_that_the_cluster_refuses_is_a_problem_before_anything_is_touched(new: Release) -> None:
    situation = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False)
    assert situation.cluster is not None
    situation.cluster.admission = Admission(refusal="admission webhook denied the request")
    with pytest.raises(Problems, match="the cluster refuses the pod that proves the runtime: admission"):
        situation.install()


def test_what_the_cluster_changes_in_the_pod_is_a_note(new: Release) -> None:
    situation = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False)
    assert situation.cluster is not None
    situation.cluster.admission = Admission(mutations=(Mutation("spec.initContainers", None, [{}]),))
    said = [note for note in situation.install().plan.notes if note.startswith("warning: ")]
    assert len(said) == 1
    assert "spec.initContainers was added" in said[0]


def test_a_cluster_is_not_asked_for_a_pod_that_no_plan_has(new: Release) -> None:
    situation = in_cluster(after_install(new, new, TOGETHER), has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.admission = Admission(refusal="denied")
    assert situation.install().plan.steps == ()


def test_another_machine_behind_the_nodes_name_is_not_uninstalled(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    assert situation.cluster is not None
    assert situation.cluster.cluster is not None
    other = {"metadata": {}, "status": {"nodeInfo": {"machineID": "ffff"}}}
    situation.cluster.cluster = replace(situation.cluster.cluster, node=other)
    with pytest.raises(Problems, match="is another machine"):
        situation.uninstall()


def test_an_uninstall_without_receipts_takes_out_what_is_ours(new: Release) -> None:
    situation = without_receipts(after_install(new, new))
    planned = situation.uninstall()
    assert steps_of(planned, new=new) == REMOVED_FROM_NODE
    assert after_of(planned, CONFIG_KEY) == FileState(CONFIG.encode(), 0o644)


def test_an_uninstall_of_a_configuration_that_cannot_be_replaced_is_refused_before_anything(new: Release) -> None:
    situation = uninstallable(new)
    why = {situation.daemon.config_path: "it is immutable (chattr +i)"}
    situation.reader.facts = with_daemon(situation.facts, locked=why)
    with pytest.raises(Problems, match="cannot be replaced: it is immutable"):
        situation.uninstall()


def test_an_uninstall_leaves_what_others_wrote_into_the_configuration_since(new: Release) -> None:
    situation = uninstallable(new)
    facts = situation.facts
    assert situation.daemon.config is not None
    theirs = b"\n[debug]\nlevel = 'info'\n"
    edited = replace(situation.daemon.config, content=situation.daemon.config.content + theirs)
    situation.reader.facts = with_daemon(facts, config=edited)
    assert after_of(situation.uninstall(), CONFIG_KEY) == FileState(CONFIG.encode() + theirs, 0o644)


def test_what_others_wrote_stays_also_when_nodeprov_has_written_the_file_since(new: Release) -> None:
    """What was there at first is not what they want back, though the file is as nodeprov has left it."""
    situation = uninstallable(new)
    pristine, theirs = FileState(CONFIG.encode(), 0o644), b"\n[debug]\nlevel = 'info'\n"
    assert situation.daemon.config is not None
    ours = situation.daemon.config
    edited = replace(ours, content=ours.content + theirs)
    without_ours = replace(pristine, content=pristine.content + theirs)
    first = receipt_of(1, "install", Written(CONFIG_KEY, pristine, replace(ours, content=b"as an older one was")))

    found = replace(edited, content=b"theirs, and an older one")
    again = receipt_of(2, "install", Written(CONFIG_KEY, found, edited))
    situation.reader.facts = with_daemon(with_receipts(situation.facts, first, again), config=edited)
    assert after_of(situation.uninstall(), CONFIG_KEY) == without_ours

    killed = receipt_of(2, "uninstall", Written(CONFIG_KEY, edited, without_ours), state=BEGUN)
    situation.reader.facts = with_daemon(with_receipts(situation.facts, first, killed), config=without_ours)
    assert CONFIG_KEY not in [change.resource.key for change in situation.uninstall().plan.changes]


def test_a_configuration_that_an_install_made_is_removed_again(new: Release) -> None:
    situation = uninstallable(new)
    facts = situation.facts
    made = receipt_of(1, "install", Written(CONFIG_KEY, None, situation.daemon.config))
    situation.reader.facts = with_receipts(facts, made)
    assert after_of(situation.uninstall(), CONFIG_KEY) is None


def test_a_link_of_somebody_else_stays(new: Release) -> None:
    situation = uninstallable(new)
    theirs = {**situation.facts.footprint.links, "/usr/local/bin/runsc": "/usr/bin/runsc"}
    situation.reader.facts = changed(situation.facts, links=theirs)
    assert "- link:/usr/local/bin/runsc" not in steps_of(situation.uninstall())


@pytest.mark.parametrize(
    ("used", "message"),
    [
        (
            {"processes": {"/opt/nodeprov/releases/r/runsc": 4, "/opt/nodeprov/x": 1}},
            "still in use by processes or containers that name /opt/nodeprov/releases/r/runsc",
        ),
        (
            {"bundles": ("/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1",)},
            "still in use by processes or containers that name /opt/nodeprov/handlers/runsc/current/",
        ),
        (
            {
                "processes": {"/opt/nodeprov/releases/r/runsc": 1},
                "users": (User("/opt/nodeprov/releases/r/runsc", "a/b", "0123456789abcdef", "42"),),
            },
            r"still in use by pod a/b \(container 0123456789abc, PID 42\)",
        ),
    ],
)
def test_an_uninstall_is_refused_while_a_sandbox_needs_it(new: Release, used: Any, message: str) -> None:
    with pytest.raises(Problems, match=message) as caught:
        in_use(uninstallable(new), **used).uninstall()
    assert caught.value.problems[0].hint.endswith("nodeprov uninstall worker1 --drain")


def test_what_an_uninstall_would_remove_can_be_planned_while_a_sandbox_needs_it(new: Release) -> None:
    situation = in_use(uninstallable(new), processes={"/opt/nodeprov/releases/r/runsc": 1})
    despite = planned(node(situation.wanted), situation.readers, Uninstall(GVISOR, despite_pods=True))
    assert despite.plan.changes == uninstallable(new).uninstall().plan.changes


@pytest.mark.parametrize("has_cluster", [True, False])
def test_what_no_drain_can_evict_is_refused_all_the_same(new: Release, has_cluster: bool) -> None:
    wanted = TOGETHER if has_cluster else ALONE
    situation = in_use(uninstallable(new, wanted), processes={f"/opt/nodeprov/releases/{new.name}/runsc": 1})
    if has_cluster:
        in_cluster(situation, has_label=True, has_class=True)
    with pytest.raises(Problems, match="still in use by ") as caught:
        situation.uninstall(drain=True)
    assert "none of it is a pod that can be evicted" in caught.value.problems[0].hint


def drained(new: Release, *pods: NodePod, used: Mapping[str, tuple[str, ...]]) -> Situation:
    """A node of which containers, by their pods, need our files, and the cluster's word on the pods."""
    paths = tuple(path for some in used.values() for path in some)
    situation = in_use(uninstallable(new, TOGETHER), bundles=paths, pods=used)
    situation = in_cluster(situation, has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = pods
    return situation


SHIM_PATH = "/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1"


def test_a_pod_whose_runtime_class_was_deleted_is_drained_by_what_it_really_runs(new: Release) -> None:
    pods = NodePod("default/old", has_our_class=False), NodePod("default/runc", has_our_class=False)
    situation = drained(new, *pods, used={"default/old": (SHIM_PATH,)})
    assert steps_of(situation.uninstall(drain=True))[0] == "drain default/old"


def test_a_pod_of_another_handler_is_not_drained(new: Release) -> None:
    other = "/opt/nodeprov/handlers/other/current/containerd-shim-runsc-v1"
    used = {"default/old": (SHIM_PATH,), "default/theirs": (other,)}
    pods = [NodePod(name, has_our_class=False) for name in used]
    situation = drained(new, *pods, used=used)
    generations = {
        **situation.facts.footprint.generations,
        "/opt/nodeprov/handlers/other/g": "/opt/nodeprov/releases/x",
    }
    in_use(situation, generations=generations)
    assert steps_of(situation.uninstall(drain=True))[0] == "drain default/old"


def test_a_drain_of_which_something_is_lost_is_refused_before_anything_is_touched(new: Release) -> None:
    bare = NodePod("default/bare", controller="", empty_dirs=("cache",))
    situation = drained(new, bare, used={"default/bare": (SHIM_PATH,)})
    with pytest.raises(Problems) as caught:
        situation.uninstall(drain=True)
    assert [each.message for each in caught.value.problems] == [
        "no controller makes these pods again: default/bare",
        "these pods lose what is in their emptyDir volumes: default/bare",
    ]
    plan = situation.uninstall(drain=True, allowed=Allowed(True, True)).plan
    assert "lost for good: default/bare: no controller makes it again" in plan_text(plan)
    assert "lost for good: default/bare: what is in its emptyDir cache" in plan_text(plan)


JOB = NodePod("default/job-1", controller="Job", labels={"app": "batch"})


@pytest.mark.parametrize(("drain", "pods"), [(True, ("default/web",)), (False, ())])
def test_before_the_restart_of_an_uninstall_too_pods_are_waited_for_and_others_leave(
    new: Release, drain: bool, pods: tuple[str, ...]
) -> None:
    rollout = RolloutSettings(drain=drain, wait_for="app=batch", wait_timeout_seconds=600)
    situation = in_cluster(uninstallable(new, replace(TOGETHER, rollout=rollout)), has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = (NodePod("default/web", has_our_class=False), replace(JOB, has_our_class=False))
    steps = situation.uninstall().plan.steps
    at = next(number for number, step in enumerate(steps) if isinstance(step, Swap))
    assert steps[at - 1] == Drain(pods, whole=drain, wait=Wait("app=batch", 600, False, ("default/job-1",)))


def test_sandboxed_pods_are_waited_for_where_they_are_chosen(new: Release) -> None:
    used = {"default/web": (SHIM_PATH,), JOB.name: (SHIM_PATH,)}
    situation = drained(new, NodePod("default/web"), JOB, used=used)
    situation.wanted = replace(situation.wanted, rollout=RolloutSettings(wait_for="app=batch"))
    drains = [step for step in situation.uninstall(drain=True).plan.steps if isinstance(step, Drain)]
    assert drains == [Drain(("default/web",), wait=Wait("app=batch", 3600, False, (JOB.name,)))]


def test_nobody_is_asked_for_pods_unless_they_are_to_be_drained(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = ("default/web-1",)
    assert not any(line.startswith("drain") for line in steps_of(situation.uninstall()))
    assert len(situation.cluster.asked) == 1


def test_an_interrupted_uninstall_is_finished_by_the_next(new: Release) -> None:
    """The configuration and the restart were done; the links and folders are left."""
    situation = uninstallable(new)
    facts = situation.facts
    done, identity = from_json(facts.receipts[0]), good_daemon().identity
    undone = receipt_of(2, "uninstall", Written(CONFIG_KEY, FileState(b"x", 0o644), None), state=BEGUN)
    facts = with_daemon(facts, config=FileState(CONFIG.encode(), 0o644), dump=CONFIG, identity=identity)
    facts = changed(facts, record=Record(identity, CONFIG))
    situation.reader.facts = with_receipts(facts, done, undone)
    assert steps_of(situation.uninstall(), new=new) == ["proof unused", *REMOVED_FROM_NODE[4:]]


def test_an_install_after_an_interrupted_uninstall_is_uninstalled_to_what_was_before_all(new: Release) -> None:
    """The interrupted run had written the configuration; the install puts our table back, and closes that run."""
    situation = uninstallable(new)
    first, ours = from_json(situation.facts.receipts[0]), situation.daemon.config
    assert ours is not None
    pristine = FileState(CONFIG.encode(), 0o644)
    broken = receipt_of(2, "uninstall", Written(CONFIG_KEY, ours, pristine), state=BEGUN)
    without_table = with_daemon(situation.facts, config=pristine, dump=CONFIG)
    situation.reader.facts = with_receipts(without_table, first, broken)
    planned = situation.install()
    written = planned.state.history.intent(planned.plan.changes)
    with_table = with_daemon(situation.facts, config=ours, dump=ours.content.decode())
    closed = broken.closed(UNDONE, "2026-09-03T10:00:00+00:00")
    situation.reader.facts = with_receipts(with_table, first, closed, receipt_of(3, "install", *written))
    assert after_of(situation.uninstall(), CONFIG_KEY) == pristine


def test_what_is_planned_carries_what_it_was_made_from(new: Release) -> None:
    situation = uninstallable(new)
    planned = situation.install()
    state, facts = planned.state, situation.facts
    assert (state.machine, state.daemon, state.footprint) == (facts.machine, facts.daemon, facts.footprint)
    assert [receipt.number for receipt in planned.state.history.receipts] == [1]
    assert (planned.want.release, planned.settings) == (new, ALONE)


def test_a_plan_is_a_value_that_says_what_is_before_and_after(old: Release, new: Release) -> None:
    planned = after_install(old, new).install()
    (current,) = (change for change in planned.plan.changes if change.resource.key == CURRENT_KEY)
    digests = [generation_of(ALONE, made, good_facts()).digest for made in (old, new)]
    assert isinstance(current, Change)
    assert (current.before, current.after) == (LinkState(digests[0]), LinkState(digests[1]))
    assert not any(isinstance(part, Restart) for part in planned.plan.parts)


def test_a_proof_for_which_the_program_is_missing_is_refused_before_anything_is_touched(
    new: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(images, "_PROGRAMS", tmp_path)
    situation = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False)
    with pytest.raises(Problems, match=r"installed without probe-x86_64: No such file") as caught:
        situation.install()
    assert "[proof] pod = false" in str(caught.value)

    no_need = [settings(proof=ProofSettings(pod=False)), settings(proof=ProofSettings(image="mirror/proof"))]
    for wanted in no_need:
        assert in_cluster(fresh(new, wanted), has_label=False, has_class=False).install().plan.pending
    assert fresh(new, ALONE).install().plan.pending
