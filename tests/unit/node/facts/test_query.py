"""The script that asks, run on this machine."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.hosts.script import plain
from nodeprov.inventory import ContainerdSettings, Paths, Settings
from nodeprov.node.daemon import Identity, Record
from nodeprov.node.facts import Facts, FactsQuery, gather
from tests.support.runtimes import layout_of
from tests.support.samples import settings


def of_folder(folder: Path) -> Settings:
    return settings(
        paths=Paths(prefix=f"{folder}/opt/nodeprov", state=f"{folder}/state", bin=f"{folder}/bin"),
        containerd=ContainerdSettings(unit="there-is-no-such-unit.service"),
    )


@pytest.mark.parametrize(
    ("known", "lines"),
    [
        (ContainerdSettings(), "unit=containerd.service\nconfig=''\nsocket=''\n"),
        (ContainerdSettings("/c d", "k3s.service", "/run/s"), "unit=k3s.service\nconfig='/c d'\nsocket=/run/s\n"),
    ],
)
def test_what_is_known_of_containerd_is_not_looked_for(known: ContainerdSettings, lines: str) -> None:
    assert lines in FactsQuery("worker1", settings(containerd=known), layout_of(settings())).script


def facts_here(folder: Path) -> Facts:
    return gather(LocalHost("here"), of_folder(folder), layout_of(of_folder(folder)))


def test_the_script_says_of_this_machine_what_there_is_and_leaves_nothing(tmp_path: Path) -> None:
    facts = facts_here(tmp_path)
    assert facts.node == "here"
    assert facts.daemon is None
    assert facts.machine.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert facts.machine.free_at == str(tmp_path)
    assert facts.machine.free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert facts.machine.mount_of("/proc/self") is not None
    assert set(facts.footprint.links.values()) == {""}
    assert (facts.footprint.releases, facts.footprint.generations, facts.receipts, facts.footprint.record) == (
        (),
        {},
        (),
        None,
    )
    assert list(tmp_path.iterdir()) == []


def test_the_script_tells_the_folders_on_the_way_that_others_could_change(tmp_path: Path) -> None:
    """Also those on the way to a link, and to where it leads; what only a group may write is its own matter."""
    for name, mode in (("open", 0o1777), ("shared", 0o2775), ("closed", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    (tmp_path / "closed" / "link").symlink_to(tmp_path / "open")

    def loose(place: str) -> set[str]:
        known = settings(paths=Paths(prefix=f"{tmp_path}/{place}/nodeprov", state="/var/lib/nodeprov", bin=""))
        found = gather(LocalHost("here"), known, layout_of(known)).machine.loose
        return {path.removeprefix(f"{tmp_path}/") for path in found if path.startswith(f"{tmp_path}/")}

    assert loose("closed") == loose("shared") == set()
    assert loose("open") == loose("closed/link") == {"open"}
    if os.geteuid() == 0:
        os.chown(tmp_path / "closed", 1234, 0)
        assert loose("closed") == {"closed"}


def test_a_node_that_stops_between_two_programs_starts_no_sooner(tmp_path: Path) -> None:
    """Else two plans of one node differ: a file is newer than containerd in one, and not in the other."""
    date, stops = tmp_path / "date", tmp_path / "stops"
    stops.write_text("..")
    date.write_text(
        f"""#!/bin/sh
{shutil.which("date")} "$@"
[ -s {stops} ] && truncate -s -1 {stops} && sleep 0.3
"""
    )
    date.chmod(0o755)
    known = of_folder(tmp_path)
    script = FactsQuery("here", known, layout_of(known)).script
    path = f"{tmp_path}:{os.environ['PATH']}"
    told = run_program(["sh", "-c", script], environment={"PATH": path}).text
    values = dict(line.partition("=")[::2] for line in told.splitlines())
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert stops.read_text() == ""
    assert float(values["now"]) - float(values["uptime"]) == pytest.approx(booted_at, abs=0.05)


def test_the_script_complains_of_nothing(tmp_path: Path) -> None:
    assert (
        LocalHost().sh(FactsQuery("worker1", of_folder(tmp_path), layout_of(of_folder(tmp_path))).script).stderr
        == b""
    )


def test_the_script_finds_generations_releases_links_and_receipts(tmp_path: Path) -> None:
    prefix, state, folder = tmp_path / "opt" / "nodeprov", tmp_path / "state", tmp_path / "bin"
    for name in ("r1", "r2", ".r3.nodeprov-00000000"):
        (prefix / "releases" / name).mkdir(parents=True)
    for handler, digest in (("runsc", "d1"), ("runsc-kvm", "d2")):
        generation = prefix / "handlers" / handler / digest
        generation.mkdir(parents=True)
        (generation / "runsc").symlink_to(prefix / "releases" / "r1" / "runsc")
        (generation.parent / "current").symlink_to(digest)
    folder.mkdir()
    (folder / "runsc").write_text("somebody else's")
    (state / "receipts").mkdir(parents=True)
    for number in (1, 2):
        (state / "receipts" / f"00000{number}-install.json").write_text(json.dumps({"number": number}))
    record = {"boot_id": "b", "pid": 1, "start_ticks": 2, "dump": "d\n"}
    (state / "daemon.json").write_text(json.dumps(record))
    facts = facts_here(tmp_path)
    assert facts.footprint.releases == (f"{prefix}/releases/r1", f"{prefix}/releases/r2")
    assert facts.footprint.generations == {
        f"{prefix}/handlers/runsc/d1": f"{prefix}/releases/r1",
        f"{prefix}/handlers/runsc-kvm/d2": f"{prefix}/releases/r1",
    }
    assert facts.footprint.links == {f"{prefix}/handlers/runsc/current": "d1", f"{folder}/runsc": "(no link)"}
    assert [receipt["number"] for receipt in facts.receipts] == [1, 2]
    assert facts.footprint.record == Record(Identity("b", 1, 2), "d\n")
    assert facts.machine.free_at == str(prefix)


def test_the_script_counts_the_processes_that_run_our_programs(tmp_path: Path) -> None:
    program = tmp_path / "opt" / "nodeprov" / "releases" / "r1" / "runsc"
    program.parent.mkdir(parents=True)
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    running = [LocalHost().hold(plain("sh", f"echo ready; exec {program}")) for _ in range(2)]
    try:
        assert facts_here(tmp_path).footprint.processes == {str(program): 2}
        program.unlink()
        assert facts_here(tmp_path).footprint.processes == {f"{program} (deleted)": 2}
    finally:
        for each in running:
            each.release()
    assert facts_here(tmp_path).footprint.processes == {}


def test_processes_below_a_prefix_that_is_reached_through_a_link_are_still_ours(tmp_path: Path) -> None:
    (tmp_path / "var" / "opt" / "nodeprov" / "releases" / "r1").mkdir(parents=True)
    (tmp_path / "opt").symlink_to("var/opt")
    program = tmp_path / "opt" / "nodeprov" / "releases" / "r1" / "runsc"
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    running = LocalHost().hold(plain("sh", f"echo ready; exec {program}"))
    try:
        facts = facts_here(tmp_path)
    finally:
        running.release()
    assert facts.footprint.processes == {str(program): 1}
    assert facts.machine.real_paths[f"{tmp_path}/opt/nodeprov"] == f"{tmp_path}/var/opt/nodeprov"
