"""The lab's machines as a test uses them: commands on nodes, kubectl, and a way back to how they were."""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nodeprov.hosts.base import Output
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Ssh
from nodeprov.local_files import cache_folder

WORKERS = WORKER, OTHER = ("worker1", "worker2")
CLASS = "gvisor"
LABEL = "nodeprov.node-restriction.kubernetes.io/" + CLASS
NAMESPACE = "default"

STATE = "/var/lib/nodeprov-lab/nspawn"
ADDRESSES = {"master": "10.123.0.10", **{f"worker{number}": f"10.123.0.{10 + number}" for number in range(1, 25)}}
CHECKOUT = Path(__file__).parents[2]
ADMIN, LEAST = "/etc/kubernetes/admin.conf", "/root/nodeprov.conf"
"""Kubeconfigs on the master: the tests' own, and nodeprov's, which has the role that `nodeprov rbac` prints."""
OLD, NEW = "20260518.0", "20260905.0"
IMAGE = "docker.io/library/busybox:lab"
CONFIG = "/etc/containerd/config.toml"
CURRENT = "/opt/nodeprov/handlers/runsc/current"


def released(version: str) -> Path:
    """Find the folder of a release as the lab's mirror serves it, which is the one that was made last."""
    mirrors = (cache_folder() / "lab").glob("mirror-*/gvisor/releases/release")
    return max(mirrors, key=lambda folder: folder.stat().st_mtime) / version / platform.machine()


def lab_host(name: str) -> SshHost:
    """Connect to a machine of the lab as root."""
    return SshHost(
        name,
        Ssh(
            address=ADDRESSES[name],
            user="root",
            identity_file=f"{STATE}/id_ed25519",
            known_hosts=f"{STATE}/known_hosts",
        ),
    )


UNIT_FOLDER = "/etc/systemd/system/containerd.service.d"


class Machine:
    """One machine of the lab."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.host = lab_host(name)

    def try_run(self, script: str, timeout_seconds: float = 120) -> Output:
        """Run a script as root, whatever its status."""
        return self.host.sh(script, timeout_seconds=timeout_seconds)

    def run(self, script: str, timeout_seconds: float = 120) -> str:
        """Run a script as root that must succeed; return what it printed."""
        output = self.try_run(script, timeout_seconds)
        assert output.returncode == 0, f"{self.name}: {script}: {output.said}"
        return output.text

    def pid(self) -> str:
        """Return the process id of containerd."""
        return self.run("systemctl show containerd -p MainPID --value").strip()

    def config(self) -> bytes:
        """Return containerd's configuration, byte for byte."""
        return self.try_run(f"cat {CONFIG}").stdout

    def listing(self) -> str:
        """Describe all that nodeprov may touch on the machine, but its own history."""
        return self.run(
            f"sha256sum {CONFIG}; stat -c '%n %a %u %g' {CONFIG}; ls -A /etc/containerd; "
            "find /opt/nodeprov /usr/local/bin -exec stat -c '%n %F %a %N' {} + 2>/dev/null | sort; true"
        )

    def serves(self) -> None:
        """See that containerd serves: CRI is ok and a plain container runs."""
        plugins = self.run("ctr plugins ls")
        assert [line.split()[-1] for line in plugins.splitlines() if ".cri" in line]
        assert all(line.split()[-1] == "ok" for line in plugins.splitlines() if ".cri" in line), plugins
        said = self.run(f"ctr -n k8s.io run --rm {IMAGE} served-{time.monotonic_ns()} echo served </dev/null")
        assert "served" in said

    def settled(self) -> None:
        """Wait for the end of what the node does by itself."""
        switch = "/var/lib/nodeprov/switch"
        over = f"[ ! -d {switch} ] || [ -e {switch}/outcome ]"
        with eventually(200) as more:
            while self.try_run(over).returncode or "ing" in self.run(
                "systemctl show nodeprov-switch -p ActiveState --value"
            ).replace("inactive", ""):
                assert more(), self.try_run(f"cat {switch}/why").text

    def drop_in(self, lines: str, name: str = "test") -> None:
        """Change containerd's unit as an operator might; the scrubbing after the test takes it away."""
        self.run(
            f"mkdir -p {UNIT_FOLDER} && cat > {UNIT_FOLDER}/{name}.conf <<'UNIT'\n[Service]\n{lines}\nUNIT\n"
            "systemctl daemon-reload"
        )

    def sandbox_processes(self) -> int:
        """Count the processes that run our binaries."""
        return int(self.run("readlink /proc/[0-9]*/exe 2>/dev/null | grep -c /opt/nodeprov/ || true"))


def lab_made() -> int:
    """Tell a lab apart from one that was made after it."""
    path = Path(STATE) / "inventory.toml"
    return path.stat().st_ctime_ns if path.exists() else 0


class Kubectl:
    """kubectl on the master."""

    def __init__(self) -> None:
        self._master = Machine("master")
        self._made = lab_made()

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        output = self.attempt(*arguments, stdin=stdin)
        assert output.returncode == 0, f"kubectl {shlex.join(arguments)}: {output.said}"
        return output.text

    def attempt(self, *arguments: str, stdin: str = "") -> Output:
        """Run kubectl, whatever its status."""
        line = shlex.join(["kubectl", f"--kubeconfig={ADMIN}", f"-n={NAMESPACE}", *arguments])
        if (made := lab_made()) != self._made:  # by a test of the lab itself
            self._master.host.close()
            self._made = made
        return self._master.host.sh(line, stdin=stdin.encode(), timeout_seconds=300)

    def json(self, *arguments: str) -> Any:
        """Return what kubectl prints as plain values."""
        return json.loads(self(*arguments, "-o", "json"))

    def pod(self, name: str, node: str, *, sandboxed: bool, command: str = "sleep 100000", **spec: Any) -> None:
        """Make a pod on a node and wait until it is Ready."""
        container = {
            "name": "main",
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", command],
            "resources": {"requests": {"memory": "16Mi", "cpu": "10m"}, "limits": {"memory": "64Mi"}},
        }
        value = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"made-by": "tests"}},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [container],
                **({"runtimeClassName": CLASS} if sandboxed else {}),
                **spec,
            },
        }
        self("apply", "-f", "-", stdin=json.dumps(value))
        self("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")

    def classes(self) -> list[str]:
        """Name the RuntimeClasses that are of these tests."""
        return [name for name in self("get", "runtimeclass", "-o", "name").split() if name.endswith(f"/{CLASS}")]

    def container(self, name: str) -> dict[str, Any]:
        """Return the status of a pod's only container."""
        status: dict[str, Any] = self.json("get", "pod", name)["status"]["containerStatuses"][0]
        return status


@contextlib.contextmanager
def eventually(seconds: float = 60) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether there is still time, and waits a little."""
    deadline = time.monotonic() + seconds

    def more() -> bool:
        time.sleep(0.3)
        return time.monotonic() < deadline

    yield more


_STALE = f"""
! containerd config dump | grep -q runsc || exit 0
! ctr plugins ls | grep -q runsc || exit 0
started=$(systemctl show containerd -p ExecMainStartTimestamp --value)
[ "$(stat -c %Z {CONFIG})" -gt "$(date -d "$started" +%s)" ]
"""
"""Whether containerd may have read another file than the one that is there: a plan would tell."""


def scrub(machine: Machine, kubectl: Kubectl, config: bytes) -> None:
    """Bring a node back to how the lab made it, by hand and not by nodeprov."""
    _clear(machine.name, kubectl)
    with eventually(40) as more:
        while machine.sandbox_processes():
            assert more(), f"{machine.name}: a test has left sandboxes"
    machine.try_run(
        "systemctl stop nodeprov-switch; systemctl reset-failed nodeprov-switch; rm -f /run/nodeprov-switch\n"
        "cd /etc/systemd/system && rm -f nodeprov-* *.wants/nodeprov-* /etc/containerd/.*.nodeprov-*",
        300,
    )
    machine.run("rm -rf /etc/systemd/system/containerd.service.d && systemctl daemon-reload")
    changed = machine.config() != config
    if changed:
        machine.host.sh(f"cat > {CONFIG}", stdin=config)
    ours = "/opt/nodeprov /var/lib/nodeprov /usr/local/bin/runsc /usr/local/bin/containerd-shim-runsc-v1 /srv/*"
    machine.run(
        f"umount /opt/nodeprov 2>/dev/null; rm -rf {ours} /etc/containerd/conf.d\n"
        f'[ "$(stat -c %a {CONFIG})" = 644 ] || chmod 0644 {CONFIG}'
    )
    if changed or machine.try_run(_STALE).returncode == 0:
        machine.run("systemctl reset-failed containerd; systemctl restart containerd")


def _clear(node: str, kubectl: Kubectl) -> None:
    """Take out of the cluster what tests made for a node; what is not there costs no call."""
    for each in kubectl.json("get", "jobs,pods,nodes,runtimeclasses", "-A")["items"]:
        kind, meta, spec = each["kind"], each["metadata"], each.get("spec", {})
        own = f"-n={meta.get('namespace', NAMESPACE)}"
        if kind == "Job" and meta["namespace"] == NAMESPACE:
            kubectl("delete", "job", meta["name"], "--cascade=foreground")
        if kind == "Pod" and meta.get("labels", {}).get("made-by") == "tests" and spec.get("nodeName") == node:
            kubectl("delete", "pod", meta["name"], own, "--force", "--grace-period=0", "--ignore-not-found")
        if kind == "Node" and meta["name"] == node and spec.get("unschedulable"):
            kubectl("uncordon", node)
        if kind == "Node" and meta["name"] == node and LABEL in meta["labels"]:
            kubectl("label", "node", node, f"{LABEL}-")
        if kind == "RuntimeClass" and meta["name"] == CLASS:
            kubectl("delete", "runtimeclass", CLASS)


def write_kubeconfig(account: str, path: str) -> None:
    """Write a kubeconfig on the master for a service account of kube-system."""
    config = f"kubectl --kubeconfig={path} config"
    Machine("master").run(
        f"""set -e
umask 077
token=$(kubectl --kubeconfig={ADMIN} -n kube-system create token {account} --duration=24h)
cp {ADMIN} {path}
{config} delete-user lab > /dev/null
{config} set-credentials lab --token="$token" > /dev/null"""
    )
