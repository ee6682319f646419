"""The settings themselves: their defaults, their variables, and what is told of each."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import pytest

from nodeprov.inventory import Settings, Ssh, parse
from nodeprov.inventory.kinds import Boolean, LabelSelector, ListOf, TableOf, Text, TimeZone, WholeNumber
from nodeprov.inventory.schema import Setting, settings_of
from nodeprov.inventory.settings import TABLES, keys_of, variable
from tests.support.inventories import LEAST


def test_what_is_not_said_has_its_default() -> None:
    (node,) = parse(LEAST, "i.toml").nodes
    assert node.ssh == Ssh("worker1")
    assert node.settings == Settings(node.settings.release)
    assert node.settings.release.base_url == "https://storage.googleapis.com/gvisor/releases"
    assert node.settings.runtime_class.overhead == {"memory": "64Mi", "cpu": "50m"}
    assert node.settings.label.key == "nodeprov.node-restriction.kubernetes.io/gvisor"
    assert node.settings.label.value == "true"


TYPES = {
    Text: (str, str | None),
    TimeZone: (str,),
    LabelSelector: (str | None,),
    WholeNumber: (int, int | None),
    Boolean: (bool, bool | None),
    ListOf: (tuple[str, ...], tuple[Mapping[str, str | int], ...]),
    TableOf: (Mapping[str, str], Mapping[str, Mapping[str, str]]),
}
EVERY_KEY = {
    f"{name}.{key}": (table, setting)
    for name, table in TABLES.items()
    for key, setting in settings_of(table).items()
}


@pytest.mark.parametrize(("table", "setting"), EVERY_KEY.values(), ids=EVERY_KEY)
def test_every_key_has_a_meaning_and_every_text_a_rule(table: type, setting: Setting) -> None:
    assert setting.doc.endswith(".")
    assert not isinstance(setting.kind, Text) or (setting.kind.expected and setting.kind.pattern)
    assert not isinstance(setting.kind, TableOf) or setting.kind.names
    assert typing.get_type_hints(table)[setting.name] in TYPES[type(setting.kind)]


@pytest.mark.parametrize(("table", "setting"), EVERY_KEY.values(), ids=EVERY_KEY)
def test_every_default_is_one_that_could_be_set(table: type, setting: Setting) -> None:
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    assert default is None or not list(setting.kind.faults(default, (table.__name__, setting.name)))


def test_every_key_has_a_variable_of_its_own() -> None:
    names = [variable(table, key) for table in TABLES for key in keys_of(table)]
    assert len(set(names)) == len(names)
    assert "NODEPROV_RUNTIME_CLASS_NODE_SELECTOR" in names
