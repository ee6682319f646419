"""What a runtime's table holds, and which tables are its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.containerd import Runtime
from tests.support.containerd_texts import CURRENT, RUNSC

CRUN = Runtime(
    "crun",
    "io.containerd.runc.v2",
    (("BinaryName", "/p/handlers/crun/current/crun"), ("SystemdCgroup", True)),
)


def test_a_runtime_of_a_shim_of_its_own_is_known_by_the_shims_path() -> None:
    assert (RUNSC.program_key, RUNSC.program) == ("runtime_path", f"{CURRENT}/containerd-shim-runsc-v1")
    assert RUNSC.program_of(RUNSC.table()) == RUNSC.program
    assert RUNSC.program_of({"runtime_path": "/usr/bin/shim"}) == "/usr/bin/shim"
    assert RUNSC.program_of({}) is RUNSC.program_of(None) is None


def test_a_runtime_of_containerds_shim_is_known_by_what_that_runs() -> None:
    assert CRUN.table() == {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"BinaryName": "/p/handlers/crun/current/crun", "SystemdCgroup": True},
    }
    assert (CRUN.program_key, CRUN.program) == ("BinaryName", "/p/handlers/crun/current/crun")
    assert CRUN.program_of({"runtime_path": "", "options": {"BinaryName": "/usr/bin/crun"}}) == "/usr/bin/crun"


@pytest.mark.parametrize(
    ("binary", "is_ours"),
    [
        ("/p/handlers/crun/current/crun", True),
        ("/p/handlers/crun/0123456789ab/crun", True),
        ("/p/handlers/crun/../other/crun", False),
        ("/usr/bin/crun", False),
        ("", False),
    ],
)
def test_a_table_is_ours_by_the_folder_of_its_paths(binary: str, is_ours: bool) -> None:
    table = {"runtime_type": "io.containerd.runc.v2", "options": {"BinaryName": binary}}
    assert CRUN.owns(table) is is_ours


def test_a_table_of_another_type_is_not_ours() -> None:
    assert not CRUN.owns(replace(CRUN, runtime_type="io.containerd.runsc.v1").table())
    assert not CRUN.owns({**CRUN.table(), "options": None})
