"""An API server that all tests here share, and dispatchers that work on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.fleet_of_fakes import Fakes
from tests.support.pods_of_others import make_room
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
def prod(fakes: Fakes) -> Fakes:
    """A cluster that may have pods of others."""
    make_room(fakes)
    return fakes
