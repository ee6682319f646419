"""The main job on a real cluster: plan, install, again, other release, flags, uninstall."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab.machines import CURRENT, LABEL, NEW, OLD, Kubectl, Machine, installed, nodeprov, variant


def test_a_plan_says_all_and_writes_nothing(worker1: Machine, kubectl: Kubectl) -> None:
    before = worker1.listing()
    ended = nodeprov("plan", "worker1")
    assert ended.returncode == 3
    for said in (
        f"release /opt/nodeprov/releases/{NEW}-",
        "MB to upload",
        '+[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]',
        "! restart containerd.service: to serve the runtime handler runsc",
        f"label {LABEL} on node worker1 = true",
        "RuntimeClass gvisor",
        "https://10.123.0.10:6443",
    ):
        assert said in ended.stdout
    assert worker1.listing() == before
    assert worker1.run("ls -d /var/lib/nodeprov 2>/dev/null || echo none") == "none\n"
    assert not kubectl.json("get", "runtimeclass")["items"]


def test_json_says_the_same_as_text(worker1: Machine) -> None:
    value = json.loads(nodeprov("plan", "worker1", "--json").stdout)
    plan = value["plans"][0]
    assert (plan["node"], plan["action"], plan["pending"]) == ("worker1", "install", True)
    assert plan["upload_bytes"] > 10_000_000
    keys = [step["resource"] for step in plan["steps"] if step["step"] == "change"]
    assert "file:/etc/containerd/config.toml" in keys
    assert f"label:worker1:{LABEL}" in keys


def test_the_whole_life_of_an_installation(worker1: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    """Install, again, upgrade, rollback, flags, uninstall: a plain pod beside it notices nothing."""
    pristine, listing = worker1.config(), worker1.listing()
    kubectl.pod("plain", "worker1", sandboxed=False)
    plain = kubectl.container("plain")
    old = variant(tmp_path, release__version=f'"{OLD}"')
    flags = variant(tmp_path, runtime__flags='{ debug = "false" }')

    first = installed("worker1", inventory=old)
    assert "Starting gVisor..." in first.stderr + first.stdout
    pid = worker1.pid()

    again = installed("worker1", inventory=old)
    assert "nothing to do" in again.stdout
    assert nodeprov("plan", "worker1", inventory=old).returncode == 0

    for inventory, release in ((None, NEW), (old, OLD), (flags, NEW)):
        ended = installed("worker1", inventory=inventory) if inventory else installed("worker1")
        assert "no restart" in ended.stdout
        assert release in worker1.run(f"{CURRENT}/runsc --version")
        assert worker1.pid() == pid, "an upgrade is one rename, with no restart"
    assert 'debug = "false"' in worker1.run(f"cat {CURRENT}/runsc.toml")

    verified = nodeprov("verify", "worker1", inventory=flags)
    assert verified.returncode == 0, verified.stdout

    gone = nodeprov("uninstall", "worker1", "--yes", inventory=flags)
    assert gone.returncode == 0, gone.stderr
    assert worker1.config() == pristine
    assert worker1.listing() == listing
    assert not kubectl.json("get", "runtimeclass")["items"]
    assert LABEL not in kubectl.json("get", "node", "worker1")["metadata"]["labels"]
    assert "nothing to do" in nodeprov("uninstall", "worker1", "--yes").stdout
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (plain["containerID"], plain["restartCount"])
    worker1.serves()


def test_a_run_with_nothing_to_do_is_one_connection_and_two_commands(worker1: Machine) -> None:
    installed("worker1")
    count = "journalctl -q -o cat -u ssh -u sshd --no-pager | grep -c 'Accepted publickey' || true"
    before = int(worker1.run(count))
    worker1.host.close()
    ended = nodeprov("install", "worker1", "--verbose")
    assert ended.returncode == 0
    # The one that counts is a second connection.
    assert int(worker1.run(count)) - before == 2
    assert ended.stderr.count("worker1: command ") <= 2, ended.stderr
    assert ended.stderr.count("master: command ") <= 1, ended.stderr


def test_the_other_node_keeps_working_when_one_is_uninstalled(
    worker1: Machine, worker2: Machine, kubectl: Kubectl
) -> None:
    installed("worker1", "worker2")
    kubectl.pod("stays", "worker2", sandboxed=True)
    assert nodeprov("uninstall", "worker1", "--yes").returncode == 0
    assert kubectl.json("get", "runtimeclass", "gvisor")["handler"] == "runsc"
    assert "Starting gVisor" in kubectl("exec", "stays", "--", "dmesg")
    kubectl.pod("new", "worker2", sandboxed=True)
    assert nodeprov("verify", "worker2").returncode == 0


def test_the_runtime_class_goes_with_the_last_node(worker1: Machine, worker2: Machine, kubectl: Kubectl) -> None:
    kubectl("label", "node", "worker2", "example.com/kept=yes", "--overwrite")
    installed("worker1", "worker2")
    ended = nodeprov("uninstall", "worker*", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert not kubectl.json("get", "runtimeclass")["items"]
    assert kubectl.json("get", "node", "worker2")["metadata"]["labels"]["example.com/kept"] == "yes"
    kubectl("label", "node", "worker2", "example.com/kept-")


def test_a_runtime_class_that_was_there_before_stays_and_gets_its_fields_back(
    worker1: Machine, kubectl: Kubectl
) -> None:
    theirs = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor", "labels": {"team": "theirs"}},
        "handler": "runsc",
        "overhead": {"podFixed": {"memory": "1024Mi"}},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(theirs))
    installed("worker1")
    assert "nodeSelector" in kubectl.json("get", "runtimeclass", "gvisor")["scheduling"]
    assert nodeprov("uninstall", "worker1", "--yes").returncode == 0
    now = kubectl.json("get", "runtimeclass", "gvisor")
    assert now["metadata"]["labels"] == {"team": "theirs"}
    assert now["overhead"] == {"podFixed": {"memory": "1Gi"}}
    assert "scheduling" not in now


def test_a_quantity_may_be_written_in_any_way(worker1: Machine, tmp_path: Path) -> None:
    inventory = variant(tmp_path, runtime_class__overhead='{ memory = "1024Mi", cpu = "0.05" }')
    installed("worker1", inventory=inventory)
    assert nodeprov("plan", "worker1", inventory=inventory).returncode == 0


def test_a_folder_that_was_empty_before_is_there_afterwards(worker1: Machine, tmp_path: Path) -> None:
    worker1.run("mkdir -p /srv/bin")
    inventory = variant(tmp_path, paths__bin='"/srv/bin"')
    installed("worker1", inventory=inventory)
    assert nodeprov("uninstall", "worker1", "--yes", inventory=inventory).returncode == 0
    worker1.run("test -d /srv/bin && rmdir /srv/bin")


def test_a_sandbox_that_is_no_pod_is_not_drained_and_nothing_is_removed_under_it(worker1: Machine) -> None:
    installed("worker1")
    before = worker1.listing()
    runsc = worker1.run(f"readlink -f {CURRENT}/runsc").strip()
    worker1.run(f"setsid {runsc} --network=none --ignore-cgroups do sleep 300 >/dev/null 2>&1 </dev/null &")
    worker1.run("for i in $(seq 50); do pgrep -f 'sleep 300' >/dev/null && break; sleep 0.1; done")
    refused = nodeprov("uninstall", "worker1", "--yes", "--drain")
    worker1.try_run("pkill -9 -f 'sleep 300'")
    assert refused.returncode == 1
    assert "none of it is a pod that can be evicted" in refused.stderr
    assert worker1.listing() == before


def test_uninstall_refuses_while_a_sandbox_runs_and_drains_when_told_to(
    worker1: Machine, kubectl: Kubectl
) -> None:
    installed("worker1")
    kubectl.pod("plain", "worker1", sandboxed=False)
    plain = kubectl.container("plain")
    kubectl.pod("boxed", "worker1", sandboxed=True)
    before = worker1.listing()
    refused = nodeprov("uninstall", "worker1", "--yes")
    assert refused.returncode == 1
    assert "still needed" in refused.stderr
    assert "--drain" in refused.stderr
    assert worker1.listing() == before
    drained = nodeprov("uninstall", "worker1", "--yes", "--drain")
    assert drained.returncode == 0, drained.stderr
    assert "evict 1 sandboxed pods: default/boxed" in drained.stdout
    assert kubectl.attempt("get", "pod", "boxed").returncode != 0
    assert not kubectl.json("get", "node", "worker1")["spec"].get("unschedulable")
    assert kubectl.container("plain")["containerID"] == plain["containerID"]


def test_what_others_changed_since_stays_at_an_uninstall(worker1: Machine) -> None:
    pristine = worker1.config()
    installed("worker1")
    worker1.run("printf '\\n# written by somebody else\\n[debug]\\n' | sed '$d' >> /etc/containerd/config.toml")
    assert nodeprov("uninstall", "worker1", "--yes").returncode == 0
    assert worker1.config() == pristine + b"\n# written by somebody else\n"


def test_latest_is_resolved_once_and_shown(worker1: Machine, tmp_path: Path) -> None:
    ended = nodeprov("plan", "worker1", inventory=variant(tmp_path, release__version='"latest"'))
    assert ended.returncode == 3
    assert f'latest is {NEW}; pin it: [release] version = "{NEW}"' in ended.stderr
    assert f"releases/{NEW}-" in ended.stdout


def test_a_plan_names_the_sandboxes_that_stay_with_their_release(
    worker1: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    installed("worker1", inventory=variant(tmp_path, release__version=f'"{OLD}"'))
    kubectl.pod("old", "worker1", sandboxed=True)
    assert "2 running containers keep the release that they began with" in nodeprov("plan", "worker1").stdout
