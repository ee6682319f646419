"""Faults acted out at every write and command: what they leave is as before or as wanted, and a rerun converges.

`pytest tests/lab/faults --profile=full` acts all of the table; without it a sample of the day is acted.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from filelock import FileLock

from tests.conftest import RUN, say_at_the_end
from tests.lab.conftest import QUICKER
from tests.lab.faults import tally
from tests.lab.faults.document import ADOPTED_LIVES, KILLED_LIVES, TRIED_LIVES
from tests.lab.faults.judge import ELSE
from tests.lab.faults.lives import Living, Tried
from tests.lab.faults.plan import LIVES, QUICK, Life, full_plan, kills, short_life
from tests.lab.faults.record import Record, record, theirs
from tests.lab.faults.table import ACTIONS, ADOPTING, FAULTS, TRYING
from tests.lab.machines import CLASS, LABEL, WORKER, Kubectl, Machine
from tests.support.sampling import is_full, some
from tests.support.sampling import seed as seed_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have all lives, or a sample of them that the seed picks."""
    for name, lives in (
        ("life", LIVES),
        ("killed", KILLED_LIVES),
        ("adopted", ADOPTED_LIVES),
        ("trying", TRIED_LIVES),
    ):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, some(metafunc.config, range(lives)))


@pytest.fixture
def recorded(worker: Machine) -> Record:
    """What a life without faults does, recorded once for all processes."""
    return _recorded(worker, ACTIONS)


def _recorded(worker: Machine, actions: tuple[str, ...]) -> Record:
    with FileLock(RUN / "faults-record.lock"):
        path = RUN / f"faults-record-{actions[0].replace(' ', '-')}-{WORKER}"
        if not path.exists():
            path.write_bytes(pickle.dumps(record(worker, actions)))
        found: Record = pickle.loads(path.read_bytes())
    return found


@pytest.fixture
def living(worker: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    """A node with a plain pod; a reboot may take from it what was told to systemd for the time of the tests."""
    kubectl.pod("plain", WORKER, sandboxed=False)
    yield worker
    worker.host.close()
    worker.run(QUICKER)


def lived(life: Life, seed: str, worker: Machine, kubectl: Kubectl, recorded: Record) -> list[Tried]:
    tried: list[Tried] = []
    try:
        Living(worker, kubectl, recorded, life.group, seed).live(life, tried)
    finally:
        tally.add(tried)
    return tried


def test_a_fault_leaves_a_node_as_before_or_as_wanted(
    living: Machine, kubectl: Kubectl, recorded: Record, life: int, request: pytest.FixtureRequest
) -> None:
    seed = seed_of(request.config)
    say_at_the_end("faults' seed", [f"pytest tests/lab/faults --seed={seed} repeats the sample"])
    faults = FAULTS if is_full(request.config) else QUICK
    tried = lived(full_plan(recorded, seed, faults)[life], f"{seed} {life}", living, kubectl, recorded)
    assert [each for each in tried if each.outcome == ELSE] == []


def test_a_run_that_is_killed_anywhere_converges_by_one_more(
    living: Machine, kubectl: Kubectl, recorded: Record, killed: int, request: pytest.FixtureRequest
) -> None:
    seed = seed_of(request.config)
    tried = lived(kills(recorded, seed, killed), f"{seed} {killed}", living, kubectl, recorded)
    assert [each for each in tried if each.outcome == ELSE] == []


@pytest.fixture
def adoptable(living: Machine) -> Iterator[Machine]:
    """A node on which somebody else has installed gVisor."""
    taken_away = theirs(living)
    yield living
    living.host.close()
    living.run(taken_away)


def test_a_fault_in_an_adoption_leaves_theirs_or_ours_in_force(
    adoptable: Machine, kubectl: Kubectl, adopted: int, request: pytest.FixtureRequest
) -> None:
    seed, found = seed_of(request.config), _recorded(adoptable, ADOPTING)
    tried = lived(short_life(found, seed, adopted), f"{seed} adopt {adopted}", adoptable, kubectl, found)
    assert [each for each in tried if each.outcome == ELSE] == []


@pytest.fixture
def with_canary(living: Machine, kubectl: Kubectl) -> Iterator[Machine]:
    """A node on which a canary is tried."""
    yield living
    kubectl("delete", "runtimeclass", f"{CLASS}-next", "--ignore-not-found")
    kubectl("label", "node", living.name, f"{LABEL}-next-")


def test_a_fault_around_a_canary_leaves_it_there_or_not_there(
    with_canary: Machine, kubectl: Kubectl, trying: int, request: pytest.FixtureRequest
) -> None:
    seed, found = seed_of(request.config), _recorded(with_canary, TRYING)
    tried = lived(short_life(found, seed, trying), f"{seed} canary {trying}", with_canary, kubectl, found)
    assert [each for each in tried if each.outcome == ELSE] == []
    assert kubectl("get", "runtimeclass", f"{CLASS}-next", "--ignore-not-found") == ""
