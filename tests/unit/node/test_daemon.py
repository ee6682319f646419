"""A containerd as it was read."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from nodeprov.node import fact_parsers as parse
from nodeprov.node.daemon import Identity, Plugin
from tests.support.facts_answers import RUNTIME_TABLE_1X
from tests.support.samples import CRI, good_daemon


@pytest.mark.parametrize(
    ("plugins", "errors"),
    [
        (CRI, ()),
        (CRI[:2], ()),
        (parse.plugins(RUNTIME_TABLE_1X), ("io.containerd.grpc.v1.cri: error",)),
        ((CRI[0], Plugin("io.containerd.cri.v1", "runtime", "error")), ("io.containerd.cri.v1.runtime: error",)),
        ((Plugin("io.containerd.grpc.v1", "images", "ok"),), ("the CRI plugin is not loaded",)),
        ((), ("the CRI plugin is not loaded",)),
    ],
)
def test_a_part_of_cri_that_does_not_work_is_named(plugins: tuple[Plugin, ...], errors: tuple[str, ...]) -> None:
    assert good_daemon(plugins=plugins).cri_errors == errors


def test_an_identity_is_one_process_of_one_boot() -> None:
    assert Identity("b", 1, 2) == Identity("b", 1, 2)
    assert asdict(Identity("b", 1, 2)) == {"boot_id": "b", "pid": 1, "start_ticks": 2}
