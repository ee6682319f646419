"""What a node's state shows of its machine, its footprint, its containerd and its cluster."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.errors import NodeprovError, Problem
from nodeprov.node.state import Mount, User
from tests.support.clusters import facts
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


def test_what_a_process_or_a_stopped_container_names_is_in_use_and_so_is_the_folder_above() -> None:
    footprint = good_facts(
        processes={"/o/releases/a/runsc": 2}, bundles=("/o/handlers/runsc/1/runsc.toml",)
    ).footprint
    assert footprint.in_use == ("/o/releases/a/runsc", "/o/handlers/runsc/1/runsc.toml")
    assert footprint.uses("/o/releases/a")
    assert footprint.uses("/o/handlers/runsc/1")
    assert not footprint.uses("/o/releases/a-1")
    assert not footprint.uses("/o/releases/a/runsc")


SHIM, RUNSC = "/o/handlers/runsc/current/shim", "/o/releases/r/runsc"


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ([User(RUNSC, "a/b", "0123456789abcdef", "42")], "pod a/b (container 0123456789abc, PID 42)"),
        ([User(SHIM, "a/b", "ab")], "pod a/b (container ab)"),
        ([User(SHIM, "", "ab", "")], "container ab"),
        ([User(RUNSC, pid="42")], "PID 42"),
        ([User(SHIM, "a/b", "ab"), User(RUNSC, "a/b", "cd", "42")], "pod a/b (container cd, PID 42)"),
        ([User(SHIM, "a/1"), User(SHIM, "a/2")], "pod a/1, pod a/2"),
        ([User(SHIM, f"a/{n}") for n in range(5)], "pod a/0, pod a/1, pod a/2 and others"),
        ([User("/o/releases/other/runsc", "a/b")], f"processes or containers that name {RUNSC}"),
        ([], f"processes or containers that name {RUNSC}"),
    ],
)
def test_who_needs_what_is_ours_is_named_by_pod_container_and_process(users: list[User], said: str) -> None:
    assert good_facts(users=tuple(users)).footprint.by_whom([RUNSC, SHIM]) == said


def test_sandboxes_are_counted_by_their_pods_or_else_by_their_shims() -> None:
    releases, shim, made = "/opt/nodeprov/releases", "containerd-shim-runsc-v1", "20260905.0-04991f972de3"
    processes = {
        f"{releases}/{made}/{shim}": 4,
        f"{releases}/20260518.0-bf2b32777424/{shim}": 2,
        f"{releases}/20250101.0-0123456789ab/{shim} (deleted)": 1,
        f"{releases}/20260518.0-bf2b32777424/runsc": 9,
        "/opt/nodeprov/.proof-x/shim": 1,
    }
    users = [User(f"{releases}/20260518.0-bf2b32777424/{shim}", f"shop/cart-{n}", "", str(n)) for n in (1, 2)]
    pods = {f"shop/{name}": (f"{releases}/{made}/runsc",) for name in "abcd"}
    footprint = good_facts(
        processes={**processes, f"{releases}/{made}/{shim}": 9}, users=tuple(users), pods=pods
    ).footprint
    found = footprint.sandboxes(shim, releases)
    assert [(each.release, each.said) for each in found] == [
        ("20250101.0-0123456789ab", "1 sandbox"),
        ("20260518.0-bf2b32777424", "2 sandboxes (shop/cart-1, shop/cart-2)"),
        (made, "4 sandboxes (shop/a, shop/b, shop/c and 1 more)"),
    ]


def test_a_daemon_that_cannot_be_told_from_others_is_not_said_to_be_down() -> None:
    facts = good_facts(daemon=None, undecided=Problem("2 containerds run", "say which one"))
    with pytest.raises(NodeprovError, match="2 containerds run") as caught:
        assert facts.running_daemon
    assert caught.value.hint == "say which one"


@pytest.mark.parametrize(
    ("status", "handlers"),
    [
        ({}, None),
        ({"runtimeHandlers": []}, ()),
        ({"runtimeHandlers": [{"name": ""}, {"name": "runsc"}]}, ("", "runsc")),
        ({"runtimeHandlers": [{"features": {}}, {"name": "runsc"}]}, ("", "runsc")),
    ],
)
def test_the_handlers_that_a_kubelet_reports_are_read(
    status: dict[str, Any], handlers: tuple[str, ...] | None
) -> None:
    assert facts({"status": status}).handlers == handlers
