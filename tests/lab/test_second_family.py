"""Another family of runtimes goes through the same engine: installed, proven by a pod, verified, uninstalled."""

from __future__ import annotations

import os

from nodeprov import inventory
from nodeprov.diagnosis.verify.runner import verify
from nodeprov.diagnosis.verify.subject import look
from nodeprov.engine import Fleet, Install, Uninstall, Want
from nodeprov.engine.context import Cancellation
from nodeprov.hosts.provider import SshHosts
from nodeprov.inventory import Inventory
from nodeprov.plan.plan import Outcome
from tests.lab.machines import CLASS, WORKER, Kubectl, Machine, eventually
from tests.lab.running import INVENTORY
from tests.lab.runtimes.crun import CRUN, VERSION, debians_release
from tests.support.samples import a_run

OPTIONS = ["runtime.handler=crun"]
BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/*"


def whole() -> Inventory:
    return inventory.parse(INVENTORY.read_text(), str(INVENTORY), environment=os.environ, options=OPTIONS)


def done(want: Want) -> Outcome:
    read = whole()
    with SshHosts(read) as hosts:
        fleet = Fleet(inventory.select(read, [WORKER]), hosts)
        plans = fleet.plan(want)
        assert not plans.errors, [str(error) for error in plans.errors]
        (outcome,) = fleet.apply(plans.good, a_run())
    assert outcome.exit_code == 0, outcome.error or outcome.left
    return outcome


def test_debians_crun_is_installed_proven_verified_and_uninstalled(worker: Machine, kubectl: Kubectl) -> None:
    before, config = worker.listing(), worker.config()
    wanted = Install(CRUN, debians_release())
    outcome = done(wanted)
    kernel = worker.run("uname -r").strip()
    assert kernel in outcome.proofs["a sandbox runs through `current`"]
    assert kernel in outcome.proofs[f"a pod of RuntimeClass {CLASS} is run by crun"]
    assert f"crun version {VERSION}" in worker.run("/usr/local/bin/crun --version")
    assert b'BinaryName = "/opt/nodeprov/handlers/crun/current/crun"' in worker.config()
    assert not done(wanted).plan.pending

    kubectl.pod("by-crun", WORKER, sandboxed=True)
    assert "/opt/nodeprov/handlers/crun/" in worker.run(f"cat {BUNDLES}/runtime")
    kubectl("delete", "pod", "by-crun", "--grace-period=1")

    read = whole()
    (node,) = inventory.select(read, [WORKER])
    with SshHosts(read) as hosts:
        verified = verify(look(node, hosts.of(node), CRUN), Cancellation())
    assert [each for each in verified.results if each.result == "failed"] == []
    passed = {each.check for each in verified.results if each.result == "passed"}
    assert {"generation_files", "program_version", "loaded", "sandbox", "pod_is_sandboxed", "pod_exec"} <= passed

    with eventually(60) as more:  # the pods of the checks end in their own time
        while "/handlers/crun/" in worker.try_run(f"cat {BUNDLES}/runtime").text:
            assert more(), "a pod of the checks does not end"
    done(Uninstall(CRUN))
    assert (worker.config(), worker.listing()) == (config, before)
