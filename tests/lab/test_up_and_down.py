"""The lab itself: reached as it says, up twice is one, and down leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess  # noqa: TID251  one that runs on beside the test
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov_lab.nspawn.cgroups import find_cgroups
from nodeprov_lab.nspawn.lab import STATE as LAB_STATE
from tests.lab.conftest import prepare
from tests.lab.machines import OTHER, STATE, WORKER, Kubectl, Machine


def lab(*arguments: str, stdin: bytes = b"") -> Output:
    return run_program([sys.executable, "-m", "nodeprov", "lab", *arguments], stdin=stdin, timeout_seconds=600)


@pytest.mark.parametrize(
    "argument", ["", "two words", "it's", 'a "b"', "$HOME `id` \\", "line\nbreak", "*", "-x;y|z&"]
)
def test_the_arguments_of_a_command_arrive_as_they_were_given(kubectl: Kubectl, argument: str) -> None:
    output = lab("ssh", WORKER, "--", "printf", "%s|", "first", argument, "last")
    assert output.stdout == f"first|{argument}|last|".encode()


def test_an_exit_status_comes_back(kubectl: Kubectl) -> None:
    assert lab("ssh", WORKER, "--", "sh", "-c", "exit 7").returncode == 7
    assert lab("kubectl", "--", "get", "node", "nobody").returncode == 1


def test_pods_on_two_nodes_reach_each_other(worker: Machine, other: Machine, kubectl: Kubectl) -> None:
    kubectl.pod(
        "server", WORKER, sandboxed=False, command="mkdir /w && echo hello > /w/index.html && httpd -f -h /w"
    )
    address = kubectl.json("get", "pod", "server")["status"]["podIP"]
    kubectl.pod("client", OTHER, sandboxed=False)
    assert kubectl("exec", "client", "--", "wget", "-q", "-O", "-", f"http://{address}/") == "hello\n"


def test_the_mirror_answers_as_upstream_does(worker: Machine) -> None:
    import requests

    base = "http://10.123.0.1:8080/gvisor/releases/release"
    absent = requests.get(f"{base}/20260905.0/x86_64/runsc", timeout=10)
    assert (absent.status_code, absent.content[:5]) == (404, b"<?xml")
    part = requests.get(f"{base}/20260518.0/x86_64/runsc", headers={"Range": "bytes=0-3"}, timeout=10)
    assert (part.status_code, part.content) == (206, b"\x7fELF")


MIRROR = "nodeprov_lab.mirror"


def traces() -> list[str]:
    """What a lab could leave on this machine: mounts, namespaces, interfaces, cgroups, processes."""
    mounts = {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}
    found = sorted(mounts - {str(Path(STATE).parent)})  # mounted in a world of its own
    found += [f"netns {each.name}" for each in Path("/run/netns").glob("*")] if Path("/run/netns").exists() else []
    found += [f"interface {each.name}" for each in Path("/sys/class/net").iterdir()]
    found += [f"cgroup {each}" for each in Path("/sys/fs/cgroup").glob("*/*") if each.is_dir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        program = line.partition(" ")[0]  # scripts of other tests have such words in their text
        if any(word in program for word in ("systemd-nspawn", "kubelet", "/opt/nodeprov")) or MIRROR in line:
            found.append(f"nplab process {line}")
    return sorted(each for each in found if "nplab" in each or "nodeprov" in each)


ISOLATED = [sys.executable, "-m", "nodeprov_lab.isolated"]


def test_a_lab_may_be_up_beside_another_one(kubectl: Kubectl) -> None:
    before = kubectl.json("get", "node", WORKER)["metadata"]["uid"]
    script = f"""
    set -eu
    lab() {{ "{sys.executable}" -m nodeprov lab "$@"; }}
    lab up --workers 1
    lab kubectl -- get node {WORKER} -o "jsonpath=uid {{.metadata.uid}}"
    exit 7
    """
    beside = run_program([*ISOLATED, "sh", "-c", script], timeout_seconds=300)
    assert beside.returncode == 7, beside.said
    found = beside.stdout.decode().partition("uid ")[2]
    assert found not in ("", before)
    assert kubectl.json("get", "node", WORKER)["metadata"]["uid"] == before
    assert lab("status").returncode == 0
    assert [name for name in traces() if "nodeprov-lab-" in name] == []


def test_what_a_killed_one_has_left_goes_with_the_next_one() -> None:
    """Without waiting for one that still runs: that one keeps all it has."""
    with isolated() as alive, isolated() as killed:
        killed.process.kill()
        killed.process.wait()
        assert killed.folder.is_dir()
        after = run_program([*ISOLATED, "true"], timeout_seconds=60)
        assert after.returncode == 0, after.said
        assert not killed.folder.exists()
        assert [*find_cgroups(killed.folder.name)] == []
        assert alive.folder.is_dir()
        assert alive.process.poll() is None
        assert find_cgroups(alive.folder.name)


@dataclass(frozen=True)
class Isolated:
    process: subprocess.Popen[bytes]
    folder: Path


@contextmanager
def isolated() -> Iterator[Isolated]:
    """Run one until this ends, by the end of its input; its cgroups have the name of its folder."""
    state = LAB_STATE.path.parent
    # The last one: where these tests run in such a place themselves, theirs is there too.
    found = f"awk '$5 == \"{state}\" {{ found = $4 }} END {{ print found }}' /proc/self/mountinfo"
    script = f"{found}; exec cat > /dev/null"
    argv = [*ISOLATED, "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        name = Path(process.stdout.readline().decode().strip()).name
        yield Isolated(process, Path("/var/tmp", name))


@pytest.fixture
def only_lab(pristine_configs: dict[str, bytes]) -> Iterator[None]:
    """The lab, which may be down meanwhile."""
    yield
    assert lab("up").returncode == 0
    prepare()


def test_down_leaves_nothing_and_up_twice_is_one(only_lab: None) -> None:
    assert lab("down").returncode == 0
    assert traces() == []
    assert lab("up").returncode == 0
    machine = Machine(WORKER)
    started = machine.run("stat -c %Y /proc/1")
    assert lab("up").returncode == 0
    assert machine.run("stat -c %Y /proc/1") == started
    machine.host.close()


def test_down_leaves_nothing_after_an_unclean_end(only_lab: None) -> None:
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if line.startswith(b"systemd-nspawn") and b"nplab" in line:
            os.kill(int(process.name), signal.SIGKILL)
            killed += 1
    assert killed == 3
    assert lab("down").returncode == 0
    assert traces() == []
