from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.inventory import parse
from nodeprov.templates import render
from nodeprov_lab.base import Event
from nodeprov_lab.credentials import from_json, issue, make_secrets, to_json
from nodeprov_lab.vagrant import lab, libvirt
from nodeprov_lab.vagrant.box import box_name, stamp_of
from nodeprov_lab.vagrant.command import Narration, Reach, Vagrant, Way, parse_ssh_config
from nodeprov_lab.vagrant.requirements import HostFacts, can_virtualize, problems
from nodeprov_lab.vagrant.state import MACHINES, PREFIX, VagrantState

VAGRANTFILE = (Path(__file__).parents[3] / "Vagrantfile").read_text()

SSH_CONFIG = """\
Host master
  HostName 192.168.57.93
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile /root/.vagrant.d/insecure_private_key
  IdentitiesOnly yes
  LogLevel FATAL

Host worker1
  HostName 127.0.0.1
  User vagrant
  Port 2200
  IdentityFile "/home/some one/.vagrant.d/insecure_private_key"
"""


def test_the_vagrantfile_and_the_cluster_know_the_same_machines() -> None:
    found = re.findall(r'^ +"(\w+)" +=> \{ ip: "([\d.]+)"', VAGRANTFILE, re.MULTILINE)
    assert found == [(machine.name, machine.address) for machine in MACHINES]
    assert f'default_prefix = "{PREFIX}-"' in VAGRANTFILE


def test_ways_are_read_from_vagrants_ssh_config() -> None:
    ways = parse_ssh_config(SSH_CONFIG)
    assert ways["master"] == Way("master", "192.168.57.93", 22, "vagrant", "/root/.vagrant.d/insecure_private_key")
    assert ways["worker1"].port == 2200
    assert ways["worker1"].key == "/home/some one/.vagrant.d/insecure_private_key"


def test_an_ssh_config_without_an_address_is_refused() -> None:
    with pytest.raises(NodeprovError, match="HostName"):
        parse_ssh_config("Host master\n  User vagrant\n")


def test_what_a_machine_says_ends_what_it_said_before() -> None:
    events: list[Event] = []
    narration = Narration(events.append)
    for line in (
        "Bringing machine 'master' up with 'libvirt' provider...",
        "==> master: Starting domain.",
        "==> master:  -- Name: lab",
        "==> worker1: Starting domain.",
        "==> master: Waiting for machine to boot...",
    ):
        narration.line(line)
    narration.close(failed=True)
    assert events == [
        Event("master: Starting domain", "begun"),
        Event("worker1: Starting domain", "begun"),
        Event("master: Starting domain", "ended"),
        Event("master: Waiting for machine to boot", "begun"),
        Event("worker1: Starting domain", "failed"),
        Event("master: Waiting for machine to boot", "failed"),
    ]
    assert narration.last[0].startswith("Bringing")


@pytest.mark.parametrize(
    ("cpuinfo", "able"),
    [
        ("flags\t\t: fpu vme vmx sse", True),
        ("flags\t\t: fpu vme svm", True),
        ("flags\t\t: fpu vme sse\nvmx flags\t: vnmi", False),
        ("flags\t\t: fpu svme avx", False),
    ],
)
def test_a_processor_that_can_run_others_says_so(cpuinfo: str, *, able: bool) -> None:
    assert can_virtualize(cpuinfo) is able


def test_what_is_missing_is_named_by_its_package() -> None:
    facts = HostFacts(
        is_root=False, missing_packages=("qemu-utils", "vagrant"), has_go=True, free_bytes=1 << 40, needed_bytes=0
    )
    found = problems(facts, builds_box=True)
    assert [problem.message for problem in found] == [
        "missing packages: qemu-utils vagrant",
        "a box is built by root alone",
    ]
    assert "script/bootstrap --vagrant" in found[0].hint
    assert len(problems(facts, builds_box=False)) == 1


def test_a_box_of_another_content_has_another_name(tmp_path: Path) -> None:
    assert box_name(tmp_path / "box-1").startswith(f"{PREFIX}-")
    assert box_name(tmp_path / "box-1") != box_name(tmp_path / "box-2")


def test_programs_are_known_by_what_they_were_made_of() -> None:
    one = [Path("/cache/etcd-1/master"), Path("/cache/kubernetes-1/node")]
    assert stamp_of(one) == stamp_of([Path("/elsewhere") / path.relative_to("/cache") for path in one])
    assert stamp_of(one) != stamp_of([Path("/cache/etcd-2/master"), one[1]])


def test_a_clusters_secrets_survive_being_written_down() -> None:
    secrets = make_secrets(MACHINES[0], "10.96.0.0/16")
    read = from_json(to_json(secrets))
    assert to_json(read) == to_json(secrets)
    assert issue(read.authority, "somebody").certificate


def test_machines_that_were_never_made_a_cluster_run_and_are_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C in `lab up`, or a `vagrant up` by hand: `lab up` goes on from there."""
    monkeypatch.setattr(lab, "find_checkout", lambda: tmp_path)
    monkeypatch.setattr(libvirt, "is_running", lambda _name: True)
    half_made = lab.VagrantLab(tmp_path / "cache")
    assert [(status.running, status.ready) for status in half_made.status()] == [(True, False)] * 3


def test_a_machine_that_is_not_up_is_told_with_what_brings_it_up(tmp_path: Path) -> None:
    class Down(Vagrant):
        def attempt(self, arguments: Sequence[str], timeout_seconds: float = 0) -> Output:
            return Output(
                1, b"", b"The provider for this Vagrant-managed machine is reporting that it is not yet ready"
            )

    reach = Reach(Down(tmp_path), VagrantState(tmp_path))
    with pytest.raises(NodeprovError, match="worker1 is not up") as caught:
        reach.way("worker1")
    assert "nodeprov lab up --provider vagrant" in caught.value.hint
    with pytest.raises(NodeprovError, match="the lab is not up"):
        reach.ways()


@pytest.mark.parametrize("slow", [False, True])
def test_the_inventory_of_the_machines_is_one_that_nodeprov_reads(tmp_path: Path, slow: bool) -> None:
    """What it is made of are paths and strings, as write_inventory has them."""
    ways = parse_ssh_config(SSH_CONFIG)
    text = render(
        "lab/vagrant-inventory.toml.j2",
        ways=[ways["worker1"]],
        known_hosts=tmp_path / "known_hosts",
        release="20260905.0",
        base_url=tmp_path / "mirror",
        kubectl=tmp_path / "bin" / "kubectl",
        kubeconfig=tmp_path / "admin.conf",
        slow=slow,
    )
    (node,) = parse(text, "vagrant.toml").nodes
    assert (node.name, node.ssh.address, node.ssh.port) == ("worker1", "127.0.0.1", 2200)
    assert (node.ssh.identity_file, node.ssh.known_hosts) == (ways["worker1"].key, str(tmp_path / "known_hosts"))
    assert node.settings.release.base_url == str(tmp_path / "mirror")
