"""An inventory's text with what was laid over it says the same by itself."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from nodeprov.inventory import Settings, TrustSettings, parse
from nodeprov.inventory.overlay import overlaid
from tests.support.inventories import LAYERED


def shared(settings: Settings) -> Settings:
    """Leave out how this machine reaches others."""
    cluster = replace(settings.cluster, kubeconfig=None, context=None, host=None)
    return replace(settings, cluster=cluster, trust=TrustSettings())


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({"NODEPROV_RUNTIME_PLATFORM": "kvm"}, []),
        ({"NODEPROV_RUNTIME_FLAGS": '{ debug = "false", strace = "true" }'}, []),
        ({"NODEPROV_RUNTIME_FLAGS": "{ }", "NODEPROV_PROOF_IMAGE": 'a"b:1'}, []),
        ({"NODEPROV_RUNTIME_CLASS_NAME": "boxed", "NODEPROV_LABEL_KEY": "x.io/y"}, ["rollout.drain=true"]),
        ({"NODEPROV_ROLLOUT_CANARY": "2", "NODEPROV_RELEASE_KEEP": "3"}, ["rollout.canary=1"]),
        ({"NODEPROV_RELEASE_VERSION": "20260518.0", "NODEPROV_RELEASE_SHA512": "{}"}, []),
        ({"NODEPROV_CLUSTER_SELECT": "pool=a", "NODEPROV_CLUSTER_CONTEXT": "mine"}, []),
    ],
)
def test_the_text_says_by_itself_what_the_other_one_says_with_what_is_laid_over_it(
    environment: dict[str, str], options: list[str]
) -> None:
    meant = parse(LAYERED, "x", environment=environment, options=options)
    found = overlaid(LAYERED, "x", environment, options)
    assert found.text != LAYERED
    itself = parse(found.text, "x")
    assert [(each.name, shared(each.settings), each.handlers) for each in itself.nodes] == [
        (each.name, shared(each.settings), each.handlers) for each in meant.nodes
    ]
    assert [each.ssh for each in itself.nodes] == [each.ssh for each in parse(LAYERED, "x").nodes]


def test_what_was_laid_over_it_is_named() -> None:
    found = overlaid(
        LAYERED,
        "x",
        {"NODEPROV_RUNTIME_PLATFORM": "kvm", "NODEPROV_SSH_USER": "me", "NODEPROV_CLUSTER_KUBECONFIG": "/k"},
        ["rollout.drain=true"],
    )
    assert found.by == ("environment NODEPROV_RUNTIME_PLATFORM",)  # who types an option knows it
    assert "/k" not in found.text


def test_where_nothing_is_laid_over_it_the_text_stays_to_the_letter() -> None:
    found = overlaid(LAYERED, "x", {"NODEPROV_SSH_USER": "me", "NODEPROV_CACHE": "/c", "HOME": "/root"})
    assert (found.text, found.by) == (LAYERED, ())


def test_a_name_that_is_set_alone_is_written_beside_the_default_and_beside_what_the_file_has() -> None:
    for own, cpu in (("", "50m"), ('[runtime_class.overhead]\ncpu = "9m"\n', "9m")):
        text = f'[release]\nversion = "20260905.0"\n{own}[nodes.worker1]\n'
        given = overlaid(text, "i.toml", {}, ["runtime_class.overhead.memory=9Mi"]).text
        assert tomllib.loads(given)["runtime_class"]["overhead"] == {"cpu": cpu, "memory": "9Mi"}
