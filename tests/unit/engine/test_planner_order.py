"""The steps of a plan in their order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.errors import Problems
from nodeprov.inventory import ClusterSettings, RolloutSettings, RuntimeSettings
from nodeprov.kubernetes.draining import NodePod
from nodeprov.node.daemon import Record
from nodeprov.node.receipts import BEGUN
from nodeprov.plan.plan import INSTALL, UNINSTALL
from nodeprov.plan.steps import Adopt
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import goals, tree_bytes
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState
from tests.support.runtimes import state_of
from tests.support.samples import CONFIG, changed, installed, reached, settings, with_daemon
from tests.support.situations import (
    ALONE,
    CONFIG_KEY,
    GENERATION,
    IN_CLUSTER,
    LABEL_KEY,
    REMOVED_FROM_CLUSTER,
    REMOVED_FROM_NODE,
    TOGETHER,
    after_install,
    after_of,
    fresh,
    in_cluster,
    in_use,
    steps_of,
    uninstallable,
)


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


DRAINING = settings(rollout=RolloutSettings(drain=True))


class TestDrain:
    def test_a_node_is_drained_just_before_its_restart_where_the_settings_ask_for_it(self, new: Release) -> None:
        situation = in_cluster(fresh(new, DRAINING), has_label=False, has_class=False)
        assert situation.cluster is not None
        agent = NodePod("kube-system/agent", controller="DaemonSet")
        situation.cluster.pods = ("shop/cart-2", NodePod("shop/web-1", has_our_class=False), agent)
        steps = steps_of(situation.install(), DRAINING, new=new)
        assert steps[steps.index("drain shop/cart-2 shop/web-1") + 1] == "~ file:/etc/containerd/config.toml"

    def test_where_nothing_restarts_no_pod_is_asked_for(self, old: Release, new: Release) -> None:
        situation = in_cluster(after_install(new, old, DRAINING), has_label=True, has_class=True)
        assert situation.cluster is not None
        steps = steps_of(situation.install(), DRAINING, new=new, old=old)
        assert steps
        assert not [step for step in steps if step.startswith(("drain", "restart"))]

    def test_a_pod_that_would_be_lost_blocks_it(self, new: Release) -> None:
        situation = in_cluster(fresh(new, DRAINING), has_label=False, has_class=False)
        assert situation.cluster is not None
        situation.cluster.pods = (NodePod("shop/bare", controller=""),)
        with pytest.raises(Problems, match="no controller makes these pods again: shop/bare"):
            situation.install()


def test_a_startup_taint_goes_when_all_is_proven(new: Release) -> None:
    wanted = settings(cluster=ClusterSettings(startup_taint="readiness.k8s.io/gvisor"))
    situation = in_cluster(fresh(new, wanted), has_label=False, has_class=False)
    assert situation.cluster is not None
    assert situation.cluster.cluster is not None
    taints = {"taints": [{"key": "readiness.k8s.io/gvisor", "effect": "NoSchedule"}]}
    found = {**(situation.cluster.cluster.node or {}), "spec": taints}
    situation.cluster.cluster = replace(situation.cluster.cluster, node=found)
    steps = steps_of(situation.install(), wanted, new=new)
    assert steps[-2:] == ["proof pod", "- taint:worker1:readiness.k8s.io/gvisor"]


def test_an_install_without_a_cluster_ends_with_the_node(new: Release) -> None:
    planned = fresh(new).install()
    assert steps_of(planned, new=new)[-1] == "proof sandbox handlers/runsc/current"
    assert planned.plan.notes[1:] == ()


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
    there = reached(tuple(goals(state_of(ALONE, situation.facts), GVISOR, old)))
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


def test_only_what_is_missing_in_the_cluster_is_made(new: Release) -> None:
    planned = in_cluster(after_install(new, new, TOGETHER), has_label=False, has_class=True).install()
    assert steps_of(planned) == [f"+ {LABEL_KEY}", "proof handler", "proof pod"]


def test_an_uninstall_goes_from_the_cluster_to_the_node_and_collects_last(new: Release) -> None:
    situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
    planned = situation.uninstall()
    assert steps_of(planned, new=new) == ["proof unused", *REMOVED_FROM_CLUSTER, *REMOVED_FROM_NODE]
    assert (planned.plan.action, planned.want.release) == (UNINSTALL, None)
    assert after_of(planned, CONFIG_KEY) == FileState(CONFIG.encode(), 0o644)
    assert planned.plan.restart is not None
    assert planned.plan.restart.reasons[0].startswith("to forget the runtime handler runsc")


def test_an_uninstall_where_nothing_is_installed_does_nothing(new: Release) -> None:
    planned = in_cluster(fresh(new, TOGETHER), has_label=False, has_class=False, labelled=()).uninstall()
    assert planned.plan.steps == ()


def test_an_uninstall_where_nothing_was_ever_installed_restarts_nothing(new: Release) -> None:
    """The configuration was touched since containerd began, and its log says nothing of what it has loaded."""
    situation = fresh(new, facts=with_daemon(config_changed_at=5000.0, loaded_log=""))
    assert not situation.uninstall().plan.pending


def test_a_drain_comes_first(new: Release) -> None:
    path = f"/opt/nodeprov/releases/{new.name}/runsc"
    situation = in_use(uninstallable(new, TOGETHER), processes={path: 2})
    situation = in_cluster(situation, has_label=True, has_class=True)
    assert situation.cluster is not None
    situation.cluster.pods = ("default/web-1", "shop/cart-2")
    lines = steps_of(situation.uninstall(drain=True), new=new)
    assert lines[:4] == ["drain default/web-1 shop/cart-2", "proof unused", *REMOVED_FROM_CLUSTER]
