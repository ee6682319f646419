"""Nodes whose /usr cannot be written: Flatcar's, bootc's and their like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import CONFIG, WORKER, Machine
from tests.lab.running import installed, nodeprov, variant

FLATCAR = "mount --bind /usr /usr && mount -o remount,bind,ro /usr"
# The containerd that was started there would run from a place that has no name any more.
NO_FLATCAR = "umount -l /usr && systemctl restart containerd"

# ostree has /usr read-only too, and /opt leads into /var. (Its root is read-only besides; the lab's is in use.)
BOOTC = f"{FLATCAR} && mkdir -p /var/opt && mv /opt /opt.away && ln -s var/opt /opt"
NO_BOOTC = f"{NO_FLATCAR}; rm -f /opt; mv /opt.away /opt; rm -rf /var/opt/nodeprov"


@pytest.fixture(params=[(FLATCAR, NO_FLATCAR), (BOOTC, NO_BOOTC)], ids=["flatcar", "bootc"])
def read_only(request: pytest.FixtureRequest, worker: Machine) -> Iterator[Machine]:
    """A node on which /usr/local/bin cannot be written."""
    make, undo = request.param
    worker.run(make)
    assert worker.try_run("touch /usr/local/bin/probe").returncode != 0
    yield worker
    worker.try_run(undo)


@pytest.mark.rotates(2)
def test_what_to_set_is_said_and_then_all_goes_its_way(read_only: Machine, tmp_path: Path) -> None:
    before = read_only.run(f"sha256sum {CONFIG}; ls -d /opt/*nodeprov* || true")
    refused = nodeprov("plan", WORKER)
    assert refused.returncode == 1
    assert "/usr/local/bin is on " in refused.stderr
    assert "mounted ro: nothing there can be written" in refused.stderr
    assert (
        'hint: set [paths] bin to a folder that can be written, or to "" for no link: no pod needs it'
        in refused.stderr
    )
    examined = nodeprov("doctor", WORKER)
    assert examined.returncode == 1
    assert "/usr/local/bin is on " in examined.stdout

    inventory = variant(tmp_path, paths__bin='""')
    installed(WORKER, inventory=inventory)
    assert nodeprov("plan", WORKER, inventory=inventory).returncode == 0
    verified = nodeprov("verify", WORKER, "--quiet", inventory=inventory)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    gone = nodeprov("uninstall", WORKER, "--yes", inventory=inventory)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert read_only.run(f"sha256sum {CONFIG}; ls -d /opt/*nodeprov* || true") == before
