from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nodeprov.containerd import Config, add_runtime, drop_in_file
from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.containerd.distributions.profiles import K3S
from nodeprov.engine.planner import Planned, plan_install, plan_uninstall
from nodeprov.errors import NodeprovError, Problems
from nodeprov.hosts.base import Place, Reader
from nodeprov.inventory import (
    ClusterSettings,
    ContainerdSettings,
    Label,
    Paths,
    ProofSettings,
    RuntimeClassSettings,
    RuntimeSettings,
    Settings,
)
from nodeprov.kubernetes import proof_image
from nodeprov.kubernetes.runtime_class import MANAGED_BY, wanted_runtime_class
from nodeprov.kubernetes.scheduling import cluster_goals
from nodeprov.node.cluster_state import ClusterState
from nodeprov.node.daemon import Daemon, Record
from nodeprov.node.daemon_choice import Candidate, Choice
from nodeprov.node.facts import Facts
from nodeprov.node.receipts.receipt import BEGUN, UNDONE, Receipt, Written, from_json
from nodeprov.node.runtime_table import without_runtime
from nodeprov.plan.action import INSTALL, UNINSTALL
from nodeprov.plan.goal import Change, Goal
from nodeprov.plan.steps import Adopt, Restart
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor import generation, goals, layout
from nodeprov.runtimes.gvisor.generation import tree_bytes
from nodeprov.states import FileState, LinkState, State
from tests.support.samples import (
    CONFIG,
    FakeReader,
    changed,
    good_daemon,
    good_facts,
    installed,
    node,
    reached,
    receipt_of,
    release,
    settings,
    short,
    with_daemon,
    with_receipts,
)

ALONE = settings(cluster=ClusterSettings(enabled=False))
TOGETHER = settings()
LABEL = "nodeprov.node-restriction.kubernetes.io/gvisor"
LABEL_KEY = f"label:worker1:{LABEL}"
CONFIG_KEY = "file:/etc/containerd/config.toml"
CURRENT_KEY, PEOPLE_KEY = "link:/opt/nodeprov/handlers/runsc/current", "link:/usr/local/bin/runsc"


@dataclass
class Situation:
    """A node, and a cluster unless there is none, as they are read; and the release that is wanted."""

    reader: FakeReader
    wanted: Settings
    made: Release
    cluster: FakeReader | None = None

    @property
    def facts(self) -> Facts:
        """What is read of the node."""
        assert self.reader.facts is not None
        return self.reader.facts

    @property
    def daemon(self) -> Daemon:
        """What is read of its containerd."""
        return self.facts.running_daemon

    @property
    def readers(self) -> Mapping[Place, Reader]:
        return {Place.NODE: self.reader, **({Place.CLUSTER: self.cluster} if self.cluster else {})}

    def install(self) -> Planned:
        return plan_install(node(self.wanted), self.readers, lambda _architecture: self.made)

    def uninstall(self, *, drain: bool = False, leaving: tuple[str, ...] = ()) -> Planned:
        return plan_uninstall(node(self.wanted), self.readers, drain=drain, leaving=leaving)


@pytest.fixture
def old(tmp_path: Path) -> Release:
    return release(tmp_path, "20260518.0", b"\x7fELF old")


@pytest.fixture
def new(tmp_path: Path) -> Release:
    return release(tmp_path, "20260905.0", b"\x7fELF new")


def fresh(made: Release, wanted: Settings = ALONE, facts: Facts | None = None) -> Situation:
    return Situation(FakeReader(facts or good_facts()), wanted, made)


def after_install(was: Release, made: Release, wanted: Settings = ALONE, before: Facts | None = None) -> Situation:
    """`was` is installed with the settings, and `made` is wanted now."""
    facts = installed(wanted, was, before)
    wanted_of = goals.goals(facts.running_daemon, facts.footprint, wanted, was)
    facts = with_receipts(facts, receipt_of_all(wanted, facts, wanted_of))
    return Situation(FakeReader(facts, states=reached(wanted_of)), wanted, made)


def receipt_of_all(wanted: Settings, facts: Facts, goals: Sequence[Goal]) -> Receipt:
    """The receipt of an install that made everything, in a cluster too."""
    daemon = facts.running_daemon
    before = without_runtime(layout.layout(wanted).runtime)(daemon.config)
    states = reached(goals)
    written = [Written(key, None, state) for key, state in states.items()]
    written += [Written(CONFIG_KEY, before, daemon.config)]
    written += [Written(goal.resource.key, None, goal.target(None)) for goal in cluster_goals(wanted, "worker1")]
    return receipt_of(1, "install", *written)


def in_cluster(
    situation: Situation, *, has_label: bool, has_class: bool, labelled: tuple[str, ...] = ("worker1",)
) -> Situation:
    labels = {LABEL: "true"} if has_label else {}
    value = wanted_runtime_class(situation.wanted).value
    existing = {**value, "metadata": {"name": "gvisor", "labels": MANAGED_BY}} if has_class else None
    cluster = ClusterState(
        "production", "https://10.0.0.10:6443", {"metadata": {"labels": labels}}, existing, labelled
    )
    situation.cluster = FakeReader(cluster=cluster)
    return situation


def names_of(wanted: Settings, **releases: Release) -> dict[str, str]:
    """What releases and their generations are called in a test: R and G with a number."""
    names: dict[str, str] = {}
    for name, made in releases.items():
        names[made.name] = f"R{name}"
        names[generation.generation(good_daemon(), wanted, made).digest] = f"G{name}"
    return names


def steps_of(planned: Planned, wanted: Settings = ALONE, **releases: Release) -> list[str]:
    return short(planned.plan.parts, names_of(wanted, **releases))


GENERATION = [
    "+ file:handlers/runsc/Gnew/runsc.toml",
    "+ link:handlers/runsc/Gnew/containerd-shim-runsc-v1",
    "+ link:handlers/runsc/Gnew/runsc",
    "proof sandbox handlers/runsc/Gnew",
]
IN_CLUSTER = [f"+ {LABEL_KEY}", "+ runtimeclass:gvisor", "proof handler", "proof pod"]


def test_an_install_shows_nothing_before_its_proof_and_sends_pods_last(new: Release) -> None:
    planned = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False).install()
    assert steps_of(planned, new=new) == [
        "+ tree:releases/Rnew",
        *GENERATION,
        "+ link:handlers/runsc/current",
        "+ link:/usr/local/bin/runsc",
        "~ file:/etc/containerd/config.toml",
        "restart containerd.service",
        "proof serving",
        "proof sandbox handlers/runsc/current",
        *IN_CLUSTER,
    ]
    assert planned.plan.upload_bytes == tree_bytes(new)
    assert planned.plan.notes[0].startswith("node: Debian GNU/Linux 13 (trixie), x86_64, Linux 6.12")
    assert planned.plan.notes[1:] == ("cluster: https://10.0.0.10:6443 (context production)",)
    assert (planned.plan.node, planned.plan.action, planned.plan.pending) == ("worker1", INSTALL, True)


def test_an_install_without_a_cluster_ends_with_the_node(new: Release) -> None:
    planned = fresh(new).install()
    assert steps_of(planned, new=new)[-1] == "proof sandbox handlers/runsc/current"
    assert planned.plan.notes[1:] == ()


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


def on_k3s(unit: str = "k3s.service", state: FileState | None = None) -> Facts:
    """A node of k3s, whose template is as given."""
    folder = "/var/lib/rancher/k3s/agent/etc/containerd"
    path = f"{folder}/config-v3.toml.tmpl"
    source = Source(path, How.GO_TEMPLATE, 3, state, None, path)
    return with_daemon(unit=unit, config_path=f"{folder}/config.toml", distribution=K3S, source=source)


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


def test_a_template_that_cannot_be_appended_to_is_refused_before_anything_is_touched(new: Release) -> None:
    with pytest.raises(Problems, match=r"config-v3.toml.tmpl: the template ends inside \{\{ if \}\}"):
        fresh(new, facts=on_k3s(state=FileState(b"{{ if .X }}\n", 0o600))).install()


def test_no_pod_is_run_where_none_is_wanted_and_that_is_said(new: Release) -> None:
    wanted = settings(proof=ProofSettings(pod=False))
    planned = in_cluster(fresh(new, wanted), has_label=False, has_class=False).install()
    assert steps_of(planned)[-1] == "proof handler"
    assert planned.plan.notes[-1] == "no pod is run as a proof: [proof] pod is false"


def test_a_configuration_that_is_not_there_is_made(new: Release) -> None:
    planned = fresh(new, facts=with_daemon(config=None, config_changed_at=None, dump="version = 3\n")).install()
    assert "+ file:/etc/containerd/config.toml" in steps_of(planned)
    assert planned.plan.restart is not None


def test_a_second_install_does_nothing_in_two_round_trips(new: Release) -> None:
    situation = in_cluster(after_install(new, new, TOGETHER), has_label=True, has_class=True)
    planned = situation.install()
    assert planned.plan.steps == ()
    assert (planned.plan.pending, planned.plan.upload_bytes) == (False, 0)
    assert len(situation.reader.asked) == 2
    assert situation.cluster is not None
    assert len(situation.cluster.asked) == 1


def test_a_second_install_does_nothing_also_if_the_file_was_touched(new: Release) -> None:
    situation = after_install(new, new)
    situation.reader.facts = with_daemon(situation.facts, config_changed_at=9999.0)
    assert situation.install().plan.steps == ()


def test_an_upgrade_is_one_rename_and_restarts_nothing(old: Release, new: Release) -> None:
    planned = in_cluster(after_install(old, new, TOGETHER), has_label=True, has_class=True).install()
    assert steps_of(planned, old=old, new=new) == [
        "+ tree:releases/Rnew",
        *GENERATION,
        "~ link:handlers/runsc/current",
        "proof sandbox handlers/runsc/current",
        "proof handler",
        "proof pod",
    ]
    assert planned.plan.restart is None


def test_a_change_of_flags_is_another_generation_of_the_same_release(new: Release) -> None:
    situation = after_install(new, new)
    situation.wanted = replace(ALONE, runtime=RuntimeSettings(flags={"debug": "true"}))
    planned = situation.install()
    assert steps_of(planned, situation.wanted, new=new) == [
        *GENERATION,
        "~ link:handlers/runsc/current",
        "proof sandbox handlers/runsc/current",
    ]
    assert planned.plan.upload_bytes == 0


def test_going_back_to_the_release_before_uploads_nothing(old: Release, new: Release) -> None:
    situation = after_install(new, old, before=installed(ALONE, old))
    there = reached(goals.goals(situation.daemon, situation.facts.footprint, ALONE, old))
    situation.reader.states = {**there, **situation.reader.states}
    planned = situation.install()
    assert isinstance(planned.plan.steps[0], Adopt), "no receipt tells of what was there before the first one"
    assert steps_of(planned, old=old, new=new)[1:] == [
        "proof sandbox handlers/runsc/Gold",
        "~ link:handlers/runsc/current",
        "proof sandbox handlers/runsc/current",
    ]
    assert planned.plan.upload_bytes == 0


def test_a_damaged_release_is_uploaded_again(new: Release) -> None:
    situation = after_install(new, new)
    damaged = replace(new.tree, entries=new.tree.entries[:1])
    situation.reader.states = {**situation.reader.states, f"tree:/opt/nodeprov/releases/{new.name}": damaged}
    planned = situation.install()
    assert steps_of(planned, new=new) == ["~ tree:releases/Rnew", "proof sandbox handlers/runsc/Gnew"]
    assert planned.plan.upload_bytes == tree_bytes(new)


def test_a_run_that_broke_before_its_restart_is_finished_by_the_restart(new: Release) -> None:
    situation = after_install(new, new)
    facts = situation.facts
    broken = {**facts.receipts[0], "state": BEGUN}
    record = Record(situation.daemon.identity, CONFIG)
    situation.reader.facts = changed(facts, record=record, receipts=(broken,))
    planned = situation.install()
    assert steps_of(planned, new=new) == [
        "restart containerd.service",
        "proof serving",
        "proof sandbox handlers/runsc/current",
    ]
    assert planned.plan.notes[1:] == (
        "an earlier install by ann@desk began at 2026-09-01T10:00:00+00:00 and did not end; "
        "this run finishes what it left",
    )


def test_an_install_does_not_say_that_it_finishes_what_another_handlers_run_left(new: Release) -> None:
    situation = uninstallable(new)
    theirs = receipt_of(1, "install", state=BEGUN, handler="runsc-kvm")
    situation.reader.facts = with_receipts(situation.facts, theirs)
    assert not any("finishes what it left" in note for note in situation.install().plan.notes)


def test_only_what_is_missing_in_the_cluster_is_made(new: Release) -> None:
    planned = in_cluster(after_install(new, new, TOGETHER), has_label=False, has_class=True).install()
    assert steps_of(planned) == [f"+ {LABEL_KEY}", "proof handler", "proof pod"]


def collected(planned: Planned, **releases: Release) -> list[str]:
    return [line for line in steps_of(planned, ALONE, **releases) if line.startswith("- folder:")]


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


def test_the_generation_that_was_replaced_is_kept_also_by_a_later_change_in_the_cluster(
    oldest: Release, old: Release, new: Release
) -> None:
    before = installed(TOGETHER, old, installed(TOGETHER, oldest))
    situation = after_install(new, new, TOGETHER, before)
    links = [LinkState(generation.generation(good_daemon(), TOGETHER, made).digest) for made in (oldest, old, new)]
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


def test_running_containers_of_the_release_before_are_spoken_of(old: Release, new: Release) -> None:
    situation = after_install(old, new)
    shim = f"/opt/nodeprov/releases/{old.name}/containerd-shim-runsc-v1"
    situation.reader.facts = changed(situation.facts, processes={shim: 3})
    _, note = situation.install().plan.notes
    assert note.startswith("3 running containers keep the release that they began with")


def test_problems_are_told_all_at_once_and_before_anything_is_downloaded(new: Release) -> None:
    facts = good_facts(uid=1000, user_namespaces=0)
    situation = in_cluster(fresh(new, TOGETHER, facts), has_label=False, has_class=False)
    assert situation.cluster is not None
    assert situation.cluster.cluster is not None
    situation.cluster.cluster = replace(situation.cluster.cluster, node=None)

    def not_now(_architecture: str) -> Release:
        raise AssertionError("nothing is downloaded for a node that cannot run it")

    with pytest.raises(Problems) as caught:
        plan_install(node(TOGETHER), situation.readers, not_now)
    assert len(caught.value.problems) == 3
    assert caught.value.where == "worker1"
    assert len(situation.reader.asked) == 1


def test_the_release_is_asked_for_by_the_nodes_architecture(new: Release) -> None:
    asked: list[str] = []

    def get(architecture: str) -> Release:
        asked.append(architecture)
        return new

    plan_install(node(ALONE), {Place.NODE: FakeReader(good_facts(architecture="aarch64"))}, get)
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
        ('"/etc/containerd/*"', {}, "finds whatever lies beside it"),
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


OWN_KEY = "file:/etc/containerd/conf.d/nodeprov-runsc.toml"
DROPIN = settings(cluster=ClusterSettings(enabled=False), containerd=ContainerdSettings(config_style="dropin"))
IMPORTING = f"imports = ['conf.d/*.toml']\n{CONFIG}"


def importing(made: Release, wanted: Settings, own: str | None = None, root: str = IMPORTING) -> Situation:
    """A node whose configuration imports a folder, with our file in it or without."""
    merged = root + (own or "").partition("\n\n")[2]
    facts = with_daemon(config=FileState(root.encode(), 0o644), dump=merged)
    situation = fresh(made, wanted, facts)
    situation.reader.states[OWN_KEY] = FileState(own.encode(), 0o644) if own else None
    return situation


def test_a_drop_in_holds_our_table_and_the_configuration_stays_as_it_is(new: Release) -> None:
    planned = importing(new, DROPIN).install()
    (config,) = (line for line in steps_of(planned, new=new) if "containerd/" in line)
    assert config == f"+ {OWN_KEY}"
    assert "restart containerd.service" in steps_of(planned)


def test_a_folder_that_is_imported_and_empty_is_nothing_to_adopt(new: Release) -> None:
    lines = steps_of(importing(new, ALONE).install(), new=new)
    assert [line for line in lines if "adopt" in line or "conf.d" in line] == []


def test_a_table_goes_from_the_configuration_into_the_drop_in_and_back(new: Release) -> None:
    runtime = layout.layout(DROPIN).runtime
    both = [f"+ {OWN_KEY}", f"~ {CONFIG_KEY}"]
    lines = steps_of(importing(new, DROPIN, root=add_runtime(IMPORTING, runtime)).install())
    assert [line for line in lines if "containerd/" in line] == both
    lines = steps_of(importing(new, ALONE, own=drop_in_file.text_of(Config(IMPORTING), runtime)).install())
    assert [line for line in lines if "containerd/" in line] == [f"~ {CONFIG_KEY}", f"- {OWN_KEY}"]


def test_an_uninstall_takes_the_drop_in_away(new: Release) -> None:
    own = drop_in_file.text_of(Config(IMPORTING), layout.layout(DROPIN).runtime)
    lines = steps_of(importing(new, DROPIN, own=own).uninstall())
    assert [line for line in lines if "containerd/" in line] == [f"- {OWN_KEY}"]


def test_without_a_daemon_an_uninstall_says_so(new: Release) -> None:
    with pytest.raises(NodeprovError, match="containerd does not run"):
        fresh(new, facts=good_facts(daemon=None)).uninstall()


def uninstallable(made: Release, wanted: Settings = ALONE, *more: Written) -> Situation:
    """An installation with the receipt of the run that made it."""
    situation = after_install(made, made, wanted)
    facts = situation.facts
    written = (
        Written(CURRENT_KEY, None, situation.reader.states[CURRENT_KEY]),
        Written(PEOPLE_KEY, None, situation.reader.states[PEOPLE_KEY]),
        Written(CONFIG_KEY, FileState(CONFIG.encode(), 0o644), situation.daemon.config),
    )
    situation.reader.facts = with_receipts(facts, receipt_of(1, "install", *written, *more))
    return situation


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


def interrupted_in_a_drain(new: Release) -> Situation:
    """An uninstall has cordoned the node, and was killed."""
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    begun = replace(receipt_of(2, "uninstall", state=BEGUN), cordons=True)
    receipts = (*situation.facts.receipts, *with_receipts(situation.facts, begun).receipts)
    situation.reader.facts = changed(situation.facts, receipts=receipts)
    return situation


def test_that_an_interrupted_run_has_cordoned_the_node_is_told(new: Release) -> None:
    notes = interrupted_in_a_drain(new).uninstall().plan.notes
    assert "it has cordoned the node, which is uncordoned at the end" in notes


REMOVED_FROM_CLUSTER = [f"- {LABEL_KEY}", "- runtimeclass:gvisor"]
REMOVED_FROM_NODE = [
    "proof unused",
    "~ file:/etc/containerd/config.toml",
    "restart containerd.service",
    "proof serving",
    "- link:/usr/local/bin/runsc",
    "- link:handlers/runsc/current",
    "- folder:handlers/runsc/Gnew",
    "- folder:releases/Rnew",
]


def after_of(planned: Planned, key: str) -> State | None:
    (change,) = (change for change in planned.plan.changes if change.resource.key == key)
    return change.after


def test_an_uninstall_goes_from_the_cluster_to_the_node_and_collects_last(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    planned = situation.uninstall()
    assert steps_of(planned, new=new) == ["proof unused", *REMOVED_FROM_CLUSTER, *REMOVED_FROM_NODE]
    assert (planned.plan.action, planned.release) == (UNINSTALL, None)
    assert after_of(planned, CONFIG_KEY) == FileState(CONFIG.encode(), 0o644)
    assert planned.plan.restart is not None
    assert planned.plan.restart.reasons[0].startswith("to forget the runtime handler runsc")


def test_an_uninstall_takes_empty_folders_away_only_below_where_the_prefix_is(new: Release) -> None:
    changes = {change.resource.key: change.resource for change in uninstallable(new).uninstall().plan.changes}
    within = {key: getattr(resource, "within", None) for key, resource in changes.items()}
    assert within.pop(PEOPLE_KEY) == within.pop(CONFIG_KEY) == ""
    assert set(within.values()) == {"/opt"}


def test_the_runtime_class_stays_while_another_node_has_the_label(new: Release) -> None:
    situation = in_cluster(
        uninstallable(new, TOGETHER), has_label=True, has_class=True, labelled=("worker1", "worker2")
    )
    assert steps_of(situation.uninstall(), new=new) == ["proof unused", f"- {LABEL_KEY}", *REMOVED_FROM_NODE]


def test_a_runtime_class_of_an_earlier_label_stays_and_is_told_and_so_is_who_is_cut_off(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=False, has_class=True, labelled=())
    situation.wanted = replace(TOGETHER, label=replace(TOGETHER.label, key="example.com/gvisor"))
    planned = situation.uninstall()
    assert "runtimeclass" not in str(steps_of(planned, new=new))
    assert any("RuntimeClass gvisor is left" in note for note in planned.plan.notes)
    assert any("they get no new sandboxed pods" in note for note in situation.install().plan.notes)
    assert not any("sandboxed pods" in note for note in fresh(new, TOGETHER).install().plan.notes)


def test_the_runtime_class_goes_with_the_last_node_of_an_invocation(new: Release) -> None:
    situation = in_cluster(
        uninstallable(new, TOGETHER), has_label=True, has_class=True, labelled=("worker1", "worker2")
    )
    assert "- runtimeclass:gvisor" in steps_of(situation.uninstall(leaving=("worker2",)))


def without_receipts(situation: Situation) -> Situation:
    situation.reader.facts = changed(situation.facts, receipts=())
    return situation


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


def test_receipts_of_another_machine_are_told_and_do_not_count(new: Release) -> None:
    situation = uninstallable(new)
    situation.reader.facts = changed(situation.facts, machine_id="ffff")
    planned = situation.install()
    assert isinstance(planned.plan.steps[0], Adopt)
    assert "it was cloned or reimaged since" in planned.plan.notes[1]
    assert planned.history.next_number > 1, "no receipt is written over"
    assert after_of(situation.uninstall(), CONFIG_KEY) == FileState(CONFIG.encode(), 0o644)


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


def test_an_uninstall_of_one_handler_leaves_the_release_to_the_other(new: Release) -> None:
    situation = uninstallable(new)
    facts = situation.facts
    theirs = {"/opt/nodeprov/handlers/runsc-kvm/0123456789ab": f"/opt/nodeprov/releases/{new.name}"}
    situation.reader.facts = changed(facts, generations={**facts.footprint.generations, **theirs})
    assert steps_of(situation.uninstall(), new=new) == REMOVED_FROM_NODE[:-1]


def test_an_uninstall_where_nothing_is_installed_does_nothing(new: Release) -> None:
    planned = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False, labelled=()).uninstall()
    assert planned.plan.steps == ()


def test_an_uninstall_where_nothing_was_ever_installed_restarts_nothing(new: Release) -> None:
    """The configuration was touched since containerd began, and its log says nothing of what it has loaded."""
    situation = fresh(new, facts=with_daemon(config_changed_at=5000.0, loaded_log=""))
    assert not situation.uninstall().plan.pending


def in_use(situation: Situation, **used: Any) -> Situation:
    situation.reader.facts = changed(situation.facts, **used)
    return situation


@pytest.mark.parametrize(
    ("used", "message"),
    [
        ({"processes": {"/opt/nodeprov/releases/r/runsc": 4, "/opt/nodeprov/x": 1}}, "still needed: 5 running"),
        (
            {"bundles": ("/opt/nodeprov/handlers/runsc/current/containerd-shim-runsc-v1",)},
            "still needed: containers that name /opt/nodeprov/handlers/runsc/current/",
        ),
        (
            {"processes": {"/opt/nodeprov/releases/r/runsc": 1}, "bundles": ("/opt/nodeprov/x",)},
            "still needed: 1 running processes and containers that name /opt/nodeprov/x",
        ),
    ],
)
def test_an_uninstall_is_refused_while_a_sandbox_needs_it(new: Release, used: Any, message: str) -> None:
    with pytest.raises(Problems, match=message) as caught:
        in_use(uninstallable(new), **used).uninstall()
    assert caught.value.problems[0].hint.endswith("nodeprov uninstall worker1 --drain")


def test_a_drain_comes_first(new: Release) -> None:
    path = f"/opt/nodeprov/releases/{new.name}/runsc"
    situation = in_use(uninstallable(new, TOGETHER), processes={path: 2})
    situation = in_cluster(situation, has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = ("default/web-1", "shop/cart-2")
    lines = steps_of(situation.uninstall(drain=True), new=new)
    assert lines[:4] == ["drain default/web-1 shop/cart-2", "proof unused", *REMOVED_FROM_CLUSTER]


def test_the_release_that_drained_pods_used_is_collected_too(new: Release) -> None:
    path = f"/opt/nodeprov/releases/{new.name}/runsc"
    situation = in_use(uninstallable(new, TOGETHER), processes={path: 2})
    situation = in_cluster(situation, has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = ("default/web",)
    assert steps_of(situation.uninstall(drain=True), new=new)[-1] == "- folder:releases/Rnew"


@pytest.mark.parametrize("has_cluster", [True, False])
def test_what_no_drain_can_evict_is_refused_all_the_same(new: Release, has_cluster: bool) -> None:
    wanted = TOGETHER if has_cluster else ALONE
    situation = in_use(uninstallable(new, wanted), processes={f"/opt/nodeprov/releases/{new.name}/runsc": 1})
    if has_cluster:
        in_cluster(situation, has_label=True, has_class=True)
    with pytest.raises(Problems, match="still needed: 1 running") as caught:
        situation.uninstall(drain=True)
    assert "none of it is a pod that can be evicted" in caught.value.problems[0].hint


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
    written = planned.history.intent(planned.plan.changes)
    with_table = with_daemon(situation.facts, config=ours, dump=ours.content.decode())
    closed = broken.closed(UNDONE, "2026-09-03T10:00:00+00:00")
    situation.reader.facts = with_receipts(with_table, first, closed, receipt_of(3, "install", *written))
    assert after_of(situation.uninstall(), CONFIG_KEY) == pristine


def test_what_is_planned_carries_what_it_was_made_from(new: Release) -> None:
    situation = uninstallable(new)
    planned = situation.install()
    assert planned.facts == situation.facts
    assert [receipt.number for receipt in planned.history.receipts] == [1]
    assert (planned.release, planned.settings) == (new, ALONE)


def test_a_plan_is_a_value_that_says_what_is_before_and_after(old: Release, new: Release) -> None:
    planned = after_install(old, new).install()
    (current,) = (change for change in planned.plan.changes if change.resource.key == CURRENT_KEY)
    digests = [generation.generation(good_daemon(), ALONE, made).digest for made in (old, new)]
    assert isinstance(current, Change)
    assert (current.before, current.after) == (LinkState(digests[0]), LinkState(digests[1]))
    assert not any(isinstance(part, Restart) for part in planned.plan.parts)


def test_a_proof_for_which_the_program_is_missing_is_refused_before_anything_is_touched(
    new: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(proof_image, "_PROGRAMS", tmp_path)
    situation = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False)
    with pytest.raises(Problems, match=r"installed without probe-x86_64: No such file") as caught:
        situation.install()
    assert "[proof] pod = false" in str(caught.value)

    no_need = [settings(proof=ProofSettings(pod=False)), settings(proof=ProofSettings(image="mirror/proof"))]
    for wanted in no_need:
        assert in_cluster(fresh(new, wanted), has_label=False, has_class=False).install().plan.pending
    assert fresh(new, ALONE).install().plan.pending
