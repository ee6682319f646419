"""The canary of a node: what it has of its own, and what of [runtime]."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.inventory import Node, parse
from nodeprov.inventory.canary import canary_settings, insist_on_canary
from tests.support.inventories import LEAST, faults

LABEL = "nodeprov.node-restriction.kubernetes.io/gvisor"
TEXT = f"""
[release]
version = "20260518.0"
[release.sha512.x86_64]
"gvisor.tar.zstd" = "{"ab" * 64}"
[runtime]
platform = "kvm"
strict = true
[handlers.fast]
[nodes.worker1]
"""


def node_of(text: str) -> Node:
    return parse(text, "i.toml").nodes[0]


def test_it_has_names_of_its_own_another_release_and_else_what_the_node_has() -> None:
    canary = node_of(TEXT).canary("20260905.0")
    assert canary is not None
    its = canary.settings
    assert (its.runtime.handler, its.runtime_class.name, its.label.key) == (
        "runsc-next",
        "gvisor-next",
        f"{LABEL}-next",
    )
    assert (its.release.version, its.release.sha512, its.runtime.platform) == ("20260905.0", {}, "kvm")
    assert (its.runtime.strict, its.paths.bin, canary.handlers, canary.canary_of) == (False, "", {}, "runsc")
    assert canary.canary() is None


def test_the_same_release_keeps_its_digests() -> None:
    settings = node_of(TEXT).settings
    assert canary_settings(settings, "20260518.0").release == settings.release


def test_it_can_be_named_as_a_handler_though_no_table_describes_it() -> None:
    assert node_of(TEXT).only("runsc-next") == node_of(TEXT).canary()


def test_there_is_none_where_it_is_not_wanted_or_its_name_would_be_too_long() -> None:
    assert node_of(TEXT.replace("strict", "canary = false\nstrict")).canary() is None
    assert node_of(f"{LEAST}[runtime]\nhandler = '{'a' * 60}'\n").canary() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[runtime]\ncanary = false", "[runtime] canary is false"),
        (
            f"[runtime]\nhandler = '{'a' * 60}'",
            f"would have '{'a' * 60}-next', which is not the name of a handler",
        ),
        (f"[label]\nkey = 'x.io/{'a' * 60}'", f"would have 'x.io/{'a' * 60}-next', which is not a label's key"),
        ("[handlers.fast.label]\nkey = 'x.io/a-next'\n[label]\nkey = 'x.io/a'", "of the handler fast"),
        ("[handlers.fast.runtime_class]\nname = 'gvisor-next'", "of the handler fast"),
    ],
)
def test_a_name_that_cannot_be_or_is_another_s_is_refused(text: str, said: str) -> None:
    node = node_of(f"{LEAST}{text}\n")
    with pytest.raises(UsageError) as caught:
        insist_on_canary(node.settings, [view.settings for view in node.views], where=node.name)
    assert said in caught.value.message
    assert caught.value.hint
    good = node_of(LEAST)
    insist_on_canary(good.settings, [view.settings for view in good.views], where=good.name)


def test_another_handler_of_its_name_is_refused_unless_there_is_no_canary() -> None:
    text = f"{LEAST}[handlers.runsc-next]\n"
    assert "[handlers] runsc-next is the handler of the canary of [runtime]" in faults(text)
    assert list(node_of(f"{text}[runtime]\ncanary = false\n").handlers) == ["runsc-next"]


def test_handlers_besides_have_none() -> None:
    assert [view.canary() is not None for view in node_of(TEXT).views] == [True, False]
