"""What `nodeprov plan --commands` tells is what runs: each script, in its order, on a node and its cluster."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

from nodeprov import inventory
from nodeprov.engine import Fleet, Install, Uninstall, apply
from nodeprov.engine.planner import Planned
from nodeprov.engine.rehearsal import rehearse
from nodeprov.hosts.base import Hosts
from nodeprov.hosts.provider import SshHosts
from nodeprov.kubernetes.draining import Allowed
from nodeprov.plan.plan import Outcome
from nodeprov.plan.steps import Event, Proof
from nodeprov.redaction import HIDDEN
from nodeprov.reports.commands import Command, Commands, comparable
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.lab.machines import WORKER, Kubectl, Machine
from tests.lab.running import INVENTORY, installed, nodeprov
from tests.support.samples import AUTHOR, a_run
from tests.support.sampling import by_turns

pytestmark = by_turns

STATE = "/var/lib/nodeprov"
Script = tuple[str, str]
"""A host, and what ran there."""


class Recorded:
    """One run of the program's own parts, and every script that it ran."""

    def __init__(self, action: str, *, fails: bool = False, drain: bool = False) -> None:
        self.scripts: list[Script] = []
        whole = inventory.parse(INVENTORY.read_text(), str(INVENTORY), environment=os.environ)
        nodes = inventory.select(whole, [WORKER])
        with SshHosts(whole, lambda host, script: self.scripts.append((host, script.text))) as provider:
            fleet = Fleet(nodes, provider)
            plans = fleet.plan(
                Install(GVISOR) if action == "install" else Uninstall(GVISOR, drain, allowed=Allowed(force=True))
            )
            assert not plans.errors, plans.errors
            (planned,) = plans.good
            hosts = provider.of(planned.node)
            self.read, self.scripts = self.scripts, []
            self.told = rehearse(planned, hosts, AUTHOR)
            assert not self.scripts, "a rehearsal runs nothing that the plan has not run"
            self.outcome = self._carry_out(planned, hosts, fails=fails)

    def _carry_out(self, planned: Planned, hosts: Hosts, *, fails: bool) -> Outcome:
        *_, before_last, _last = [step for step in planned.plan.steps if isinstance(step, Proof)]
        run = a_run()

        def on_event(event: Event) -> None:
            if fails and event.step is before_last and event.phase == "done":
                run.cancel.cancel()

        return apply(planned, hosts, replace(run, on_event=on_event))

    @property
    def ran(self) -> list[Script]:
        """What ran, with what is random written as it is told; what is asked again and again counts once."""
        scripts = [(host, comparable(script, STATE)) for host, script in self.scripts]
        return [script for script, _ in itertools.groupby(scripts)]


def pairs(commands: tuple[Command, ...]) -> list[Script]:
    return [script for script, _ in itertools.groupby((each.host, each.script) for each in commands)]


def without(some: list[Script], waiting: tuple[Command, ...]) -> list[Script]:
    """Leave out what asks after a pod that is slow, and the wait that was then begun again."""
    asked = {(each.host, each.script) for each in waiting}
    return [script for script, _ in itertools.groupby(each for each in some if each not in asked)]


def test_an_install_and_an_uninstall_run_what_was_told_in_that_order(worker: Machine) -> None:
    did = Recorded("install")
    assert did.outcome.exit_code == 0
    assert without(did.ran, did.told.waiting) == pairs(did.told.doing)
    undid = Recorded("uninstall")
    assert undid.outcome.exit_code == 0
    assert without(undid.ran, ()) == pairs(undid.told.doing)


def test_a_run_that_is_taken_back_runs_what_was_told(worker: Machine) -> None:
    """All that it does until it fails, and then, in order, all that takes it back."""
    failed = Recorded("install", fails=True)
    assert failed.outcome.exit_code == 1
    told = failed.told
    known = {*pairs(told.doing), *pairs(told.undoing), *pairs(told.waiting)}
    assert set(failed.ran) <= known, [script for script in failed.ran if script not in known]
    undoing = [script for script in pairs(told.undoing) if script in failed.ran]
    assert [script for script in failed.ran if script in undoing] == undoing
    assert len(pairs(told.undoing)) - len(undoing) == 1, "what takes a broken upload back, which did not break"


def test_an_eviction_runs_what_was_told(worker: Machine, kubectl: Kubectl) -> None:
    installed(WORKER)
    kubectl.pod("boxed", WORKER, sandboxed=True)
    evicted = Recorded("uninstall", drain=True)
    assert evicted.outcome.exit_code == 0, evicted.outcome.error
    assert set(evicted.ran) <= {*pairs(evicted.told.doing)}
    assert any("/eviction" in script for _, script in evicted.ran)


def test_the_command_prints_every_script_that_ran_and_hides_nothing_of_them(
    worker: Machine, tmp_path: Path
) -> None:
    text, value = nodeprov("plan", WORKER, "--commands"), nodeprov("plan", WORKER, "--commands", "--json")
    assert (text.returncode, value.returncode) == (3, 3)
    assert HIDDEN not in text.stdout
    (plan,) = json.loads(value.stdout)["plans"]
    names = ("reading", "doing", "waiting", "undoing")
    told = Commands(**{name: tuple(Command(**each) for each in plan["commands"][name]) for name in names})
    did = Recorded("install")
    assert did.outcome.exit_code == 0
    printed = {each.script for name in names for each in getattr(told, name)}
    holder = f"root@{os.uname().nodename} since X"
    expected = {script.replace("ann@desk since X", holder) for _, script in did.ran}
    assert expected <= printed
    assert {comparable(script, STATE) for _, script in did.read} <= printed
    for script in expected:
        assert script.rstrip("\n") in text.stdout
    assert "standard input: the file runsc of the release" in text.stdout
