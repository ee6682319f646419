"""Which containers of a node are init containers, as kubectl says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.init_containers import InitContainersQuery, read_init_containers
from nodeprov.plan.steps import Names
from tests.support.samples import settings


def line(namespace: str, names: str, *inits: dict[str, Any]) -> str:
    return f"{namespace}\t{names}\t{json.dumps(inits) if inits else ''}\n"


def understood(text: str) -> Names:
    return InitContainersQuery(settings(), "worker1").parse(Output(0, text.encode(), b""))


def test_they_are_those_that_end_before_the_others_begin() -> None:
    sidecar = {"name": "mesh", "restartPolicy": "Always"}
    text = (
        line("shop", "main", {"name": "migrate"}, sidecar)
        + line("shop", "web")
        + line("jobs", "a b", {"name": "get"})
    )
    assert understood(text) == {("shop", "migrate"), ("jobs", "get")}


def test_a_name_that_another_container_of_the_namespace_has_is_left_out() -> None:
    """That one may run for ever: nobody would wait to any purpose."""
    text = line("shop", "main", {"name": "app"}) + line("shop", "app") + line("jobs", "main", {"name": "app"})
    assert understood(text) == {("jobs", "app")}


def test_what_is_no_name_goes_into_no_script() -> None:
    assert understood(line("shop", "main", {"name": '"; reboot'})) == frozenset()


@pytest.mark.parametrize(
    "text", ["shop\n", "shop\tmain\t{}\n", 'shop\tmain\t[{"name": 1}]\n', "shop\tmain\t[1]\n"]
)
def test_what_kubernetes_does_not_say_is_an_error_in_words(text: str) -> None:
    with pytest.raises(NodeprovError, match="not understood"):
        understood(text)


def test_without_the_right_to_read_pods_none_is_known(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'Error from server (Forbidden): pods is forbidden' >&2; exit 1\n")
    program.chmod(0o755)
    wanted = settings(cluster=ClusterSettings(kubectl=str(program)))
    assert read_init_containers(LocalHost(), wanted, "worker1") == frozenset()
