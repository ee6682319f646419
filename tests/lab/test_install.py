"""The main job on a real cluster: plan, install, again, other release, flags, uninstall."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.lab.machines import (
    CLASS,
    CURRENT,
    LABEL,
    NAMESPACE,
    NEW,
    OLD,
    OTHER,
    WORKER,
    Kubectl,
    Machine,
    eventually,
)
from tests.lab.running import installed, nodeprov, started, variant
from tests.support.sampling import by_turns


def test_a_plan_says_all_and_writes_nothing(worker: Machine, kubectl: Kubectl) -> None:
    before = worker.listing()
    ended = nodeprov("plan", WORKER)
    assert ended.returncode == 3
    for said in (
        f"release /opt/nodeprov/releases/{NEW}-",
        "MB to upload",
        '+[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]',
        "! restart containerd.service: to serve the runtime handler runsc",
        f"label {LABEL} on node {WORKER} = true",
        f"RuntimeClass {CLASS}",
        "https://10.123.0.10:6443",
    ):
        assert said in ended.stdout
    assert worker.listing() == before
    assert worker.run("ls -d /var/lib/nodeprov 2>/dev/null || echo none") == "none\n"
    assert not kubectl.classes()


def test_json_says_the_same_as_text(worker: Machine) -> None:
    value = json.loads(nodeprov("plan", WORKER, "--json").stdout)
    plan = value["plans"][0]
    assert (plan["node"], plan["action"], plan["pending"]) == (WORKER, "install", True)
    assert plan["upload_bytes"] > 10_000_000
    keys = [step["resource"] for step in plan["steps"] if step["step"] == "change"]
    assert "file:/etc/containerd/config.toml" in keys
    assert f"label:{WORKER}:{LABEL}" in keys


def test_the_whole_life_of_an_installation(worker: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    """Install, again, upgrade, rollback, flags, uninstall: a plain pod beside it notices nothing."""
    pristine, listing = worker.config(), worker.listing()
    kubectl.pod("plain", WORKER, sandboxed=False)
    plain = kubectl.container("plain")
    old = variant(tmp_path, release__version=f'"{OLD}"')
    flags = variant(tmp_path, runtime__flags='{ debug = "false" }')

    first = installed(WORKER, inventory=old)
    assert "Starting gVisor..." in first.stderr + first.stdout
    pid = worker.pid()

    again = installed(WORKER, inventory=old)
    assert "nothing to do" in again.stdout
    assert nodeprov("plan", WORKER, inventory=old).returncode == 0

    for inventory, release in ((None, NEW), (old, OLD), (flags, NEW)):
        ended = installed(WORKER, inventory=inventory) if inventory else installed(WORKER)
        assert "no restart" in ended.stdout
        assert release in worker.run(f"{CURRENT}/runsc --version")
        assert worker.pid() == pid, "an upgrade is one rename, with no restart"
    assert 'debug = "false"' in worker.run(f"cat {CURRENT}/runsc.toml")

    verified = nodeprov("verify", WORKER, inventory=flags)
    assert verified.returncode == 0, verified.stdout

    status = nodeprov("status", WORKER, "--json", inventory=flags)
    (stands,) = json.loads(status.stdout)["nodes"]
    assert (status.returncode, stands["containerd"]) == (0, "serves")
    assert stands["release"].startswith(f"{NEW}-"), "the folder's name"

    gone = nodeprov("uninstall", WORKER, "--yes", inventory=flags)
    assert gone.returncode == 0, gone.stderr
    assert worker.config() == pristine
    assert worker.listing() == listing
    assert not kubectl.classes()
    assert LABEL not in kubectl.json("get", "node", WORKER)["metadata"]["labels"]
    assert "nothing to do" in nodeprov("uninstall", WORKER, "--yes").stdout
    purged = nodeprov("uninstall", WORKER, "--yes", "--purge")
    assert (purged.returncode, worker.run("ls -d /var/lib/nodeprov || echo none")) == (0, "none\n"), purged
    now = kubectl.container("plain")
    assert (now["containerID"], now["restartCount"]) == (plain["containerID"], plain["restartCount"])
    worker.serves()


def test_a_run_with_nothing_to_do_is_one_connection_and_few_commands(worker: Machine) -> None:
    installed(WORKER)
    # Facts; states and digests of the release; how its files look, to hash them no more. Then: is all as it was?
    for commands in (3, 1):
        before = logins(worker)
        worker.host.close()
        ended = nodeprov("install", WORKER, "--verbose")
        assert ended.returncode == 0
        assert logins(worker) - before == 2  # the one that counts is a second connection
        assert ended.stderr.count(f"{WORKER}: command ") == commands, ended.stderr
        assert ended.stderr.count("master: command ") <= 1, ended.stderr


def logins(machine: Machine) -> int:
    """Count the connections that a node's sshd has accepted."""
    return int(
        machine.run("journalctl -q -o cat -u ssh -u sshd --no-pager | grep -c 'Accepted publickey' || true")
    )


@by_turns
def test_the_other_node_keeps_working_when_one_is_uninstalled(
    worker: Machine, other: Machine, kubectl: Kubectl
) -> None:
    installed(WORKER, OTHER)
    kubectl.pod("stays", OTHER, sandboxed=True)
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    assert kubectl.json("get", "runtimeclass", CLASS)["handler"] == "runsc"
    assert "Starting gVisor" in kubectl("exec", "stays", "--", "dmesg")
    kubectl.pod("new", OTHER, sandboxed=True)
    assert nodeprov("verify", OTHER).returncode == 0


@by_turns
def test_the_runtime_class_goes_with_the_last_node(worker: Machine, other: Machine, kubectl: Kubectl) -> None:
    kubectl("label", "node", OTHER, "example.com/kept=yes", "--overwrite")
    installed(WORKER, OTHER)
    ended = nodeprov("uninstall", "worker*", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert not kubectl.classes()
    assert kubectl.json("get", "node", OTHER)["metadata"]["labels"]["example.com/kept"] == "yes"
    kubectl("label", "node", OTHER, "example.com/kept-")


@by_turns
def test_a_runtime_class_that_was_there_before_stays_and_gets_its_fields_back(
    worker: Machine, kubectl: Kubectl
) -> None:
    theirs = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": CLASS, "labels": {"team": "theirs"}},
        "handler": "runsc",
        "overhead": {"podFixed": {"memory": "1024Mi"}},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(theirs))
    installed(WORKER)
    assert "nodeSelector" in kubectl.json("get", "runtimeclass", CLASS)["scheduling"]
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    now = kubectl.json("get", "runtimeclass", CLASS)
    assert now["metadata"]["labels"] == {"team": "theirs"}
    assert now["overhead"] == {"podFixed": {"memory": "1Gi"}}
    assert "scheduling" not in now


def test_a_quantity_may_be_written_in_any_way(worker: Machine, tmp_path: Path) -> None:
    inventory = variant(tmp_path, runtime_class__overhead='{ memory = "1024Mi", cpu = "0.05" }')
    installed(WORKER, inventory=inventory)
    assert nodeprov("plan", WORKER, inventory=inventory).returncode == 0


@by_turns
def test_a_folder_that_was_empty_before_is_there_afterwards(worker: Machine, tmp_path: Path) -> None:
    worker.run("mkdir -p /srv/bin")
    inventory = variant(tmp_path, paths__bin='"/srv/bin"')
    installed(WORKER, inventory=inventory)
    assert nodeprov("uninstall", WORKER, "--yes", inventory=inventory).returncode == 0
    worker.run("test -d /srv/bin && rmdir /srv/bin")


@by_turns
def test_a_sandbox_that_is_no_pod_is_not_drained_and_nothing_is_removed_under_it(worker: Machine) -> None:
    installed(WORKER)
    before = worker.listing()
    runsc = worker.run(f"readlink -f {CURRENT}/runsc").strip()
    worker.run(f"setsid {runsc} --network=none --ignore-cgroups do sleep 300 >/dev/null 2>&1 </dev/null &")
    worker.run("for i in $(seq 50); do pgrep -f 'sleep 300' >/dev/null && break; sleep 0.1; done")
    refused = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force")
    worker.try_run("pkill -9 -f 'sleep 300'")
    assert refused.returncode == 1
    assert "none of it is a pod that can be evicted" in refused.stderr
    assert worker.listing() == before


@by_turns
def test_uninstall_refuses_while_a_sandbox_runs_and_drains_when_told_to(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    kubectl.pod("plain", WORKER, sandboxed=False)
    plain = kubectl.container("plain")
    kubectl.pod("boxed", WORKER, sandboxed=True)
    before = worker.listing()
    refused = nodeprov("uninstall", WORKER, "--yes")
    assert refused.returncode == 1
    assert re.search(
        rf"still in use by pod {NAMESPACE}/boxed \(container [0-9a-f]{{13}}, PID \d+\)", refused.stderr
    )
    assert "--drain" in refused.stderr
    assert worker.listing() == before
    planned = nodeprov("plan", WORKER, "--uninstall")
    assert (planned.returncode, "still in use by pod" in planned.stderr) == (1, True)
    assert "- link /opt/nodeprov/handlers/runsc/current" in planned.stdout
    drained = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force")
    assert drained.returncode == 0, drained.stderr
    assert f"evict 1 sandboxed pod: {NAMESPACE}/boxed" in drained.stdout
    assert kubectl.attempt("get", "pod", "boxed").returncode != 0
    assert not kubectl.json("get", "node", WORKER)["spec"].get("unschedulable")
    assert kubectl.container("plain")["containerID"] == plain["containerID"]


@by_turns
def test_a_pod_whose_runtime_class_was_deleted_is_drained_all_the_same(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    kubectl.pod("boxed", WORKER, sandboxed=True)
    kubectl("delete", "runtimeclass", "gvisor")
    refused = nodeprov("uninstall", WORKER, "--yes", "--drain")
    assert refused.returncode == 1
    assert f"no controller makes these pods again: {NAMESPACE}/boxed" in refused.stderr
    assert f"nodeprov uninstall {WORKER} --drain --force" in refused.stderr
    drained = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force")
    assert drained.returncode == 0, drained.stderr
    assert f"evict 1 sandboxed pod: {NAMESPACE}/boxed" in drained.stdout
    assert f"lost for good: {NAMESPACE}/boxed: no controller makes it again" in drained.stdout
    assert kubectl.attempt("get", "pod", "boxed").returncode != 0


@by_turns
def test_no_image_of_a_proof_stays_on_a_node(worker: Machine) -> None:
    def images() -> list[str]:
        listed = worker.run("ctr -n k8s.io images ls | tail -n +2").splitlines()
        return sorted(line.split()[0] for line in listed)

    worker.run("ctr -n k8s.io images ls -q | grep nodeprov-proof | xargs -r ctr -n k8s.io images rm")
    by_id = {each for each in images() if each.startswith("sha256:")}
    installed(WORKER)
    assert not [each for each in images() if "nodeprov-proof" in each]
    assert nodeprov("verify", WORKER).returncode == 0
    assert {each for each in images() if each.startswith("sha256:")} <= by_id
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    assert {each for each in images() if each.startswith("sha256:")} == by_id


BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: boxed}
spec: {minAvailable: 1, selector: {}}
"""


@by_turns
def test_what_a_killed_drain_has_cordoned_the_next_run_uncordons(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    kubectl.pod("boxed", WORKER, sandboxed=True)
    kubectl("apply", "-f", "-", stdin=BUDGET)
    try:
        with started("uninstall", WORKER, "--yes", "--drain", "--force") as draining, eventually() as more:
            while not is_cordoned(kubectl):
                assert more(), draining.seen
            draining.process.kill()
        assert is_cordoned(kubectl)
    finally:
        kubectl("delete", "pdb", "boxed")
    assert "it has cordoned the node" in nodeprov("plan", WORKER, "--uninstall", "--drain", "--force").stdout
    ended = nodeprov("uninstall", WORKER, "--yes", "--drain", "--force")
    assert ended.returncode == 0, ended.stderr
    assert not is_cordoned(kubectl)


def is_cordoned(kubectl: Kubectl) -> bool:
    return bool(kubectl.json("get", "node", WORKER)["spec"].get("unschedulable"))


@by_turns
def test_what_others_changed_since_stays_at_an_uninstall(worker: Machine) -> None:
    pristine = worker.config()
    installed(WORKER)
    worker.run("printf '\\n# written by somebody else\\n[debug]\\n' | sed '$d' >> /etc/containerd/config.toml")
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    assert worker.config() == pristine + b"\n# written by somebody else\n"


def test_latest_is_resolved_once_and_shown(worker: Machine, tmp_path: Path) -> None:
    ended = nodeprov("plan", WORKER, inventory=variant(tmp_path, release__version='"latest"'))
    assert ended.returncode == 3
    assert f'latest is {NEW}; pin it: [release] version = "{NEW}"' in ended.stderr
    assert f"releases/{NEW}-" in ended.stdout


@by_turns
def test_a_plan_names_the_sandboxes_that_stay_with_their_release(
    worker: Machine, kubectl: Kubectl, tmp_path: Path
) -> None:
    installed(WORKER, inventory=variant(tmp_path, release__version=f'"{OLD}"'))
    kubectl.pod("old", WORKER, sandboxed=True)
    assert f"1 sandbox ({NAMESPACE}/old) of {OLD}-" in nodeprov("plan", WORKER).stdout
