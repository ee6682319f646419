"""An API server that all tests here share, and dispatchers that work on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.dispatch.api import Object
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.fleet_of_fakes import Fakes
from tests.support.in_force import DRAIN, PODS_OF_OTHERS, WAIT, WISH, in_force, run_pod
from tests.support.pods_of_others import clear_away, make_room
from tests.support.stages import stages


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave them out of the quick runs: the programs are those of the lab, which are built once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="module", autouse=True)
def _settings_of_nobody_else() -> Iterator[None]:
    """Leave out what the tests of the lab have set for their process: names of its own in the lab's cluster."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [*os.environ]:
            if name.startswith("NODEPROV_") and not name.startswith("NODEPROV_TEST_"):
                environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        plane.start_kwok(stages(failing=["bad"], silent=["silent"], calm=["calm"]))
        yield plane


@pytest.fixture
def fakes(plane: ControlPlane) -> Iterator[Fakes]:
    """The cluster without a node; whatever a test has made in it goes at its end."""
    fakes = Fakes(plane, threading.Event())
    yield fakes
    fakes.clear()


@pytest.fixture
def prod(fakes: Fakes) -> Iterator[Fakes]:
    """A cluster that may have pods of others, which go at the end: to later tests they would be in the way."""
    make_room(fakes)
    yield fakes
    clear_away(fakes)


@pytest.fixture
def applied(fakes: Fakes) -> Iterator[list[Object]]:
    """All objects, in force; without a dispatcher, for which there is no node."""
    with in_force(fakes, WISH) as values:
        yield values


@pytest.fixture
def draining(fakes: Fakes) -> Iterator[list[Object]]:
    """All objects of a dispatcher that drains nodes, in force, and a pod that has to leave one."""
    fakes.add("n1")
    run_pod(fakes, "web")
    with in_force(fakes, DRAIN) as values:
        yield values
    fakes.api.delete(f"{PODS_OF_OTHERS}/web", gracePeriodSeconds=0)


@pytest.fixture
def waiting(fakes: Fakes) -> Iterator[list[Object]]:
    """All objects of a dispatcher that waits for pods and evicts none, in force, and a pod that does not end."""
    fakes.add("n1")
    run_pod(fakes, "job", {"app": "batch"})
    with in_force(fakes, WAIT) as values:
        yield values
    fakes.api.delete(f"{PODS_OF_OTHERS}/job", gracePeriodSeconds=0)
