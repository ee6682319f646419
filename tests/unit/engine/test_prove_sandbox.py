"""What the proof of a sandbox leaves on a node when it is killed; a few lines of shell play ctr and runsc."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess  # noqa: TID251  a process that is killed in its middle
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from nodeprov.templates import render

KERNEL = "Linux version 4.19.0-gvisor"
Proving = Callable[[str], subprocess.Popen[str]]
"""Start a proof, with a ctr that runs this."""
SERVES = f'case "$*" in *" run "*) echo "{KERNEL}" ;; esac'
HANGS = "exec sleep 30"


@pytest.fixture(params=[name for name in ("dash", "bash") if shutil.which(name)])
def proof(request: pytest.FixtureRequest, tmp_path: Path) -> Proving:
    """Start a proof in a shell, with a ctr of some kind."""
    (tmp_path / "prefix").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    played(tmp_path / "runsc", "echo runsc version")

    def start(ctr: str) -> subprocess.Popen[str]:
        name = f"proof-{secrets.token_hex(4)}"
        played(tmp_path / name, ctr)
        script = render(
            "gvisor/prove-sandbox.sh.j2",
            id=name,
            prefix=tmp_path / "prefix",
            state=tmp_path / "state",
            ctr=tmp_path / name,
            socket="/x.sock",
            shim="/x",
            runsc=tmp_path / "runsc",
            flags={},
            timeout_seconds=2,
            cleanup_seconds=0.1,
        )
        command = [request.param, "-c", script]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    return start


def played(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "prefix").iterdir())


def is_under_way(folder: Path) -> bool:
    return bool(list(folder.glob("prefix/.proof-*/shim")))


def until(happens: Callable[[Path], bool], folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not happens(folder):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill(running: subprocess.Popen[str]) -> None:
    """Kill it, and all that it has started."""
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def test_a_proof_leaves_nothing(proof: Proving, tmp_path: Path) -> None:
    assert KERNEL in proof(SERVES).communicate(timeout=10)[0]
    assert left(tmp_path) == []


def test_a_ctr_that_hangs_ends_a_proof_whose_folder_stays_until_somebody_knows(
    proof: Proving, tmp_path: Path
) -> None:
    """Its shim may live, and needs the folder."""
    running = proof(HANGS)
    running.communicate(timeout=15)
    assert running.returncode != 0
    assert len(left(tmp_path)) == 1
    sweep(tmp_path, HANGS)
    assert len(left(tmp_path)) == 1
    sweep(tmp_path, SERVES)
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("by", ["a proof", "a sweep"])
def test_what_a_killed_proof_has_left_goes_with_its_sandbox(proof: Proving, tmp_path: Path, by: str) -> None:
    running = proof(HANGS)
    until(is_under_way, tmp_path)
    kill(running)
    [folder] = left(tmp_path)
    called = f'echo "$*" >> {tmp_path}/calls; {SERVES}'
    if by == "a proof":
        proof(called).communicate(timeout=10)
        assert left(tmp_path) == []
    else:
        sweep(tmp_path, called)
        assert not (tmp_path / "prefix").exists()
    name = folder.removeprefix(".proof-")
    calls = (tmp_path / "calls").read_text()
    assert f"-a /x.sock -n nodeprov tasks kill -s 9 {name}" in calls
    assert f"-n nodeprov containers delete {name}" in calls


def test_a_folder_stays_for_as_long_as_containerd_has_its_container(proof: Proving, tmp_path: Path) -> None:
    running = proof(HANGS)
    until(is_under_way, tmp_path)
    kill(running)
    [folder] = left(tmp_path)
    sweep(tmp_path, f'case "$*" in *"containers ls"*) echo {folder.removeprefix(".proof-")} ;; esac')
    assert left(tmp_path) == [folder]


def test_nobody_takes_the_folder_of_a_proof_that_goes_on(proof: Proving, tmp_path: Path) -> None:
    """As when `verify` proves a node while somebody installs on it."""
    running = proof(HANGS)
    until(is_under_way, tmp_path)
    its = left(tmp_path)
    assert KERNEL in proof(SERVES).communicate(timeout=10)[0]
    sweep(tmp_path, SERVES)
    assert left(tmp_path) == its
    kill(running)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_nobody_else_can_hold_what_a_proof_waits_for(proof: Proving, tmp_path: Path) -> None:
    for each in (tmp_path, *tmp_path.parents):
        if each.is_relative_to("/tmp"):
            each.chmod(each.stat().st_mode | 0o055)
    places = f"{tmp_path}/prefix {tmp_path}/state {tmp_path}/prefix/.proof-*"
    script = f"for each in {places}; do flock $each sleep 20 2>/dev/null & done; wait"
    running = proof(HANGS)
    until(is_under_way, tmp_path)
    time.sleep(0.2)
    with subprocess.Popen(
        ["sh", "-c", script], user=65534, start_new_session=True, stderr=subprocess.DEVNULL
    ) as his:
        time.sleep(0.3)
        kill(running)
        assert KERNEL in proof(SERVES).communicate(timeout=10)[0]
        assert left(tmp_path) == []
        os.killpg(his.pid, signal.SIGKILL)


def sweep(folder: Path, ctr: str) -> None:
    played(folder / "ctr", ctr)
    values = {"ctr": folder / "ctr", "socket": "/x.sock", "cleanup_seconds": 0.1, "state": folder / "state"}
    script = render("node/sweep.sh.j2", folders=[], prefixes=[folder / "prefix"], brought=False, **values)
    run_checked(["sh", "-c", script], "sweep")
