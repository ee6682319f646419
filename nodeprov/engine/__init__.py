"""The engine: what the command line does to nodes, for programs.

A node is looked at, checked and planned for, and the plan is applied: each is a function, and a Fleet does it with
many nodes. This installs what an inventory wants on the machine on which it runs; over SSH, `SshHosts(inventory)`
stands in place of `LocalNode("worker1")`:

    from pathlib import Path

    from nodeprov.engine import Fleet, Install, RunContext
    from nodeprov.hosts.provider import LocalNode
    from nodeprov.inventory import parse
    from nodeprov.runtimes import FAMILY

    inventory = parse(Path("nodeprov.toml").read_text(), "nodeprov.toml")
    with LocalNode("worker1") as hosts:
        fleet = Fleet(inventory.nodes, hosts)
        plans = fleet.plan(Install(FAMILY))
        for error in plans.errors:
            print(error)
        run = RunContext(on_event=lambda event: print(event.node, event.phase, type(event.step).__name__))
        for outcome in fleet.apply(plans.good, run):
            print(outcome.plan.node, outcome.error or "is as the inventory wants it")

Without a Fleet, for one node and its hosts:

    want = Install(FAMILY)
    state = look(node, hosts, want)                          # reads; waits for a change that is at work there
    problems = check(state, want)                            # asks nothing more: all the reasons not to begin
    planned = plan(state, Install(FAMILY, release), hosts)   # reads; cannot write
    outcome = apply(planned, hosts, RunContext())            # lock, receipt, steps; takes all back on an error

An error that an operator can act on is a NodeprovError. `RunContext.cancel` ends a run in between, from another
thread or a signal handler.
"""

from nodeprov.engine.context import Cancellation, RunContext
from nodeprov.engine.fleet import Fleet, Results
from nodeprov.engine.look import Gc, Install, Rollback, Uninstall, Want, check, look
from nodeprov.engine.planner import Planned, plan
from nodeprov.engine.transaction import apply
from nodeprov.kubernetes.draining import Allowed
from nodeprov.node.state import NodeState
from nodeprov.plan.plan import Outcome

__all__ = [
    "Allowed",
    "Cancellation",
    "Fleet",
    "Gc",
    "Install",
    "NodeState",
    "Outcome",
    "Planned",
    "Results",
    "Rollback",
    "RunContext",
    "Uninstall",
    "Want",
    "apply",
    "check",
    "look",
    "plan",
]
