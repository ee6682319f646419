"""A run of several nodes, as its record and as the plans that it is of."""

from __future__ import annotations

from dataclasses import replace

from nodeprov.engine.look import Install
from nodeprov.engine.planner import Planned
from nodeprov.errors import NodeprovError
from nodeprov.plan.plan import Outcome, Plan
from nodeprov.reports.run import NodeRun, RunRecord, WaveRun, result_of
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.plans import CONFIG_KEY, INSTALL, NOTHING, RELEASE, SANDBOX, SERVING
from tests.support.runtimes import state_of
from tests.support.samples import good_facts, node, settings

ERROR = NodeprovError(
    "containerd does not serve: it does not answer on its socket",
    "journalctl -u containerd.service on the node",
    where="worker2",
)


def planned(plan: Plan) -> Planned:
    """Make what a planner returns, of a plan."""
    wanted = settings()
    state = replace(state_of(wanted, good_facts()), node=replace(node(wanted), name=plan.node))
    return Planned(state, Install(GVISOR), plan)


def plan_of(name: str, plan: Plan = INSTALL) -> Plan:
    return replace(plan, node=name)


DONE = Outcome(
    plan_of("worker1"),
    INSTALL.parts,
    notes=("shop/cart-2 (container main) ended while containerd restarted: exit code 255, reason Unknown",),
    proofs={SANDBOX.title: "Linux version 4.4.0", SERVING.title: "CRI is ok, unchanged after 6 s"},
)
FAILED = Outcome(plan_of("worker2"), INSTALL.parts[:9], ERROR, INSTALL.changes[:8])
BETWEEN = Outcome(
    plan_of("worker3"),
    INSTALL.parts[:9],
    NodeprovError("the connection is lost", "ssh root@10.0.0.13", where="worker3"),
    INSTALL.changes[:3],
    (f"{CONFIG_KEY}: somebody else has changed it since", "containerd.service: does not restart"),
    (f"tree:{RELEASE} stays, for {RELEASE}/runsc runs",),
)
LATER = replace(DONE, plan=plan_of("worker8"), later=NodeprovError("it serves no more", where="worker8"))
NOTHING_TO_DO = Outcome(plan_of("worker5", NOTHING))


PLANS = [planned(plan_of(name)) for name in ("worker1", "worker2", "worker3")]


def run_of(outcome: Outcome, seconds: float | None) -> NodeRun:
    return NodeRun(outcome.plan, result_of(outcome), outcome, seconds)


RECORD = RunRecord(
    identity="0123456789ab",
    command="nodeprov install --all --yes --set release.base_url=https://me:hunter2@mirror/x",
    action="install",
    user="ann",
    controller="desk",
    version="0.1.0",
    began="2026-11-28T02:00:00+00:00",
    ended="2026-11-28T02:03:25+00:00",
    nodes=(
        run_of(DONE, 41.23),
        run_of(FAILED, 60.0),
        run_of(BETWEEN, 12.0),
        NodeRun(plan_of("worker4"), "untouched", said="another node has failed"),
        run_of(NOTHING_TO_DO, None),
        NodeRun(plan_of("worker6"), "unknown", None, 3.0),
        run_of(LATER, 30.0),
    ),
    waves=(
        WaveRun(1, 2, "canary", ("worker1",), "2026-11-28T02:00:00+00:00", "2026-11-28T02:00:41+00:00"),
        WaveRun(2, 2, "wave", ("worker2", "worker3"), "2026-11-28T02:00:41+00:00"),
    ),
    releases={"20260905.0-04991f972de3": {"gvisor.tar.zstd": "ab" * 64}},
    errors=(
        NodeprovError("cannot be reached: timed out", "try: ssh root@10.0.0.17", where="worker7 (10.0.0.17)"),
    ),
)
