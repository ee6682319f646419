"""Reading a node."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.engine.look import Install, Uninstall, Want, look
from nodeprov.errors import NodeprovError, Problem, Problems
from nodeprov.hosts.base import Place, Query
from nodeprov.node.daemon import Daemon
from nodeprov.node.facts import FactsQuery
from nodeprov.node.switch import SwitchAtWork, Switched
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.samples import FakeReader, good_daemon, good_facts, node
from tests.support.situations import ALONE, TOGETHER, after_install, fresh, in_cluster


def test_a_second_install_does_nothing_in_two_round_trips(new: Release) -> None:
    situation = in_cluster(after_install(new, new, TOGETHER), has_label=True, has_class=True)
    planned = situation.install()
    assert planned.plan.steps == ()
    assert (planned.plan.pending, planned.plan.upload_bytes) == (False, 0)
    assert len(situation.reader.asked) == 2
    assert situation.cluster is not None
    assert len(situation.cluster.asked) == 1


def test_without_a_daemon_an_uninstall_says_so(new: Release) -> None:
    with pytest.raises(NodeprovError, match="containerd does not run"):
        fresh(new, facts=good_facts(daemon=None)).uninstall()


class Switching(FakeReader):
    """A node that works on a switch, and has put its configuration back when it is asked for the third time."""

    def _answer(self, query: Query[Any]) -> Any:
        if not isinstance(query, SwitchAtWork):
            return super()._answer(query)
        is_over = len(self.asked) > 3
        if is_over:
            self.facts = good_facts(switched=Switched("000001-install.json", "restored", "it did not serve"))
        return not is_over


def test_a_node_in_the_middle_of_a_switch_is_read_after_its_end() -> None:
    reader = Switching(good_facts(switched=Switched("000001-install.json")))
    state = look(node(ALONE), {Place.NODE: reader}, Install(GVISOR))
    assert state.footprint.switched == Switched("000001-install.json", "restored", "it did not serve")
    assert [type(query) for some in reader.asked for query in some] == [
        FactsQuery,
        SwitchAtWork,
        SwitchAtWork,
        SwitchAtWork,
        FactsQuery,
    ]


class AtWorkForEver(FakeReader):
    """A node whose switch does not come to an end."""

    def _answer(self, query: Query[Any]) -> Any:
        return True if isinstance(query, SwitchAtWork) else super()._answer(query)


def test_a_switch_that_does_not_end_is_not_waited_for_without_end() -> None:
    reader = AtWorkForEver(good_facts(switched=Switched("000001-install.json")))
    with pytest.raises(NodeprovError, match="at work for more than 30 minutes"):
        look(node(ALONE), {Place.NODE: reader}, Install(GVISOR))


def test_where_no_containerd_can_be_meant_all_the_reasons_not_to_begin_are_told() -> None:
    facts = good_facts(daemon=None, user_namespaces=0, undecided=Problem("2 containerds run", "say which one"))
    with pytest.raises(Problems) as caught:
        look(node(ALONE), {Place.NODE: FakeReader(facts)}, Install(GVISOR))
    assert [each.message for each in caught.value.problems][1:] == ["2 containerds run"]


@pytest.mark.parametrize("want", [Install(GVISOR), Uninstall(GVISOR)])
@pytest.mark.parametrize("daemon", [None, good_daemon(plugins=(), dump="")])
def test_who_is_not_root_is_told_that_alone_and_not_how_containerd_is(want: Want, daemon: Daemon | None) -> None:
    facts = good_facts(
        daemon=daemon, uid=1000, kubelets=(), undecided=Problem("2 containerds run", "say which one")
    )
    with pytest.raises(Problems) as caught:
        look(node(ALONE), {Place.NODE: FakeReader(facts)}, want)
    assert [each.message for each in caught.value.problems] == ["the commands do not run as root"]
