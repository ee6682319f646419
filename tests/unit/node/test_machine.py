"""Where a path lies on a machine."""

from __future__ import annotations

import pytest

from nodeprov.node.machine import Mount
from tests.support.samples import good_facts


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/opt/nodeprov", "/opt"),
        ("/opt", "/opt"),
        ("/opt/data/nodeprov", "/opt/data"),
        ("/optical/nodeprov", "/"),
        ("/", "/"),
    ],
)
def test_a_path_lies_on_the_longest_mount_above_it(path: str, mount: str) -> None:
    mounts = tuple(Mount(each, frozenset()) for each in ("/opt/data", "/", "/opt"))
    found = good_facts(mounts=mounts).machine.mount_of(path)
    assert found is not None
    assert found.path == mount


def test_the_last_of_two_mounts_on_one_path_counts() -> None:
    mounts = (Mount("/opt", frozenset({"ro"})), Mount("/opt", frozenset({"rw"})))
    found = good_facts(mounts=mounts).machine.mount_of("/opt/nodeprov")
    assert found is not None
    assert found.options == {"rw"}


def test_a_path_lies_on_the_mount_where_it_really_is() -> None:
    mounts = (Mount("/", frozenset({"ro"})), Mount("/var", frozenset({"rw"})))
    facts = good_facts(mounts=mounts, real_paths={"/opt/nodeprov": "/var/opt/nodeprov"})
    found = facts.machine.mount_of("/opt/nodeprov")
    assert found is not None
    assert found.path == "/var"
