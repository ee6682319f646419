"""nodeprov, told of and stopped at its operations: `python -m tests.lab.faults.controller install worker1 …`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nodeprov.cli import main
from nodeprov.engine import context
from tests.lab.faults.operations import Watched


def start() -> None:
    """Run the command line with hosts that tell what they do; its clock jumps when the watcher says so."""
    watched = Watched()
    watched.hook()

    def now() -> str:
        return (datetime.now(UTC) + timedelta(hours=watched.clock_hours)).isoformat(timespec="seconds")

    context.utc_now = now
    main.main()


if __name__ == "__main__":
    start()
