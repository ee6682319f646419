"""containerd is started apart from the node before its restart: what others have left for it is seen in time."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from nodeprov.node.daemon import Daemon
from nodeprov.node.dry_start import DryStart, DryStartQuery, as_it_is
from nodeprov.node.facts import gather
from nodeprov.node.layout import Layout
from tests.lab.machines import CONFIG, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov
from tests.lab.swapping import config_files, swapped
from tests.support.matrix import ROWS, Row
from tests.support.samples import settings
from tests.support.sampling import by_turns

pytestmark = by_turns

NEXT = "the next restart of containerd.service fails, with or without nodeprov: "
IMAGES = "plugins.'io.containerd.cri.v1.images'"
FAULTS = {
    "two ways of mirrors": (
        "/images'.registry\\]/,/config_path/s|config_path = ''|config_path = '/etc/containerd/certs.d'\\n"
        f"[{IMAGES}.registry.mirrors.'docker.io']\\nendpoint = ['https://mirror.example']|",
        "`mirrors` cannot be set when `config_path` is provided",
    ),
    "a plugin that is required and not there": (
        "s|^required_plugins = .*|required_plugins = ['io.containerd.nosuch.v1.x']|",
        "io.containerd.nosuch.v1.x",
    ),
    "no duration": ("s|stream_idle_timeout = .*|stream_idle_timeout = 'soon'|", "soon"),
    "another snapshotter": (
        "s|snapshotter = 'overlayfs'|snapshotter = 'native'|",
        "",
    ),
}
"""Edits of the configuration, and what containerd says of each when it starts; "" where it starts with it."""


def daemon_of(machine: Machine) -> Daemon:
    chosen = settings()
    return gather(machine.host, chosen, Layout.of(chosen, "runsc")).running_daemon


@pytest.fixture(params=FAULTS)
def edited(request: pytest.FixtureRequest, worker: Machine) -> Iterator[tuple[Machine, str]]:
    """A node that serves, and whose configuration somebody has edited and not restarted for."""
    edit, said = FAULTS[request.param]
    before = worker.config()
    worker.host.sh(f"sed -i -f - {CONFIG}", stdin=edit.encode())
    assert worker.config() != before
    assert worker.try_run(f"containerd -c {CONFIG} config dump >/dev/null").returncode == 0 or said
    yield worker, said
    worker.serves()


class TestAnEdit:
    @pytest.mark.trouble(
        "config.toml was edited and containerd not restarted: `config dump` accepts it, the CRI plugin does not",
        "refused by doctor, plan and install, in containerd's words; nothing is touched",
    )
    def test_one_with_which_containerd_does_not_start_is_refused_before_the_first_write(
        self, edited: tuple[Machine, str]
    ) -> None:
        worker, said = edited
        before = worker.listing(), worker.pid()
        for command in (["doctor"], ["plan"], ["install", "--yes"]):
            ended = nodeprov(*command[:1], WORKER, *command[1:], "--json")
            if not said:
                assert NEXT not in ended.stdout, ended.stdout
                return
            assert ended.returncode == 1, (command, ended.stdout)
            assert NEXT in ended.stdout, (command, ended.stdout)
            assert said in ended.stdout, (command, ended.stdout)
        assert (worker.listing(), worker.pid()) == before

    @pytest.mark.trouble(
        "config.toml was edited and containerd not restarted, and it starts with that",
        "named in the plan; install and uninstall are done",
    )
    def test_one_with_which_it_starts_is_named_and_comes_into_force(self, worker: Machine) -> None:
        worker.run(f"sed -i 's|max_concurrent_downloads = 3|max_concurrent_downloads = 4|' {CONFIG}")
        planned = nodeprov("plan", WORKER)
        assert planned.returncode == 3, planned.stderr
        assert "was changed after containerd started" in planned.stdout
        installed(WORKER)
        gone = nodeprov("uninstall", WORKER, "--yes")
        assert gone.returncode == 0, gone.stderr


@pytest.fixture
def upgraded(worker: Machine) -> Iterator[Machine]:
    """A node on whose disk lies another containerd than the one that runs."""
    worker.run(
        "mkdir -p /srv/upgraded && cp /usr/local/bin/containerd /srv/upgraded/real\n"
        "cat > /srv/upgraded/containerd <<'END'\n#!/bin/sh\n"
        '[ "$1" != --version ] || { echo containerd github.com/containerd/containerd/v2 v2.4.9 0; exit; }\n'
        'exec /srv/upgraded/real "$@"\nEND\n'
        "chmod +x /srv/upgraded/containerd && mount --bind /srv/upgraded/containerd /usr/local/bin/containerd"
    )
    yield worker
    worker.run("umount /usr/local/bin/containerd && rm -rf /srv/upgraded && systemctl restart containerd")


@pytest.mark.trouble(
    "containerd was upgraded on disk and not restarted", "refused unless --activate-pending says that it is wanted"
)
def test_another_containerd_on_disk_must_be_wanted(upgraded: Machine) -> None:
    before = upgraded.listing(), upgraded.pid()
    said = "also brings into force what others have changed: containerd 2.4.9 on disk, 2.4.2 is running"
    for command in (["doctor"], ["plan"], ["install", "--yes"]):
        ended = nodeprov(*command[:1], WORKER, *command[1:], "--json")
        assert (ended.returncode, said in ended.stdout) == (1, True), ended.stdout
        assert "--activate-pending" in ended.stdout
    assert (upgraded.listing(), upgraded.pid()) == before
    planned = nodeprov("plan", WORKER, "--activate-pending")
    assert planned.returncode == 3, planned.stderr
    assert "containerd 2.4.9 on disk, 2.4.2 is running" in planned.stdout


@pytest.mark.rotates(4)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_containerd_can_be_started_apart(row: Row, worker: Machine, kubectl: Kubectl) -> None:
    files = config_files(row.file, row.daemon, worker.config().decode())
    with swapped(worker, row.daemon, files):
        seen = worker.run("cat /proc/self/mounts; ctr plugins ls"), worker.pid()
        assert as_it_is(worker.host, daemon_of(worker)) == DryStart("")
        assert (worker.run("cat /proc/self/mounts; ctr plugins ls"), worker.pid()) == seen
    kubectl("wait", "--for=condition=Ready", f"node/{WORKER}", "--timeout=60s")


LEFT = """
pgrep -af '/tmp/c[.]sock'
cat /proc/self/mounts
ls -A /tmp /etc/containerd /run/containerd
ss -xl 2>/dev/null | grep -c tmp/c.sock
true
"""


@pytest.mark.trouble(
    "a dry start is killed at any moment", "no process, mount, socket or file is left, and containerd serves"
)
@pytest.mark.parametrize("what", ["sh", "unshare", "timeout"])
def test_killed_at_any_moment_it_leaves_nothing(worker: Machine, what: str) -> None:
    script = DryStartQuery.of(daemon_of(worker)).script
    before = worker.run(LEFT)
    worker.host.sh("cat > /root/dry-start.sh", stdin=script.encode())
    for _ in range(8):
        seconds = random.uniform(0.0, 0.6)
        worker.run(
            "setsid sh /root/dry-start.sh < /dev/null > /dev/null 2>&1 & first=$!\n"
            f"sleep {seconds:.3f}\n"
            "for pid in $first $(pgrep -P $first); do\n"
            f'[ "$(cat /proc/$pid/comm)" != {what} ] || kill -9 $pid\n'
            "done\n"
        )
    with eventually(30) as more:
        while (left := worker.run(LEFT)) != before:
            assert more(), left
    worker.run("rm /root/dry-start.sh")
    worker.serves()
