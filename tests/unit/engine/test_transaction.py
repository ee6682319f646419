"""How a run is closed, and what it says of the run before it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from nodeprov.engine import transaction
from nodeprov.errors import NodeprovError
from nodeprov.node.receipts.history import History
from nodeprov.node.receipts.receipt import BEGUN, from_json
from nodeprov.plan.action import UNINSTALL
from nodeprov.plan.outcome import Outcome
from nodeprov.plan.plan import Plan
from nodeprov.states import FileState
from tests.support.memory_host import MemoryHost
from tests.support.samples import receipt_of, settings


def test_a_failed_run_has_uncordoned_what_an_interrupted_one_had_cordoned() -> None:
    """So that the next one leaves alone what an operator cordons in between."""
    host: Any = MemoryHost()
    broken = replace(receipt_of(1, "uninstall", state=BEGUN), cordons=True)
    failed = Outcome(Plan("worker1", UNINSTALL, ()), error=NodeprovError("it failed"))
    transaction._close(
        failed, receipt_of(2, "uninstall", state=BEGUN), broken, host, settings(), "2026-09-05T10:00:00+00:00"
    )
    written = host.members[f"/var/lib/nodeprov/receipts/{broken.name}"]
    assert isinstance(written, FileState)
    found = from_json(json.loads(written.content))
    assert History("runsc", "", (found,)).interrupted == found
    assert not found.cordons
