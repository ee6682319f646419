"""The node's lock: one run at a time, and none that was thought dead comes back unseen."""

import secrets
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from nodeprov.errors import Busy, NodeprovError
from nodeprov.hosts.base import FENCED_MARK, Held, Host, Output, rendered
from nodeprov.hosts.shell import taken_over
from nodeprov.reports.when import with_times
from nodeprov.templates import render

HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 40
"""How long a node waits for a controller that it does not hear; then it lets go of the lock."""


class Lock:
    """The lock of one node, held while a run changes it.

    A holder is heard every few seconds, by a shell on the node that holds a flock. When the controller dies its
    connection ends, and with it the shell; when the network vanishes the shell hears nothing, and lets go too. A
    controller that was only cut off, or suspended, takes the lock again if nobody has had it meanwhile: its ticket
    is still there. Else every command of its run is refused by the node, before it does anything.
    """

    def __init__(self, host: Host, state: str, holder: str) -> None:
        self._host = host
        self._state = state
        self._holder = holder
        self._ticket = secrets.token_hex(8)
        self._held: Held | None = None

    def __enter__(self) -> Self:
        """Take it; raise NodeprovError, with the holder's name, when another run has it."""
        self._held = self._take(again=False)
        self._host.guard(self._fence)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._host.guard(None)
        if self._held is not None:
            self._held.say("done")
            self._held.release()

    def _fence(self) -> str:
        """Write what every command of this run begins with; take the lock again if the connection was lost."""
        if self._held is None or self._held.ended:
            self._held = None  # also when it cannot be taken now, because there is no way to the node
            self._held = self._take(again=True)
        return render("node/fence.sh.j2", lock=f"{self._state}/lock", ticket=self._ticket, mark=FENCED_MARK)

    def _take(self, *, again: bool) -> Held:
        script = rendered(
            "node/lock.sh.j2",
            state=self._state,
            holder=self._holder,
            ticket=self._ticket,
            silence_seconds=SILENCE_SECONDS,
            again=again,
        )
        held = self._host.hold(script, heartbeat_seconds=HEARTBEAT_SECONDS)
        if held.first_line != "held":
            held.release()
            raise self._not_held(held.first_line, again=again).at(self._host.name)
        return held

    def _not_held(self, said: str, *, again: bool) -> NodeprovError:
        if not said.startswith("other "):
            return NodeprovError(f"the node's lock cannot be taken: {said}", f"look at {self._state} on the node")
        holder = said.removeprefix("other ")
        if again:
            return taken_over(holder)
        hint = (
            "wait for its end, then run this again; if its controller is gone, the node lets go of it "
            f"{SILENCE_SECONDS} s after it was last heard of"
        )
        return Busy(f"another run holds this node: {with_times(holder)}", hint)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a node, since when, and how many seconds ago the node has heard of them."""

    by: str
    silent_seconds: int | None


@dataclass(frozen=True, slots=True)
class HolderOf:
    """Who holds a node?"""

    state: str

    @property
    def script(self) -> str:
        """Print nothing if nobody does; else who, and the seconds since they were heard."""
        return render("node/lock-holder.sh.j2", lock=f"{self.state}/lock")

    def parse(self, output: Output) -> Holder | None:
        """Understand what the script printed."""
        by, _, silent = output.text.partition("\n")
        return Holder(by, int(silent) if silent.strip().isdigit() else None) if by else None
