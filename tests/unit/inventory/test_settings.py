"""The settings themselves: their defaults, and what is told of each."""

from __future__ import annotations

import dataclasses
import typing

from nodeprov.inventory import Settings, Ssh, parse
from tests.support.inventories import LEAST


def test_what_is_not_said_has_its_default() -> None:
    (node,) = parse(LEAST, "i.toml").nodes
    assert node.ssh == Ssh("worker1")
    assert node.settings == Settings(node.settings.release)
    assert node.settings.release.base_url == "https://storage.googleapis.com/gvisor/releases"
    assert node.settings.runtime_class.overhead == {"memory": "64Mi", "cpu": "50m"}
    assert node.settings.label.key == "nodeprov.node-restriction.kubernetes.io/gvisor"
    assert node.settings.label.value == "true"


def test_every_key_has_a_meaning_and_every_text_a_rule() -> None:
    for table in (Ssh, *typing.get_type_hints(Settings).values()):
        hints = typing.get_type_hints(table)
        for field in dataclasses.fields(table):
            assert field.metadata["doc"].endswith("."), (table, field.name)
            assert field.metadata["rule"] or field.metadata["names"] or hints[field.name] in (bool, bool | None)
