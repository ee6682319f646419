"""The table of faults as a page: `python -m tests.lab.faults.document` writes it."""

# ruff: noqa: E501  a paragraph is no code

from __future__ import annotations

from pathlib import Path

from tests.lab.faults.plan import LIVES
from tests.lab.faults.table import ACTIONS, FAULTS, Fault

PAGE = Path(__file__).parents[3] / "docs" / "reliability-faults.md"
KILLED_LIVES = 50
"""Each with a kill of every action."""
ADOPTED_LIVES = 12
"""Each with a fault in an adoption, and one in the uninstall that gives back what was adopted."""
TRIED_LIVES = 12
"""Each with a fault in all that is done with a canary, and in the install and the uninstall around it."""

_INTRODUCTION = f"""\
<!-- Written by `python -m tests.lab.faults.document`; tests/unit/test_fault_table.py holds it. -->
# Faults that are tested on real nodes

A node of the lab goes through install, upgrade, rollback, gc and uninstall. In each of these runs one
fault happens: before, during or after one of the things that the run does on a host. The test first records, without a fault,
what a run does: every write and every command, about forty for an install. A full run takes a node through {LIVES} such lives, with
{LIVES * len(ACTIONS)} faults, so that each operation meets one. In {KILLED_LIVES} more lives nodeprov is killed at a random moment of every run,
{KILLED_LIVES * len(ACTIONS)} times. In {ADOPTED_LIVES} somebody else has installed gVisor by hand, and a fault happens in `nodeprov adopt`, and in the uninstall after it.
And in {TRIED_LIVES} a canary is begun, promoted and aborted, between an install and an uninstall, with a fault in each of the five:

<!-- not run: it runs the tests -->

    pytest tests/lab/faults --profile=full

CI runs a sample that depends on the day. It prints the seed; `--seed` repeats it. Each run of the tests prints the result of every
fault, and the sum: `faults tried: …, as before: …, as wanted: …, anything else: 0`.

## After each fault

- config.toml is byte for byte as before or as wanted, and so is the link `current`. What another tool wrote stays. A gc leaves both
  alone; what it was removing is there, gone, or gone in part, which no one notices.
- containerd serves: its unit is active, CRI is ok, and a container runs. If the fault was to make it die, it has served for 7 s.
- Every link leads somewhere, every released file has its digest, and a table in config.toml has its `current`.
- A pod on runc still has its container (after a reboot of the node: a container that runs).
- The node has the label only while containerd has the runtime.
- The exit code is right: 0 only if everything is as wanted, 1 only if everything is as before.
- The same command again ends with 0 and makes the node as wanted; a third time it finds nothing to do. At the end of a life the
  node is byte for byte as before its install.

## The table

| fault | what is done | ended | acted in |
|---|---|---|---|
"""


def page() -> str:
    """Write the page."""
    return _INTRODUCTION + "\n".join(_row(fault) for fault in FAULTS) + "\n" + _END


def _row(fault: Fault) -> str:
    actions = "every action" if fault.actions == ACTIONS else ", ".join(fault.actions)
    where = actions if fault.anywhere else f"{actions}: at the swap of config.toml, or in the restart"
    return f"| {fault.name} | {fault.does} | {fault.ended or '-'} | {where} |"


_END = """
"kill -9" leaves what runs on the node alone, as the death of a controller does. A reboot kills all processes of the node's
container at once and boots it from the same disk; what the kernel had not yet written is not lost by it, so this is not a power cut.
The clock of a node of the lab is that of the machine it runs on: what jumps is what `date` says on the node, and what nodeprov's own
process takes for the time.
"""


if __name__ == "__main__":
    PAGE.write_text(page())
