"""Commands as values: what runs on which host, for what, and what its standard input is."""

import re
from dataclasses import dataclass

UNKNOWN = "X"
_RANDOM = re.compile(r"\b(nodeprov-(?:proof-)?)([0-9a-f]{8,10})\b")
_TICKET = re.compile(r"\bticket=[0-9a-f]{16}\b")
_DIGEST = re.compile(r'^echo "[0-9a-f]{64}  ', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """A script that would run on a host, as root; `what` it is for, and what its standard input would be."""

    host: str
    what: str
    script: str
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Commands:
    """What makes a plan, carries it out, asks after a pod that is slow, and takes back what was begun.

    `guarding` is what each command on the node that is under the lock begins with.
    """

    reading: tuple[Command, ...] = ()
    guarding: tuple[Command, ...] = ()
    doing: tuple[Command, ...] = ()
    waiting: tuple[Command, ...] = ()
    undoing: tuple[Command, ...] = ()


def comparable(script: str, state: str) -> str:
    """Write X for what is random or known only later, so that a rehearsed script equals the one that runs."""
    script = _RANDOM.sub(lambda found: found[1] + UNKNOWN * 8, script)
    script = _TICKET.sub(f"ticket={UNKNOWN}", script)
    script = re.sub(r" since \d{4}-\d\d-\d\dT[\d:]+\+00:00", f" since {UNKNOWN}", script)
    if re.search(rf"^path={re.escape(state)}/", script, re.MULTILINE):
        script = _DIGEST.sub(f'echo "{UNKNOWN * 64}  ', script)
    return script


def to_text(commands: Commands) -> str:
    """Write commands for a person; a script that stood there before is not repeated."""
    lines: list[str] = []
    numbers: dict[tuple[str, str], int] = {}
    count = 0
    for title, some in (
        ("to make this plan; nothing is changed", commands.reading),
        ("before each of the following on the node, once it is locked", commands.guarding),
        ("to carry it out", commands.doing),
        ("while a pod is waited for", commands.waiting),
        ("if anything fails, to take back what was begun", commands.undoing),
    ):
        lines += [f"#### {title}"] if some else []
        for each in some:
            count += 1
            first = numbers.setdefault((each.host, each.script), count)
            lines.append(_head(each, count, first))
            lines += [each.script.rstrip("\n")] if first == count else []
    return "\n".join(lines)


def _head(command: Command, number: int, first: int) -> str:
    said = f"#### {number}. {command.host}: {command.what}"
    said += f": command {first} again" if first != number else ""
    return said + (f"; standard input: {command.stdin}" if command.stdin else "")
