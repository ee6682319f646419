"""An examination of real nodes: a good one is sound, and what is broken is found, with nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.machines import CONFIG, WORKER, Machine
from tests.lab.replicas import SECOND_CONTAINERD
from tests.lab.running import nodeprov

BREAK = (
    SECOND_CONTAINERD
    + f"""
folder=/etc/systemd/system/containerd.service.d
mkdir -p $folder
printf '[Service]\\nEnvironment=HTTPS_PROXY=http://me:secret@proxy.example:3128\\n' > $folder/proxy.conf
systemctl daemon-reload && systemctl restart containerd
printf '[Service]\\nKillMode=mixed\\nDelegate=no\\n' > $folder/odd.conf
systemctl daemon-reload
sed -i 's|^imports = .*|imports = ["/etc/containerd/conf.d/missing.toml"]|' {CONFIG}
sed -i.before 's/^cgroupDriver: .*/cgroupDriver: systemd/' /var/lib/kubelet/config.yaml
mkdir -p /opt/nodeprov/handlers/runsc/current
printf '[runsc_config]\\nsystemd-cgroup = "true"\\n' > /opt/nodeprov/handlers/runsc/current/runsc.toml
mount -t tmpfs -o noexec,mode=0755,size=10m tmpfs /srv
"""
)
MEND = """
umount /srv
mv /var/lib/kubelet/config.yaml.before /var/lib/kubelet/config.yaml
rm -rf /etc/systemd/system/containerd.service.d
systemctl stop second-containerd
systemctl daemon-reload
"""


@pytest.fixture
def broken(worker: Machine) -> Iterator[Machine]:
    """A node on which many things are wrong at once."""
    worker.run(BREAK)
    yield worker
    worker.try_run(MEND)


def test_a_good_node_is_sound(worker: Machine) -> None:
    before = worker.listing()
    ended = nodeprov("doctor", WORKER)
    assert ended.returncode == 0, ended.stdout
    assert "nothing blocks an install" in ended.stdout
    assert worker.listing() == before


AGAINST = (
    "containerd.service has KillMode=mixed",
    f"{CONFIG} imports /etc/containerd/conf.d/missing.toml, which does not exist",
    "/srv/nodeprov is on /srv, mounted noexec",
    "[runtime] platform is kvm, and there is no /dev/kvm",
)
ADVICE = (
    "/srv has 10 MiB free",
    "containerd.service has no Delegate=yes",
    "containerd goes through http://proxy.example:3128 for everything",
    "more than one containerd runs",
    "kubelet is configured to manage cgroups by systemd, containerd's default runtime by cgroupfs",
)


def test_everything_that_is_wrong_is_found_at_once_and_nothing_is_changed(broken: Machine) -> None:
    before = broken.listing(), broken.pid()
    sets = ("--set", "paths.prefix=/srv/nodeprov", "--set", "runtime.platform=kvm")
    ended = nodeprov("doctor", WORKER, "--json", *sets)
    assert ended.returncode == 1
    findings = json.loads(ended.stdout)["findings"]
    for severity, expected in (("against", AGAINST), ("advice", ADVICE)):
        said = [each["what"] for each in findings if each["severity"] == severity]
        for each in expected:
            assert any(each in what for what in said), f"{each}: {said}"
    assert all(each["why"] and each["remedy"] for each in findings)
    assert "secret" not in ended.stdout
    shown = nodeprov("doctor", WORKER)
    assert "runsc.toml has systemd-cgroup" in shown.stdout
    assert (broken.listing(), broken.pid()) == before
