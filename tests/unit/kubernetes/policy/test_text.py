from __future__ import annotations

import yaml as library

from nodeprov.kubernetes.policy.objects import Sandboxes
from nodeprov.kubernetes.policy.planning import Wanted, manifests
from nodeprov.kubernetes.policy.text import yaml
from tests.support.samples import golden

ALL = manifests(Wanted(Sandboxes("gvisor", "runsc"), profiles=("shop",)))


def test_the_policies_are_written_for_people() -> None:
    golden("cluster/policy.yaml", f"{yaml(ALL)}\n")


def test_what_is_written_is_read_back_as_it_was_and_nothing_stands_there_as_an_anchor() -> None:
    text = yaml(ALL)
    assert [*library.safe_load_all(text)] == [*ALL]
    assert "&id" not in text
