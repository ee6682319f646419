"""The virtual machines as a test uses them: commands in them, kubectl, nodeprov, and their power cords."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import parse
from nodeprov_lab.images import BUSYBOX_IMAGE
from nodeprov_lab.vagrant.libvirt import domain_of, virsh

CHECKOUT = Path(__file__).parents[2]
INVENTORY = CHECKOUT / "inventory" / "vagrant.toml"
CONFIG = "/etc/containerd/config.toml"
CURRENT = "/opt/nodeprov/handlers/runsc/current"
OLD, NEW = "20260518.0", "20260905.0"
PROVIDER = ("--provider", "vagrant")
CHAPTERS = 9
"""Of the story and of power cuts there are eight; nine is prime to how many moments the cuts have: all come up."""
chapter = pytest.mark.rotates(CHAPTERS, "chapters in virtual machines")
PATIENCE_SECONDS = 600.0
_BUILD_SECONDS = 3600.0


def why_not() -> str:
    """Say why this machine cannot have guests; "" when it can."""
    if os.geteuid() != 0:
        return "the virtual machines' box is built by root alone"
    missing = [name for name in ("vagrant", "qemu-system-x86_64", "virsh") if shutil.which(name) is None]
    return f"not installed, and script/bootstrap --vagrant could not: {', '.join(missing)}" if missing else ""


def nodeprov(*arguments: str) -> Output:
    """Run nodeprov as a user would, and never see a traceback."""
    output = run_program([sys.executable, "-m", "nodeprov", *arguments], timeout_seconds=_BUILD_SECONDS)
    assert b"Traceback" not in output.stderr, output.said
    return output


def on_lab(command: str, *arguments: str, inventory: Path = INVENTORY) -> Output:
    """Run a command of nodeprov's that reads an inventory."""
    return nodeprov(command, *arguments, "--inventory", str(inventory))


def done(output: Output) -> str:
    """See that a command succeeded; return what it printed."""
    assert output.returncode == 0, output.text + output.stderr.decode()
    return output.text


def until(holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds; what cannot be asked does not hold."""
    deadline = time.monotonic() + seconds
    while not _safely(holds):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(1)


def _safely(holds: Callable[[], object]) -> object:
    try:
        return holds()
    except (NodeprovError, AssertionError, ValueError):
        return False


class Guest:
    """One virtual machine."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def host(self) -> SshHost:
        """The way to it."""
        nodes = {node.name: node for node in parse(INVENTORY.read_text(), str(INVENTORY)).nodes}
        return SshHost(self.name, nodes[self.name].ssh)

    def try_run(self, script: str) -> Output:
        """Run a script as root, whatever its status."""
        return self.host.sh(script, timeout_seconds=PATIENCE_SECONDS)

    def run(self, script: str) -> str:
        """Run a script as root that must succeed; return what it printed."""
        output = self.try_run(script)
        assert output.returncode == 0, f"{self.name}: {script}: {output.said}"
        return output.text

    def listing(self) -> str:
        """Describe all that nodeprov may touch, but its own history."""
        return self.run(
            f"sha256sum {CONFIG}; stat -c '%n %a %u %g' {CONFIG}; ls -A /etc/containerd; "
            "find /opt /usr/local/bin -exec stat -c '%n %F %a %N' {} + | sort"
        )

    def containerd(self) -> str:
        """Return the process id of containerd."""
        return self.run("systemctl show containerd -p MainPID --value").strip()

    def boot_id(self) -> str:
        """Name this boot."""
        return self.run("cat /proc/sys/kernel/random/boot_id").strip()

    def serves(self) -> bool:
        """Say whether containerd's CRI plugin is well and kubelet runs."""
        said = self.try_run("ctr plugins ls | grep '\\.cri' && systemctl is-active kubelet")
        rows = said.text.split()
        return said.returncode == 0 and rows.count("ok") >= 1 and rows[-1] == "active"

    def qemu(self) -> int:
        """Find the process that is this machine."""
        name = f"guest={domain_of(self.name)},"
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and name in _arguments(folder):
                return int(folder.name)
        raise AssertionError(f"{self.name} does not run")

    def pull_the_plug(self) -> None:
        """Cut the power: what was not on the disk is lost."""
        os.kill(self.qemu(), signal.SIGKILL)
        until(lambda: virsh("domstate", domain_of(self.name)).strip() == "shut off", 60)
        self.forget()

    def power_on(self) -> None:
        """Boot it, and wait until it can be logged in to."""
        virsh("start", domain_of(self.name))
        until(lambda: self.reached())

    def reboot(self) -> None:
        """Boot it anew in good order."""
        before = self.boot_id()
        self.host.execute("systemctl reboot", b"", 60)
        self.forget()
        until(lambda: self.reached() and self.boot_id() != before)

    def reached(self) -> bool:
        """Say whether a command can be run there; a connection that died is made anew."""
        try:
            return self.host.sh("true", timeout_seconds=60).returncode == 0
        except NodeprovError:
            self.forget()
            return False

    def forget(self) -> None:
        """Let go of a connection that leads nowhere by now."""
        if "host" in self.__dict__:
            self.host.close()
            del self.__dict__["host"]


def _arguments(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


class Kubectl:
    """kubectl on this machine, where it is quicker than in a guest."""

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        return done(self.attempt(*arguments, stdin=stdin))

    def attempt(self, *arguments: str, stdin: str = "") -> Output:
        """Run kubectl, whatever its status."""
        cluster = parse(INVENTORY.read_text(), str(INVENTORY)).nodes[0].settings.cluster
        argv = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", *arguments]
        return run_program(argv, stdin=stdin.encode(), timeout_seconds=PATIENCE_SECONDS)

    def json(self, *arguments: str) -> Any:
        """Return what kubectl prints as plain values."""
        return json.loads(self(*arguments, "-o", "json"))

    def pod(self, name: str, node: str, *, sandboxed: bool) -> None:
        """Make a pod on a node and wait until it is Ready."""
        container = {
            "name": "main",
            "image": BUSYBOX_IMAGE,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", "sleep 100000"],
            "resources": {"requests": {"memory": "16Mi", "cpu": "10m"}, "limits": {"memory": "64Mi"}},
        }
        value = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [container],
                **({"runtimeClassName": "gvisor"} if sandboxed else {}),
            },
        }
        self("apply", "-f", "-", stdin=json.dumps(value))
        self("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={PATIENCE_SECONDS:.0f}s")

    def container(self, name: str) -> tuple[str, int]:
        """Return the id of a pod's only container, and how often it was restarted."""
        status = self.json("get", "pod", name)["status"]["containerStatuses"][0]
        return status["containerID"], status["restartCount"]

    def is_ready(self, node: str) -> bool:
        """Say whether a node is Ready."""
        conditions = self.json("get", "node", node)["status"]["conditions"]
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
