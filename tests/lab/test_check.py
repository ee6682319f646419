"""What `nodeprov check` says of a manifest is what a pod of it meets: in the sandbox, and beside it under runc."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeprov.hosts.local import run_program
from tests.lab.machines import CLASS, IMAGE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov
from tests.support.sampling import by_turns

FOREVER = "sleep 100000"
CAP_NET_RAW = 1 << 13


def container(name: str = "main", command: str = FOREVER, **fields: Any) -> dict[str, Any]:
    basis = {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", command]}
    return {**basis, **fields}


def mounting(name: str = "main", **fields: Any) -> dict[str, Any]:
    return container(name, volumeMounts=[{"name": "v", "mountPath": "/v", **fields}])


HOST_PATH = [{"name": "v", "hostPath": {"path": "/srv/check", "type": "DirectoryOrCreate"}}]
SILENT: dict[str, tuple[dict[str, Any], str, Callable[[str], bool]]] = {
    # By the behaviour: the pod, what is asked in it, and whether the answer is the sandbox's; it is not runc's.
    "host-network": ({"hostNetwork": True}, "cat /proc/net/dev", lambda said: "lo:" not in said),
    "host-pid": ({"hostPID": True}, "ls -d /proc/[0-9]*", lambda said: len(said.split()) < 10),
    "sysctls": (
        {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_keepalive_time", "value": "77"}]}},
        "cat /proc/sys/net/ipv4/tcp_keepalive_time",
        lambda said: said.strip() != "77",
    ),
    "shared-volume": (
        {
            "containers": [
                container(
                    command=f"mkfifo /v/f; {FOREVER}",
                    volumeMounts=[{"name": "v", "mountPath": "/v"}],
                    name="other",
                ),
                mounting(),
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "sleep 1; ls /v",
        lambda said: "f" not in said.split(),
    ),
    "limits-inside": (
        {"containers": [container(resources={"limits": {"memory": "64Mi"}})]},
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
        lambda said: int(said) > 64 << 20,
    ),
    "read-only-root": (
        {"containers": [container(securityContext={"readOnlyRootFilesystem": True})]},
        "touch /tmp/q 2>/dev/null && echo written; true",
        lambda said: said.strip() == "written",
    ),
    "terminal": (
        {"containers": [container(command=f"tty > /said; {FOREVER}", tty=True)]},
        "cat /said",
        lambda said: "not a tty" in said,
    ),
    "seccomp": (
        {"containers": [container(securityContext={"seccompProfile": {"type": "RuntimeDefault"}})]},
        "grep ^Seccomp: /proc/self/status",
        lambda said: said.split()[1] == "0",
    ),
    "raw-sockets": (
        {"containers": [container(securityContext={"capabilities": {"add": ["NET_RAW"]}})]},
        "grep CapEff /proc/self/status",
        lambda said: not int(said.split()[1], 16) & CAP_NET_RAW,
    ),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    # By the behaviour: the pod, and what `nodeprov explain` makes of what kubelet says.
    "host-users": ({"hostUsers": False}, "user-namespace"),
    "mount-bidirectional": (
        {
            "containers": [
                {**mounting(mountPropagation="Bidirectional"), "securityContext": {"privileged": True}},
            ],
            "volumes": HOST_PATH,
        },
        "mount-propagation",
    ),
    "recursive-read-only": (
        {"containers": [mounting(readOnly=True, recursiveReadOnly="Enabled")], "volumes": HOST_PATH},
        "recursive-read-only",
    ),
}


def pod(name: str, spec: dict[str, Any], *, sandboxed: bool) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-{'sandboxed' if sandboxed else 'plain'}", "labels": {"made-by": "tests"}},
        "spec": {
            "nodeName": WORKER,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [container()],
            **({"runtimeClassName": CLASS} if sandboxed else {}),
            **spec,
        },
    }


def checked(folder: Path, manifest: dict[str, Any]) -> tuple[int, list[str]]:
    """Say how `nodeprov check` ends for a manifest, and what it finds."""
    file = folder / "pod.json"
    file.write_text(json.dumps(manifest))
    output = run_program([sys.executable, "-m", "nodeprov", "check", str(file), "--json"])
    (workload,) = json.loads(output.text)["workloads"]
    return output.returncode, [each["id"] for each in workload["met"]]


def explained(kubectl: Kubectl, name: str) -> set[str]:
    """Name the rules that `nodeprov explain` knows in what the cluster says of a pod."""
    said = kubectl("describe", "pod", name)
    output = run_program([sys.executable, "-m", "nodeprov", "explain", "--json"], stdin=said.encode())
    return {each["id"] for each in json.loads(output.text)["explanations"]}


@by_turns
@pytest.mark.parametrize("part", ["silent", "refused"])
def test_what_is_said_of_a_manifest_is_what_its_pod_meets(
    worker: Machine, kubectl: Kubectl, tmp_path: Path, part: str
) -> None:
    installed(WORKER)
    if part == "silent":
        _meet_silently(kubectl, tmp_path)
    else:
        _are_refused(kubectl, tmp_path)


def _meet_silently(kubectl: Kubectl, folder: Path) -> None:
    for name, (spec, _, _) in SILENT.items():
        code, found = checked(folder, pod(name, spec, sandboxed=True))
        assert name in found
        assert code == (1 if name == "raw-sockets" else 3)
        for sandboxed in (True, False):
            kubectl("apply", "-f", "-", stdin=json.dumps(pod(name, spec, sandboxed=sandboxed)))
    kubectl("wait", "--for=condition=Ready", "pod", "-l", "made-by=tests", "--timeout=120s")
    for name, (_, asked, is_sandboxes) in SILENT.items():
        for sandboxed in (True, False):
            whole = pod(name, {}, sandboxed=sandboxed)["metadata"]["name"]
            said = kubectl("exec", whole, "-c", "main", "--", "sh", "-c", asked)
            assert is_sandboxes(said) is sandboxed, (whole, said)


def _are_refused(kubectl: Kubectl, folder: Path) -> None:
    for name, (spec, _) in REFUSED.items():
        manifest = pod(name, spec, sandboxed=True)
        code, found = checked(folder, manifest)
        assert (code, name in found) == (1, True)
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    for name, (_, rule) in REFUSED.items():
        with eventually(90) as more:
            while rule not in explained(kubectl, f"{name}-sandboxed"):
                assert more(), kubectl("describe", "pod", f"{name}-sandboxed")


@by_turns
def test_mount_hints_cure_a_volume_that_two_containers_share(worker: Machine, kubectl: Kubectl) -> None:
    before = worker.listing()
    installed(WORKER, "--set", "runtime.mount_hints=true")
    spec, asked, is_sandboxes = SILENT["shared-volume"]
    manifest = pod("hinted", spec, sandboxed=True)
    manifest["metadata"]["annotations"] = {
        f"dev.gvisor.spec.mount.v.{key}": value
        for key, value in (("type", "bind"), ("share", "pod"), ("options", "rw"))
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    kubectl("wait", "--for=condition=Ready", "pod/hinted-sandboxed", "--timeout=90s")

    def ask(name: str, script: str) -> str:
        return kubectl("exec", "hinted-sandboxed", "-c", name, "--", "sh", "-c", script)

    assert not is_sandboxes(ask("main", asked))
    ask("other", "flock /v/lock sleep 8 > /dev/null 2>&1 &")
    assert ask("main", "sleep 1; flock -n /v/lock true || echo locked").strip() == "locked"
    # And it goes again: containerd's table is as it would be without, and pods are asked nothing.
    installed(WORKER)
    assert "dev.gvisor" not in worker.config().decode()
    uninstalled = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force", "--delete-emptydir-data")
    assert uninstalled.returncode == 0, uninstalled.stderr
    assert worker.listing() == before
