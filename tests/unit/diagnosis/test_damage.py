"""What is not as it was installed, as status says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from nodeprov.diagnosis.status import Status, as_json, read, text
from nodeprov.engine.lock import Holder, HolderOf
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Query
from nodeprov.node.daemon import Record
from nodeprov.node.receipts import BEGUN, Written, to_json
from nodeprov.node.state import Facts
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import goals
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import FileState, LinkState, State, TreeState
from tests.support.runtimes import state_of
from tests.support.samples import CONFIG, FakeReader, changed, good_facts, installed, node, receipt_of, release
from tests.support.situations import ALONE

CURRENT, PEOPLE = "/opt/nodeprov/handlers/runsc/current", "/usr/local/bin/runsc"
PATH = "/etc/containerd/config.toml"


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
    assert " is installed; containerd serves" in text(found)


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


DAMAGE: dict[str, tuple[Callable[[Installed], object], str]] = {
    "the table is gone": (no_table, f"{PATH} has no runtime runsc any more"),
    "another table": (another_table, f"{PATH} has another table for the runtime runsc"),
    "a table that is not loaded": (not_loaded, "the running containerd has not loaded the runtime runsc"),
    "a configuration that is no TOML": (no_toml, f"{PATH}: not valid TOML"),
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
    assert " is installed" not in text(found)
    assert said in text(found)
    assert "nodeprov install worker1 mends it" in text(found)


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
    with pytest.raises(NodeprovError, match="do not run as root: how it stands cannot be told"):
        read(node(ALONE), Held(facts), GVISOR)
