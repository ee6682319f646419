"""Install a node by nodeprov's engine, without its command line: python examples/engine.py INVENTORY NODE."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nodeprov.engine import Fleet, Install, RunContext
from nodeprov.errors import NodeprovError
from nodeprov.hosts.provider import SshHosts
from nodeprov.inventory import parse, select
from nodeprov.plan.steps import Event
from nodeprov.reports.outcome import event_text, outcome_text
from nodeprov.reports.plan import plan_text
from nodeprov.runtimes import FAMILY


def main(path: str, name: str) -> int:
    """Bring a node to what an inventory wants; return 0 if it is so."""
    inventory = parse(Path(path).read_text(), path, environment=os.environ)
    with SshHosts(inventory) as hosts:
        fleet = Fleet(select(inventory, [name]), hosts)
        plans = fleet.plan(Install(FAMILY))
        for error in plans.errors:
            print(error)
        for planned in plans.good:
            print(plan_text(planned.plan))
        outcomes = list(fleet.apply(plans.good, RunContext(on_event=show)))
    for outcome in outcomes:
        print(outcome_text(outcome))
    return 1 if plans.errors else max(outcome.exit_code for outcome in outcomes)


def show(event: Event) -> None:
    """Print what happens."""
    if text := event_text(event):
        print(f"{event.node}: {text}")


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except NodeprovError as error:
        sys.exit(str(error))
