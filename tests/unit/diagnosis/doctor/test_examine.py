"""A node is examined: what would block an install, and what is advised."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.diagnosis.doctor.examine import examine
from nodeprov.diagnosis.doctor.observations import Observations, ObservationsQuery
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place
from nodeprov.inventory import ClusterSettings
from nodeprov.node.facts import Facts
from nodeprov.node.imported_files import ImportsQuery
from nodeprov.reports.findings import Finding, Severity
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState
from tests.support.samples import CONFIG, FakeReader, good_facts, node, settings, with_daemon

WANTED = settings(cluster=ClusterSettings(enabled=False))


GOOD = Observations(now=1000.0, fapolicyd=False, proxies={}, config=None)


@pytest.mark.parametrize(("asked", "answered", "skew"), [(999, 1001, 0), (900, 901, 99), (1100, 1101, 100)])
def test_the_way_to_the_node_is_no_skew_of_its_clock(asked: float, answered: float, skew: float) -> None:
    assert GOOD.skew_seconds(asked, answered) == skew


class Examined(FakeReader):
    """Answers what an examination asks besides."""

    def _answer(self, query: Any) -> Any:
        if isinstance(query, ImportsQuery) and "/missing.toml" in query.patterns:
            return {}
        return GOOD if isinstance(query, ObservationsQuery) else super()._answer(query)


def found_on(facts: Facts) -> tuple[Finding, ...]:
    return examine(node(WANTED), {Place.NODE: Examined(facts)}, GVISOR, lambda: 1000.0)


def test_a_good_node_has_no_finding() -> None:
    assert found_on(good_facts()) == ()


def test_what_an_install_refuses_stands_against_it() -> None:
    findings = found_on(good_facts(user_namespaces=0, selinux_enforcing=True))
    assert [(each.node, each.severity) for each in findings] == [
        ("worker1", Severity.AGAINST),
        ("worker1", Severity.ADVICE),
    ]
    assert findings[0].what == "user namespaces are forbidden (gvisor#8578)"
    assert "a user namespace of its own" in findings[0].why
    assert findings[0].remedy == "sysctl user.max_user_namespaces=10000"


def test_a_dangling_import_stands_against_an_install() -> None:
    text = f'imports = ["/missing.toml"]\n{CONFIG}'
    (finding,) = found_on(with_daemon(config=FileState(text.encode(), 0o644)))
    assert finding.severity is Severity.AGAINST
    assert "imports /missing.toml, which does not exist" in finding.what


def test_a_configuration_that_is_no_toml_is_a_finding_and_no_end() -> None:
    findings = found_on(with_daemon(config=FileState(b"version = = 3\n", 0o644)))
    assert any("not valid TOML" in each.what for each in findings)


def test_a_node_without_containerd_is_examined_all_the_same() -> None:
    (finding,) = found_on(good_facts(daemon=None, unit_state="not-found, inactive"))
    assert finding.what == "containerd does not run (unit: not-found, inactive)"


def test_a_cluster_that_cannot_be_read_is_a_finding() -> None:
    class Down(FakeReader):
        def ask(self, queries: Any) -> Any:
            raise NodeprovError("connection refused", "is the API server up?")

    wanted = node(settings())
    findings = examine(wanted, {Place.NODE: Examined(good_facts()), Place.CLUSTER: Down()}, GVISOR, lambda: 1000.0)
    assert [each.what for each in findings] == ["the cluster cannot be read: connection refused"]
