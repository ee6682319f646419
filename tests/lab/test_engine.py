"""The engine's example, on a real node."""

from __future__ import annotations

import sys

from nodeprov.hosts.local import run_program
from tests.lab.machines import CHECKOUT, WORKER, Machine
from tests.lab.running import INVENTORY, nodeprov


def test_a_program_installs_a_node_by_the_engine_alone(worker: Machine) -> None:
    command = [sys.executable, str(CHECKOUT / "examples" / "engine.py"), str(INVENTORY), WORKER]
    ended = run_program(command, environment={"PYTHONPATH": str(CHECKOUT)}, timeout_seconds=600)
    assert ended.returncode == 0, ended.text + ended.said
    assert f"{WORKER}: install: " in ended.text
    assert f"{WORKER}: proven: " in ended.text
    assert nodeprov("plan", WORKER).returncode == 0
    assert nodeprov("verify", WORKER).returncode == 0
