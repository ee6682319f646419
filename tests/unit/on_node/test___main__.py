"""The pod's engine, whole, on a played node: install, stage, uninstall, refusals, and what it leaves."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from nodeprov.engine import Fleet, Install
from nodeprov.hosts.provider import LocalNode
from nodeprov.in_cluster.result import NodeResult
from nodeprov.inventory import parse
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.played_node import HOME, INVENTORY, PlayedNode
from tests.support.pods import ASKED, FILES, PlayedPod
from tests.support.samples import a_run, release


def said(result: NodeResult) -> str:
    assert result.error is not None
    return f"{result.error.where}: {result.error.what}"


def incoming(pod: PlayedPod) -> list[str]:
    return [path.name for path in pod.places.releases.glob(".incoming-*")]


def test_an_install_leaves_what_one_by_another_way_does(pod: PlayedPod, node: PlayedNode, tmp_path: Path) -> None:
    with LocalNode("worker1", enter=node.enter) as hosts:
        fleet = Fleet(parse(INVENTORY, "x").nodes, hosts, lambda *_: release(tmp_path, content=FILES["runsc"]))
        pod.bring(FILES)
        result = pod.run()
        assert (result.exit, result.outcome, result.error) == (0, "done", None)
        assert (result.release, result.handlers, result.restarted) == ("20260905.0", ("runsc",), True)
        assert len(result.digest) == 64
        assert incoming(pod) == []
        (planned,) = fleet.plan(Install(GVISOR)).good
        assert not planned.plan.pending
        here = node.listing()
        pod.run(pod.asked("uninstall"))
        (outcome,) = fleet.apply(fleet.plan(Install(GVISOR)).good, a_run())
        assert outcome.error is None
        assert node.listing() == here


def test_an_uninstall_takes_all_away_and_what_other_pods_have_brought_too(
    pod: PlayedPod, node: PlayedNode
) -> None:
    node.said(f"rmdir {HOME}/opt/releases {HOME}/opt")
    before = node.listing()
    node.said(f"mkdir -p {HOME}/opt/releases")
    pod.bring(FILES)
    assert pod.run().outcome == "done"
    pod.bring(FILES, run="killed")
    result = pod.run(replace(pod.asked("uninstall"), run="r2"))
    assert (result.exit, result.outcome, result.release, result.handlers) == (0, "done", "", ())
    assert node.listing() == before
    assert pod.run(replace(pod.asked("uninstall"), run="r3")).outcome == "unchanged"


def test_what_is_staged_is_taken_up_without_another_copy(pod: PlayedPod, node: PlayedNode) -> None:
    pod.bring(FILES)
    result = pod.run(pod.asked("stage"))
    assert (result.outcome, result.release, result.handlers, result.restarted) == ("done", "", (), False)
    assert node.restarts() == 1
    result = pod.run(replace(ASKED, run="r2"))  # brings nothing
    assert (result.outcome, result.release, result.restarted) == ("done", "20260905.0", True)
    result = pod.run(replace(ASKED, run="r3"))
    assert (result.outcome, result.release, result.restarted) == ("unchanged", "20260905.0", False)


def test_the_release_s_files_are_linked_and_not_copied(pod: PlayedPod, node: PlayedNode) -> None:
    number = (pod.bring(FILES) / "runsc").stat().st_ino
    pod.run()
    assert int(node.said(f"stat -c %i {HOME}/opt/releases/20260905.0-*/runsc")) == number


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "has brought nothing"),
        ({**FILES, "runsc": b"#!/bin/rm\n"}, "runsc has the sha512"),
        ({**FILES, "runsc": b"short"}, "runsc has 5 bytes, and should have 10"),
        ({"runsc": FILES["runsc"]}, "containerd-shim-runsc-v1 is missing"),
        ({**FILES, "extra": b"x"}, "extra is not in the lock"),
    ],
)
def test_an_image_that_lies_is_refused_and_nothing_is_changed(
    pod: PlayedPod, node: PlayedNode, files: dict[str, bytes], expected: str
) -> None:
    before = node.said(f"ls -lR {HOME}/etc {HOME}/state 2>&1; cat {HOME}/etc/config.toml")
    pod.bring(files)
    result = pod.run()
    assert (result.exit, result.outcome, result.restarted) == (1, "failed", False)
    assert expected in said(result)
    assert result.error is not None
    assert "nodeprov image" in result.error.hint or "kubectl logs" in result.error.hint
    assert node.said(f"ls -lR {HOME}/etc {HOME}/state 2>&1; cat {HOME}/etc/config.toml") == before


def test_a_mount_that_is_empty_is_said_to_be_so(pod: PlayedPod) -> None:
    pod.bring(FILES)
    for path in (pod.places.releases / ".incoming-r1").iterdir():
        path.unlink()
    assert "it is empty" in said(pod.run())


def test_a_link_in_the_image_is_refused(pod: PlayedPod) -> None:
    folder = pod.bring(FILES)
    (folder / "runsc").unlink()
    (folder / "runsc").symlink_to("/etc/shadow")
    assert "runsc is not a regular file" in said(pod.run())


def test_another_machine_under_the_node_s_name_is_refused(pod: PlayedPod, node: PlayedNode) -> None:
    pod.bring(FILES)
    result = pod.run(replace(ASKED, machine_id="0" * 32))
    assert "worker1: the node worker1 is another machine (machine-id 000" in said(result)
    assert node.restarts() == 1


def test_a_pod_that_was_sent_elsewhere_is_refused(pod: PlayedPod) -> None:
    result = pod.run(NODEPROV_PLACED_ON="worker2")
    assert "this pod is on worker2, and was made for worker1" in said(result)


def test_what_is_wrong_with_the_pod_itself_is_a_result_too(pod: PlayedPod) -> None:
    assert "NODEPROV_ACTION is 'format'" in said(pod.run(NODEPROV_ACTION="format"))
    (pod.places.config / "inventory.toml").write_text("[release]\nversion = 7\n")
    assert "version" in said(pod.run())
    (pod.places.config / "nodeprov.lock").unlink()
    (pod.places.config / "inventory.toml").write_text(INVENTORY)
    assert "cannot read the lock" in said(pod.run())


def test_a_fault_of_the_program_is_a_result_too(pod: PlayedPod) -> None:
    """A pod that ends otherwise is started again and again."""
    with_a_folder = replace(pod.places, config=pod.places.config, enter=("no-such-program",))
    result = replace(pod, places=with_a_folder).run()
    assert "cannot run no-such-program" in said(result)


def test_a_node_that_the_inventory_does_not_name_has_what_is_said_of_all(pod: PlayedPod) -> None:
    pod.bring(FILES)
    result = pod.run(replace(ASKED, node="worker7"))
    assert (result.node, result.outcome) == ("worker7", "done")


def test_what_runs_have_left_a_day_ago_is_removed(pod: PlayedPod) -> None:
    for run, age in (("old", 90_000), ("new", 60)):
        folder = pod.bring(FILES, run=run)
        at = folder.stat().st_mtime - age
        os.utime(folder, (at, at))
    pod.bring(FILES)
    pod.run()
    assert incoming(pod) == [".incoming-new"]


def test_a_cancelled_run_takes_its_changes_back_and_says_so(pod: PlayedPod, node: PlayedNode) -> None:
    pod.bring(FILES)
    pod.places.cancel.cancel()
    result = pod.run()
    assert (result.exit, result.outcome) == (1, "failed")
    assert "interrupted" in said(result)
    assert node.restarts() == 1


def test_a_run_that_was_killed_when_all_was_done_says_what_it_has_done(pod: PlayedPod, node: PlayedNode) -> None:
    pod.bring(FILES)
    first = pod.run()
    again = pod.run()
    assert (again.outcome, again.release, again.restarted) == (first.outcome, first.release, True)
    assert pod.run(replace(ASKED, run="r2")).outcome == "unchanged"
    assert node.restarts() == 2


def test_what_is_in_no_image_is_not_imported(pod: PlayedPod) -> None:
    pod.bring(FILES)
    with pod.started() as process:
        assert process.stdout is not None
        loaded = set(process.stdout.read().split())
    assert (process.returncode, pod.left().outcome) == (0, "done")
    assert loaded >= {"nodeprov", "jinja2", "markupsafe", "tomlkit"}
    heavy = {"paramiko", "fabric", "pytest", "requests", "typer", "rich", "cryptography", "zstandard", "filelock"}
    assert loaded & (heavy | {"testinfra", "tenacity", "platformdirs", "click", "invoke", "urllib3"}) == set()


@pytest.mark.parametrize("lines", [1, 6, 8])
def test_one_that_is_killed_goes_on_where_it_was(pod: PlayedPod, node: PlayedNode, lines: int) -> None:
    """After each of the lines that it prints; kubelet starts it again in the same pod."""
    pod.bring(FILES)
    with pod.started() as process:
        assert process.stderr is not None
        for _ in range(lines):
            assert process.stderr.readline()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    result = pod.run()
    assert (result.exit, result.outcome, result.error) == (0, "done", None)
    assert (result.release, result.handlers, result.restarted) == ("20260905.0", ("runsc",), True)
    assert incoming(pod) == []
    assert set(node.receipts().values()) == {"done"}
    assert pod.run(replace(ASKED, run="r2")).outcome == "unchanged"
