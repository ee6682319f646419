"""What a node carries of us: the claim of a run that is at work there, and how the last one ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Self

from nodeprov.errors import MALFORMED_JSON, of_type

CLAIM = "nodeprov.io/claimed"
"""The label with the run that has the node; it is set before anything is done there."""
LAST = "nodeprov.io/last"
"""The annotation that says how the last run ended."""
STAGED = "nodeprov.io/staged"
"""The annotation that says how the last run ended that only brought what an install needs, in the same words."""
DRAINING = "nodeprov.io/draining"
"""The annotation that says since when pods are made to leave: UTC in ISO 8601. It goes at the end of the run."""
WAITING = "nodeprov.io/waiting"
"""The annotation that says since when the end of pods is waited for, in the same way; DRAINING may follow it."""
CORDONED = "nodeprov.io/cordoned"
"""The annotation that says which run has cordoned the node: a cordon without it is another one's, and stays."""
UNLABELLED = "nodeprov.io/unlabelled"
"""The annotation with the label's value for sandboxed pods that an uninstall took away, until that has ended."""
LONGEST_BYTES = 300
DONE, FAILED, BETWEEN = "done", "failed", "between"


@dataclass(frozen=True, slots=True)
class Last:
    """How the last run of a node ended.

    Args:
        run: which.
        action: install, uninstall or stage.
        result: DONE; FAILED, as before; or BETWEEN two states.
        want: the digest of what was wanted.
        machine: the beginning of the machine's id: another machine of the same name has to be installed anew.
        at: when, UTC in ISO 8601.
        release: that is in force; "" where it is not known.
        soaked: "yes" once it was done a second time in this run, after the soak time of the canaries.
        why: why it failed, as far as there is room.
    """

    run: str
    action: str
    result: str
    want: str
    machine: str
    at: str
    release: str = ""
    soaked: str = ""
    why: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read an annotation; None if it is none of ours: whoever may edit a Node may have written it."""
        try:
            given = json.loads(text)
            known = {name: of_type(str, given.get(name, "")) for name in cls.__slots__}
            return cls(**known) if known["run"] else None
        except MALFORMED_JSON:
            return None

    @property
    def ended_at(self) -> datetime | None:
        """When; None where that is no time."""
        return time_of(self.at)

    def text(self) -> str:
        """Write the annotation, in LONGEST_BYTES at most: every Node write goes to all who watch nodes."""
        kept, length = self, len(self.why)
        while len(written := _written(kept)) > LONGEST_BYTES and length:
            length = max(0, length - max(1, (len(written) - LONGEST_BYTES) // 6))  # a letter has six bytes at most
            kept = replace(self, why=f"{self.why[:length]}..." if length else "")
        return written.decode()


def time_of(text: str) -> datetime | None:
    """Read a time of ISO 8601 with its zone; None where it is none: anybody may edit a Node."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _written(last: Last) -> bytes:
    value = {name: text for name, text in asdict(last).items() if text}
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
