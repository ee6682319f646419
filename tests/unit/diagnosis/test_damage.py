"""What is not as it was installed, as status says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from nodeprov.containerd.faults import ELSEWHERE
from nodeprov.diagnosis.difference import Truth
from nodeprov.diagnosis.serving import NOT_RESTARTED, OVERRIDDEN, REWRITTEN
from nodeprov.diagnosis.status import Status, read
from nodeprov.diagnosis.status_text import as_json, summary, text
from nodeprov.engine.lock import Holder, HolderOf
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Place, Query, Reader
from nodeprov.inventory import Node
from nodeprov.kubernetes.cluster_read import ClusterReads
from nodeprov.node import as_installed
from nodeprov.node.daemon import Record
from nodeprov.node.receipts import BEGUN, Written, to_json
from nodeprov.node.state import ClusterState, Facts, User
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import goals
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState, LinkState, State, TreeState
from tests.support.runtimes import state_of
from tests.support.samples import CONFIG, FakeReader, changed, good_facts, installed, node, receipt_of, release
from tests.support.situations import ALONE, TOGETHER

CURRENT, PEOPLE = "/opt/nodeprov/handlers/runsc/current", "/usr/local/bin/runsc"
PATH = "/etc/containerd/config.toml"
SHIM = "containerd-shim-runsc-v1"
NOW = "2036-11-28T04:47:40+00:00"


@dataclass
class Held(FakeReader):
    """A node that somebody may hold."""

    holder: Holder | None = None

    def _answer(self, query: Query[Any]) -> Any:
        return self.holder if isinstance(query, HolderOf) else super()._answer(query)


@dataclass
class Installed:
    """A node on which a release was installed, with a receipt of it."""

    facts: Facts
    states: dict[str, State | None]
    release: Release

    @property
    def generation(self) -> str:
        return next(iter(self.facts.footprint.generations))

    @property
    def tree(self) -> str:
        return f"tree:/opt/nodeprov/releases/{self.release.name}"

    def read(self, holder: Holder | None = None) -> Status:
        return read(node(ALONE), Held(self.facts, states=self.states, holder=holder), GVISOR)


@pytest.fixture
def there(tmp_path: Any) -> Installed:
    made = release(tmp_path)
    facts = installed(ALONE, made)
    state = state_of(ALONE, good_facts())
    wanted = {goal.resource.key: goal for goal in goals(state, GVISOR, made)}
    states = {key: goal.target(None) for key, goal in wanted.items() if not key.startswith(f"file:{PATH}")}
    receipt = receipt_of(1, "install", *(Written(key, None, each) for key, each in states.items()))
    return Installed(replace(facts, receipts=(to_json(receipt),)), dict(states), made)


def test_what_is_as_it_was_installed_is_said_to_be_installed(there: Installed) -> None:
    found = there.read()
    assert (found.damage, found.is_settled) == ((), True)
    assert " is installed; containerd serves" in text(found, NOW)


def no_table(there: Installed) -> None:
    daemon = there.facts.running_daemon
    there.facts = replace(
        there.facts, daemon=replace(daemon, dump=CONFIG, config=FileState(CONFIG.encode(), 0o644))
    )


def another_table(there: Installed) -> None:
    daemon = there.facts.running_daemon
    dump = daemon.dump.replace("runsc/current/containerd-shim", "runsc/other/containerd-shim")
    there.facts = replace(there.facts, daemon=replace(daemon, dump=dump))


def not_loaded(there: Installed) -> None:
    identity = there.facts.running_daemon.identity
    there.facts = changed(there.facts, record=Record(identity, CONFIG))


def no_toml(there: Installed) -> None:
    there.facts = replace(there.facts, daemon=replace(there.facts.running_daemon, dump="[plugins\n"))


def entries(there: Installed, change: Callable[[Any], Any]) -> None:
    tree = there.states[there.tree]
    assert isinstance(tree, TreeState)
    there.states[there.tree] = TreeState(tuple(filter(None, map(change, tree.entries))))


def links(there: Installed, **targets: str) -> None:
    there.facts = changed(there.facts, links={**there.facts.footprint.links, **targets})


def overridden(there: Installed) -> None:
    """The table is in the file, and a drop-in that is read later has another one."""
    daemon = there.facts.running_daemon
    text = f'imports = ["/etc/containerd/conf.d/*.toml"]\n{daemon.dump}'
    dump = daemon.dump.replace("runsc/current/containerd-shim", "runsc/other/containerd-shim")
    config = FileState(text.encode(), 0o644)
    there.facts = replace(there.facts, daemon=replace(daemon, dump=dump, config=config))


def stopped(there: Installed) -> None:
    there.facts = replace(there.facts, daemon=None)


def without_cri(there: Installed) -> None:
    there.facts = replace(there.facts, daemon=replace(there.facts.running_daemon, plugins=()))


DAMAGE: dict[str, tuple[Callable[[Installed], object], str]] = {
    "the table is gone": (no_table, f"{PATH} has no runtime runsc any more"),
    "another table": (another_table, f"{PATH} has another table for the runtime runsc"),
    "a table that is not loaded": (not_loaded, "the running containerd has not loaded the runtime runsc"),
    "a configuration that is no TOML": (no_toml, f"{PATH}: not valid TOML"),
    "the table is overridden": (overridden, f"{PATH} has another table for the runtime runsc"),
    "containerd does not run": (stopped, "containerd does not run"),
    "containerd has no CRI": (without_cri, "no pod can start: the CRI plugin is not loaded"),
    "a program is gone": (
        lambda there: entries(there, lambda each: None if each.path == "runsc" else each),
        "/runsc is missing",
    ),
    "a sidecar is replaced": (
        lambda there: entries(there, lambda each: replace(each, sha256="0" * 64)),
        "is not the file that was installed",
    ),
    "a program nobody can run": (
        lambda there: entries(there, lambda each: replace(each, mode=0o644)),
        "has the mode 0644, not 0755",
    ),
    "the release is gone": (lambda there: there.states.pop(there.tree), "is missing"),
    "runsc.toml is gone": (
        lambda there: there.states.pop(f"file:{there.generation}/runsc.toml"),
        "/runsc.toml is missing",
    ),
    "runsc.toml is edited": (
        lambda there: there.states.update({f"file:{there.generation}/runsc.toml": FileState(b"x", 0o644)}),
        "/runsc.toml is not as it was installed",
    ),
    "runsc.toml has another owner": (
        lambda there: there.states.update(
            {
                key: replace(state, uid=1000)
                for key, state in there.states.items()
                if isinstance(state, FileState) and key.endswith("/runsc.toml")
            }
        ),
        "another mode or owner",
    ),
    "a link of the generation leads elsewhere": (
        lambda there: there.states.update({f"link:{there.generation}/runsc": LinkState("/usr/bin/runsc")}),
        "/runsc is not as it was installed",
    ),
    "the link `current` is gone": (lambda there: links(there, **{CURRENT: ""}), f"{CURRENT} is missing"),
    "the link `current` leads elsewhere": (
        lambda there: links(there, **{CURRENT: "x"}),
        f"{CURRENT} leads to x, not",
    ),
    "the link for people is gone": (lambda there: links(there, **{PEOPLE: ""}), f"{PEOPLE} is missing"),
}


@pytest.mark.parametrize(("breaking", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_not_as_it_was_installed_is_not_said_to_be(
    there: Installed, breaking: Callable[[Installed], object], said: str
) -> None:
    breaking(there)
    found = there.read()
    assert any(said in each for each in found.damage), found.damage
    assert not found.is_settled
    assert as_json(found)["damage"] == list(found.damage)
    assert " is installed" not in text(found, NOW)
    assert said in text(found, NOW)
    assert all(each.cause or each.mend for each in found.differences)
    is_readable = breaking not in (no_toml, stopped, without_cri)  # an install refuses to begin
    assert ("nodeprov install worker1 repairs it" in text(found, NOW)) is is_readable


def test_while_a_run_is_at_work_nothing_is_held_against_what_was_before(there: Installed) -> None:
    no_table(there)
    assert there.read(Holder("ann@desk", 3)).damage == ()
    broken = receipt_of(2, "install", state=BEGUN)
    there.facts = replace(there.facts, receipts=(*there.facts.receipts, to_json(broken)))
    assert there.read().damage == ()


def test_where_nothing_is_installed_nothing_is_damaged(there: Installed) -> None:
    there.facts = good_facts()
    there.states = {}
    assert there.read().damage == ()


def test_who_is_not_root_is_not_told_that_nothing_is_installed() -> None:
    facts = good_facts(uid=1000, daemon=None)
    with pytest.raises(NodeprovError, match="do not run as root: its state cannot be determined"):
        read(node(ALONE), Held(facts), GVISOR)


CAUSES = {
    "the table is gone": (no_table, REWRITTEN),
    "the table is overridden": (overridden, OVERRIDDEN),
    "a table that is not loaded": (not_loaded, NOT_RESTARTED),
    "a sidecar is replaced": (DAMAGE["a sidecar is replaced"][0], as_installed.TAMPERED),
    "a program is gone": (DAMAGE["a program is gone"][0], as_installed.DELETED),
    "a program nobody can run": (DAMAGE["a program nobody can run"][0], as_installed.PERMISSIONS),
    "runsc.toml is edited": (DAMAGE["runsc.toml is edited"][0], as_installed.EDITED),
    "`current` leads elsewhere": (DAMAGE["the link `current` leads elsewhere"][0], as_installed.MOVED),
}


@pytest.mark.parametrize("what", CAUSES)
def test_the_cause_of_a_difference_is_told(there: Installed, what: str) -> None:
    breaking, cause = CAUSES[what]
    breaking(there)
    found = there.read()
    assert cause in [each.cause for each in found.differences]
    assert f"    why: {cause}" in text(found, NOW).splitlines()


def test_what_a_drop_in_overrides_is_said_with_its_path(there: Installed) -> None:
    overridden(there)
    pattern = "/etc/containerd/conf.d/*.toml"
    told = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]\nruntime_type = "x"\n'
    found = read(node(ALONE), Held(there.facts, states=there.states, imports={pattern: told}), GVISOR)
    (only,) = found.differences
    assert pattern in only.cause
    assert only.mend == ELSEWHERE
    assert "nodeprov install worker1 repairs it" not in text(found, NOW), "an install refuses what is overridden"


def test_what_the_receipts_want_is_told_beside_what_is_in_force(there: Installed) -> None:
    found = there.read()
    assert found.wanted is not None
    assert (found.wanted.release, found.wanted.generation, found.wanted.run) == (
        found.release,
        found.generation,
        1,
    )
    links(there, **{CURRENT: "x"})
    assert f"  run 1 installed {there.release.name}, generation " in text(there.read(), NOW)


def test_the_sandboxes_that_run_are_counted_by_their_releases_with_the_pods_that_are_known(
    there: Installed,
) -> None:
    releases = "/opt/nodeprov/releases"
    new, old = f"{releases}/{there.release.name}", f"{releases}/20260518.0-abcdef"
    there.facts = changed(
        there.facts,
        processes={f"{new}/{SHIM}": 2, f"{new}/runsc": 7, f"{old}/{SHIM} (deleted)": 1, "/usr/bin/other": 1},
        users=(User(f"{old}/{SHIM}", "default/a", "c1", "77"), User(f"{new}/runsc", "default/b", "c2", "78")),
    )
    found = there.read()
    assert as_json(found)["sandboxes"] == [
        {"release": "20260518.0-abcdef", "count": 1, "pods": ["default/a"]},
        {"release": there.release.name, "count": 1, "pods": ["default/b"]},
    ]
    assert (
        f"  sandboxes that run: 1 of 20260518.0-abcdef (default/a), "
        f"1 of {there.release.name} (default/b)" in text(found, NOW)
    )
    assert found.is_settled, "an old sandbox is nobody's fault"


def test_the_cluster_is_a_truth_of_its_own_and_what_it_refuses_hides_nothing_else(there: Installed) -> None:
    no_table(there)
    for cluster, truths in (
        (FakeReader(cluster=ClusterState("c", "s", None, None, ())), [*Truth]),
        (Unreachable(), [Truth.DISK, Truth.CONTAINERD]),
    ):
        reads = ClusterReads([node(TOGETHER)], partial(place, cluster))
        found = read(node(TOGETHER), Held(there.facts, states=there.states), GVISOR, reads)
        assert list(found.looked_at) == truths
        assert (found.cluster_fault is None) is (Truth.CLUSTER in truths)
        assert found.damage
    only = read(node(TOGETHER), Held(good_facts()), GVISOR, ClusterReads([], lambda _node: {}))
    assert only.is_settled


def place(cluster: FakeReader, _node: Node) -> dict[Place, Reader]:
    return {Place.CLUSTER: cluster}


class Unreachable(FakeReader):
    """A cluster that cannot be read."""

    def _answer(self, query: Query[Any]) -> Any:
        raise NodeprovError("connection refused", "look at it")


def test_nodes_are_counted_by_how_they_stand(there: Installed) -> None:
    good = there.read()
    no_table(there)
    assert summary([good, there.read()]) == "2 nodes: 1 as it should be, 1 not as installed"
    held = there.read(Holder("ann@desk", 3))
    assert summary([held, held]) == "2 nodes: 2 with a run that has not ended"
