"""What is typed to make a run again: for the handler that it was of, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.node.receipts import History
from tests.support.samples import receipt_of


def typed(action: str, handler: str = "runsc", *others: tuple[str, str]) -> str:
    """Say it of the last run of a handler, with runs of others before it."""
    before = [receipt_of(number, of, handler=whose) for number, (of, whose) in enumerate(others, start=1)]
    run = replace(receipt_of(len(before) + 1, action, handler=handler), release="20260905.0-0a1b2c")
    return History(handler, run.machine_id, (*before, run)).typed_again(run, "worker1")


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("install", "nodeprov install worker1"),
        ("stage", "nodeprov install --stage worker1"),
        ("rollback", "nodeprov rollback worker1"),
        ("uninstall", "nodeprov uninstall worker1"),
        ("of-tomorrow", "nodeprov of-tomorrow worker1"),
    ],
)
def test_of_the_only_handler_the_node_is_enough(action: str, said: str) -> None:
    assert typed(action) == said


def test_an_uninstall_of_one_of_several_names_it() -> None:
    kvm = ("install", "runsc-kvm")
    assert typed("uninstall", "runsc", kvm) == "nodeprov uninstall worker1 --handler runsc"
    assert typed("uninstall", "runsc", ("canary", "runsc-next")) == "nodeprov uninstall worker1"


def test_a_canary_has_commands_of_its_own() -> None:
    main, begun = ("install", "runsc"), ("canary", "runsc-next")
    assert typed("canary", "runsc-next", main) == "nodeprov canary start worker1 --release 20260905.0"
    assert typed("uninstall", "runsc-next", main, begun) == "nodeprov canary abort worker1"
    assert typed("gc", "runsc-next", main, begun) == "nodeprov gc worker1 --handler runsc-next"
