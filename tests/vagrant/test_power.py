"""Power cuts: qemu is killed in the middle, and the guest booted again."""

from __future__ import annotations

import subprocess  # noqa: TID251  a process whose node loses its power in its middle
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sampling import some
from tests.vagrant.guests import CONFIG, CURRENT, INVENTORY, NEW, OLD, Guest, Kubectl, chapter, done, on_lab, until

Moment = tuple[str, float]
"""What a run says that it begins, and how many seconds later the power goes."""

# The third and fourth are in the middle of what the node does by itself.
INSTALL: tuple[Moment, ...] = (
    ("release /opt", 3),
    ("runsc/current", 0),
    ("file /etc/containerd", 0),
    ("file /etc/containerd", 8),
    ("file /etc/containerd", 20),
)
UNINSTALL: tuple[Moment, ...] = (("file /etc/containerd", 0), ("file /etc/containerd", 10))
# To another release and back: what is in force is one rename, and containerd is not restarted.
UPGRADE: tuple[tuple[str, Moment], ...] = tuple(
    (to, moment) for to in (NEW, OLD) for moment in (("release /opt", 3), ("runsc/current", 0))
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cut at every moment with --profile=full, else at one of each kind, which the day chooses."""
    for name, moments in (("in_install", INSTALL), ("in_upgrade", UPGRADE), ("in_uninstall", UNINSTALL)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, some(metafunc.config, moments), ids=str)


@pytest.fixture(scope="module")
def careless(other: Guest, kubectl: Kubectl) -> Iterator[Guest]:
    """A guest that keeps in its memory what is written until somebody asks for more; it shows that it does."""
    make_careless(other)
    loses_what_was_not_synced_and_nothing_else(other)
    until(lambda: other.serves() and kubectl.is_ready(other.name))  # sshd is up long before; an install needs all
    yield other
    other.run("mount -o remount,commit=5,auto_da_alloc /")


def make_careless(guest: Guest) -> None:
    """Have the guest write nothing back by itself: what is not synced is lost with the power."""
    guest.run(
        "sysctl -qw vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000 vm.dirty_ratio=80 "
        "vm.dirty_background_ratio=70; mount -o remount,commit=3600,noauto_da_alloc /"
    )


def loses_what_was_not_synced_and_nothing_else(guest: Guest) -> None:
    guest.run(
        "mkdir -p /var/rig && sync && echo kept > /var/rig/synced && sync /var/rig/synced /var/rig "
        "&& echo lost > /var/rig/careless"
    )
    assert guest.run("cat /var/rig/*") == "lost\nkept\n"
    guest.pull_the_plug()
    guest.power_on()
    make_careless(guest)
    assert guest.run("cat /var/rig/synced") == "kept\n"
    assert guest.run("cat /var/rig/careless 2>/dev/null || true") == ""
    guest.run("rm -r /var/rig")


def cut_at(guest: Guest, command: str, moment: Moment, inventory: Path = INVENTORY) -> None:
    """Cut the power when a command says that something begins; fail, with all it said, if it never does."""
    words, seconds = moment
    argv = [sys.executable, "-u", "-m", "nodeprov", command, guest.name, "--yes", "--inventory", str(inventory)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if words in line:
                time.sleep(seconds)
                guest.pull_the_plug()
                process.kill()  # it would wait for the node, for minutes
                return
    pytest.fail(f"{command} never said {words!r}, and ended with {process.returncode}:\n{''.join(said)}")


def is_whole(guest: Guest) -> None:
    """See that nothing on the node is half there: every link leads somewhere, and containerd serves."""
    until(guest.serves)
    broken = guest.run("find /opt/nodeprov /usr/local/bin -xtype l 2>/dev/null || true")
    assert not broken, broken


def released(guest: Guest) -> set[str]:
    """The files of the releases that are there under their names, each with its sum."""
    folder = "/opt/nodeprov/releases"
    files = f"find {folder} -mindepth 2 -type f -not -path '{folder}/.*'"
    return {*guest.run(f"[ ! -d {folder} ] || {files} -exec sha256sum {{}} +").splitlines()}


def current(guest: Guest) -> str:
    """What is in force."""
    return guest.run(f"readlink {CURRENT}")


@chapter
def test_a_power_cut_in_an_install_harms_nothing(careless: Guest, kubectl: Kubectl, in_install: Moment) -> None:
    done(on_lab("uninstall", careless.name, "--yes"))
    make_careless(careless)
    before = careless.run(f"cat {CONFIG}")
    cut_at(careless, "install", in_install)
    careless.power_on()
    make_careless(careless)
    is_whole(careless)
    now, there = careless.run(f"cat {CONFIG}"), released(careless)
    until(lambda: kubectl.is_ready(careless.name))
    done(on_lab("install", careless.name, "--yes"))
    assert "nothing to do" in done(on_lab("install", careless.name, "--yes"))
    assert now in (before, careless.run(f"cat {CONFIG}"))
    assert there <= released(careless)
    assert careless.run(f"{CURRENT}/runsc --version")


@chapter
def test_a_power_cut_in_an_upgrade_harms_nothing(
    careless: Guest, kubectl: Kubectl, older: Path, in_upgrade: tuple[str, Moment]
) -> None:
    to, moment = in_upgrade
    first, then = (older, INVENTORY) if to == NEW else (INVENTORY, older)
    done(on_lab("uninstall", careless.name, "--yes"))  # else the other release is there already
    done(on_lab("install", careless.name, "--yes", inventory=first))
    make_careless(careless)
    config, before, had = careless.run(f"cat {CONFIG}"), current(careless), released(careless)
    cut_at(careless, "install", moment, then)
    careless.power_on()
    make_careless(careless)
    is_whole(careless)
    now, there = current(careless), released(careless)
    assert careless.run(f"cat {CONFIG}") == config
    until(lambda: kubectl.is_ready(careless.name))
    done(on_lab("install", careless.name, "--yes", inventory=then))
    assert "nothing to do" in done(on_lab("install", careless.name, "--yes", inventory=then))
    assert to in careless.run(f"{CURRENT}/runsc --version")
    assert now in (before, current(careless))
    assert there <= had | released(careless)
    assert careless.run(f"cat {CONFIG}") == config


@chapter
def test_a_power_cut_in_an_uninstall_harms_nothing(
    careless: Guest, kubectl: Kubectl, in_uninstall: Moment
) -> None:
    done(on_lab("uninstall", careless.name, "--yes"))
    before = careless.run(f"cat {CONFIG}")
    done(on_lab("install", careless.name, "--yes"))
    installed = careless.run(f"cat {CONFIG}")
    make_careless(careless)
    cut_at(careless, "uninstall", in_uninstall)
    careless.power_on()
    is_whole(careless)
    assert careless.run(f"cat {CONFIG}") in (before, installed)
    until(lambda: kubectl.is_ready(careless.name))
    done(on_lab("uninstall", careless.name, "--yes"))
    assert careless.run(f"cat {CONFIG}") == before
    assert "nodeprov" not in careless.run("ls -A /opt; ls -l /usr/local/bin")
