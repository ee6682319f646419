"""What keeps a canary from being promoted, and which line of which file is to be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.locking import FoundLock
from nodeprov.cli.promotion import Promotion
from nodeprov.inventory import parse
from nodeprov.releases.lock import Lock

OLD, NEW = "20260518.0", "20260905.0"
TRIED = f"{NEW}-0123456789ab"
PLACE = "nodeprov.toml:2"
SET = f'set [release] version = "{NEW}" ({PLACE})'
LOCK = f"write the lock anew: nodeprov lock --release {NEW}"


def promotion(wanted: str, locked: str = "", tried: str = TRIED) -> Promotion:
    whole = parse(f'[release]\nversion = "{wanted}"\n[nodes.worker1]\n', "nodeprov.toml")
    lock = FoundLock(Path("/srv/nodeprov.lock"), Lock("gVisor", locked, "", {}), "", "") if locked else None
    return Promotion(whole, whole.nodes[0], wanted, lock, tried)


@pytest.mark.parametrize("wanted", ["latest", "20260905", NEW])
@pytest.mark.parametrize("locked", ["", NEW])
def test_what_inventory_and_lock_mean_may_be_promoted(wanted: str, locked: str) -> None:
    assert promotion(wanted, locked).refusal() is None
    assert promotion(wanted, locked).refusal_of(TRIED) is None


@pytest.mark.parametrize(
    ("wanted", "locked", "said", "hint"),
    [
        pytest.param(OLD, "", f"{PLACE} wants {OLD}", SET, id="the inventory"),
        pytest.param(OLD, NEW, f"{PLACE} wants {OLD}", SET, id="the inventory and not the lock"),
        pytest.param("latest", OLD, f"nodeprov.lock has {OLD}", LOCK, id="the lock of the latest"),
        pytest.param(NEW, OLD, f"nodeprov.lock has {OLD}", LOCK, id="the lock and not the inventory"),
        pytest.param(
            OLD, OLD, f"nodeprov.lock has {OLD} and {PLACE} wants {OLD}", f"{LOCK}; and {SET}", id="both"
        ),
    ],
)
def test_what_means_another_release_is_named_with_what_to_change(
    wanted: str, locked: str, said: str, hint: str
) -> None:
    error = promotion(wanted, locked).refusal()
    assert error is not None
    assert error.message == f"the canary is {NEW}, and {said}: the next install would go back to it"
    assert error.hint == f"{hint}; then run this again"
    assert error.where == "worker1"


def test_a_node_without_a_canary_is_told_how_to_begin_one() -> None:
    error = promotion(NEW, tried="").refusal()
    assert error is not None
    assert error.hint == "nodeprov canary start --release RELEASE worker1"


def test_other_bytes_of_the_same_release_were_not_tried() -> None:
    other = f"{NEW}-ba9876543210"
    error = promotion(NEW, NEW).refusal_of(other)
    assert error is not None
    assert f"the canary is {TRIED}, and nodeprov.lock has {other}: the same release, with other bytes" in str(
        error
    )
    assert f"nodeprov canary start --release {NEW} worker1" in error.hint
