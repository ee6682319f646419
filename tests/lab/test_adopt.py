"""A gVisor that somebody else installed is taken over under its running sandboxes, and given back to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab.machines import CLASS, CONFIG, OLD, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, refused
from tests.support.sampling import by_turns

pytestmark = by_turns

CURRENT = "/opt/nodeprov/handlers/runsc/current"
SHIM = "containerd-shim-runsc-v1"
PLACE = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc'


@dataclass(frozen=True)
class Shape:
    """How somebody has installed gVisor: where its programs are, and the table in containerd's configuration."""

    folder: str
    table: str
    settings: str = ""
    """What /etc/containerd/runsc.toml holds."""


SHAPES = {
    # https://gvisor.dev/docs/user_guide/containerd/quick_start/
    "the tutorial": Shape("/usr/local/bin", f'\n{PLACE}]\n  runtime_type = "io.containerd.runsc.v1"\n'),
    # roles/container-engine/containerd/templates/config.toml.j2 of kubespray
    "kubespray": Shape(
        "/usr/local/bin",
        f'\n        {PLACE}]\n          runtime_type = "io.containerd.runsc.v1"\n          runtime_engine = ""\n'
        f'          runtime_root = ""\n          base_runtime_spec = ""\n',
    ),
    # the package runsc of gVisor's apt suite, with a runsc.toml as the documentation has it
    "a package": Shape(
        "/usr/bin",
        f'\n{PLACE}]\n  runtime_type = "io.containerd.runsc.v1"\n  pod_annotations = ["dev.gvisor.*"]\n'
        f'{PLACE}.options]\n  TypeUrl = "io.containerd.runsc.v1.options"\n'
        '  ConfigPath = "/etc/containerd/runsc.toml"\n',
        '[runsc_config]\n  debug = "false"\n',
    ),
}


@pytest.fixture
def theirs(request: pytest.FixtureRequest, worker: Machine, kubectl: Kubectl) -> Iterator[Shape]:
    """Install it as somebody else would: its programs, its table, a restart, and a RuntimeClass for all nodes."""
    shape: Shape = request.param
    installed(WORKER, "--set", f"release.version={OLD}")
    worker.run(f"mkdir /root/theirs && cp -L {CURRENT}/runsc {CURRENT}/{SHIM} /root/theirs/")
    gone = nodeprov("uninstall", WORKER, "--yes")
    assert gone.returncode == 0, gone.stderr
    worker.run(
        f"mv /root/theirs/* {shape.folder}/ && rmdir /root/theirs; cat >> {CONFIG} <<'END'\n{shape.table}END\n"
        f"[ -z '{shape.settings}' ] || cat > /etc/containerd/runsc.toml <<'END'\n{shape.settings}END\n"
        "systemctl restart containerd"
    )
    value = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": CLASS},
        "handler": "runsc",
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(value))
    try:
        yield shape
    finally:
        kubectl("delete", "pod", "-l", "made-by=tests", "--force", "--grace-period=0", "--ignore-not-found")
        kubectl("delete", "runtimeclass", CLASS, "--ignore-not-found")
        worker.run(f"rm -f {shape.folder}/runsc {shape.folder}/{SHIM} /etc/containerd/runsc.toml")


def shims(worker: Machine) -> str:
    return worker.run(f"for exe in /proc/[0-9]*/exe; do readlink $exe; done 2>/dev/null | grep {SHIM} | sort; :")


@pytest.mark.parametrize("theirs", SHAPES.values(), ids=SHAPES.keys(), indirect=True)
@pytest.mark.timeout(600)
def test_it_is_adopted_under_its_sandboxes_and_given_back(
    theirs: Shape, worker: Machine, kubectl: Kubectl
) -> None:
    kubectl.pod("old", WORKER, sandboxed=True)
    before, config, running = worker.listing(), worker.config(), shims(worker)
    container = kubectl.container("old")["containerID"]
    assert f"{theirs.folder}/{SHIM}" in running

    refused(nodeprov("install", WORKER, "--yes"), "nodeprov did not write", "nodeprov adopt NODE")
    assert worker.listing() == before

    planned = nodeprov("plan", WORKER, "--adopt")
    assert planned.returncode == 3, planned.stderr
    assert f"gVisor was installed here by something else: {theirs.folder}/{SHIM} (" in planned.stdout
    assert f"{theirs.folder}/runsc (release {OLD})" in planned.stdout
    assert re.search(r"sandboxes run with it \([12] shims\): they go on", planned.stdout)
    assert ('debug = "false"' in planned.stdout) is bool(theirs.settings)

    adopted = nodeprov("adopt", WORKER, "--yes")
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert kubectl.container("old")["containerID"] == container
    assert "Starting gVisor" in kubectl("exec", "old", "--", "dmesg"), "the old sandbox lives on"
    assert running in shims(worker)
    kubectl.pod("new", WORKER, sandboxed=True)
    assert "/opt/nodeprov/releases/" in shims(worker)
    assert nodeprov("plan", WORKER).returncode == 0
    assert nodeprov("adopt", WORKER, "--yes").returncode == 0
    assert nodeprov("status", WORKER).returncode == 0
    if theirs.table.count("pod_annotations"):
        assert b"dev.gvisor.*" in worker.config()

    kubectl("delete", "pod", "new", "--grace-period=1")
    gone = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert worker.config() == config
    assert worker.listing() == before
    kubectl.pod("again", WORKER, sandboxed=True)
    assert f"{theirs.folder}/{SHIM}" in shims(worker), "their runtime serves as it did"


@pytest.mark.parametrize("theirs", [SHAPES["the tutorial"]], ids=["the tutorial"], indirect=True)
def test_an_adoption_that_fails_leaves_theirs_serving(theirs: Shape, worker: Machine, kubectl: Kubectl) -> None:
    before = worker.listing()
    # The restarted containerd does not come back: the node takes its swap back on its own.
    worker.drop_in("ExecStartPre=/bin/sh -c '! grep -q /opt/nodeprov /etc/containerd/config.toml'")
    ended = nodeprov("adopt", WORKER, "--yes")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert worker.listing() == before
    kubectl.pod("after", WORKER, sandboxed=True)
    assert f"{theirs.folder}/{SHIM}" in shims(worker)
