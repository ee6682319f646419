"""An API server that is out of reach for a moment: how that is told, and calls that are made again meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Output
from nodeprov.kubernetes.kubectl import Kubectl, is_forbidden, understood

T = TypeVar("T")
LONGEST_SECONDS = 60
"""How long an API server may be away: one that is restarted, or upgraded, is back sooner."""
PAUSE_SECONDS = 1.0
_ANSWERED = "Error from server"
"""How kubectl begins to quote an answer: what that says of connections is about webhooks and kubelets."""
_UNCONNECTED = (
    "Unable to connect to the server|The connection to the server|connect: connection refused"
    "|connection reset by peer|i/o timeout|TLS handshake timeout|no route to host|network is unreachable"
    "|client connection lost|server sent GOAWAY|EOF$"
)
"""What kubectl says where it gets no answer (client-go, net/http)."""
_NOT_NOW = (
    # of a load balancer, in words of its own; client-go makes the others of 503, 504 and 429
    r"an error on the server \("
    "|the server is currently unable to handle the request"
    "|the server was unable to return a response in the time allotted"
    "|the server has received too many requests"
    # of an API server that has just begun, or is about to end, or has no etcd (k8s.io/apiserver)
    # (`unknown` is all that kubectl then says of the schema by which it would look at a manifest)
    "|error validating data: unknown$|not yet ready to handle request|apiserver is shutting down|etcdserver: "
)
"""What is answered where it may be otherwise in a moment."""
_NOT_LOGGED_IN = "(Unauthorized)"


def is_out_of_reach(said: str) -> bool:
    """Tell by kubectl's words whether the API server gave no answer, or none but that it cannot give one now."""
    return any(
        re.search(_NOT_NOW, line) or (_ANSWERED not in line and re.search(_UNCONNECTED, line))
        for line in said.split("; ")
    )


def until_in_reach(call: Callable[[], T], deadline: float, pause: Callable[[], None]) -> T:
    """Call something, again while the API server is out of reach; raise what it raises after a deadline."""
    while True:
        try:
            return call()
        except NodeprovError as error:
            if time.monotonic() >= deadline or not is_out_of_reach(error.message):
                raise
        pause()


def _knows_nobody(said: str) -> bool:
    """Tell whether a user is refused: an API server that has just begun has not read yet who may do what."""
    return is_forbidden(said) or _NOT_LOGGED_IN in said


@dataclass(slots=True)
class Reach:
    """kubectl on a host. A call is made again while the API server is out of reach, so it must be one that may be.

    Attributes:
        kubectl: how it is called, on `host`.
        sleep: how it waits; it may raise what is to end it.
        patience: how many times longer than usual all may take.
        lost_seconds: how long the API server was out of reach, in all.
        is_given_up: whether it was so for too long the last time: nobody waits as long again to clean up.
    """

    kubectl: Kubectl
    host: Host
    sleep: Callable[[float], None] = time.sleep
    patience: int = 1
    lost_seconds: float = 0.0
    is_given_up: bool = False

    def now(self) -> float:
        """Tell the time by a clock that stood still while the API server was away: nothing is late for that."""
        return time.monotonic() - self.lost_seconds

    def run(self, *arguments: str, doing: str, stdin: bytes = b"", when_well: bytes = b"") -> str:
        """Call kubectl and return what it printed; raise CommandFailed if it fails."""
        output = self.output(*arguments, doing=doing, stdin=stdin, when_well=when_well)
        return self.kubectl.insist(output, doing, where=self.host.name).text

    def json(self, *arguments: str, doing: str, what: str, when_well: bytes = b"") -> dict[str, Any]:
        """Call kubectl and return the object that it printed: `what`, for a message where it is none."""
        text = self.run(*arguments, "-o", "json", doing=doing, when_well=when_well)
        return understood(text, self.host, doing=what)

    def output(self, *arguments: str, doing: str, stdin: bytes = b"", when_well: bytes = b"") -> Output:
        """Call kubectl and return its output, however it ended; raise NodeprovError if long nothing answered."""
        began, is_away = time.monotonic(), False
        while True:
            output = self.host.run(self.kubectl.call(*arguments, when_well=when_well), stdin=stdin)
            if output.returncode == 0 or not (
                is_out_of_reach(output.said) or (is_away and _knows_nobody(output.said))
            ):
                break
            is_away, gone_seconds = True, time.monotonic() - began
            if self.is_given_up or gone_seconds >= LONGEST_SECONDS * self.patience:
                if not is_out_of_reach(output.said):
                    break
                self.is_given_up = True
                raise NodeprovError(
                    f"{doing}: the API server has not answered for {gone_seconds:.0f} s: {output.said}",
                    self.kubectl.typed("get", "nodes"),
                    where=self.host.name,
                )
            self.sleep(PAUSE_SECONDS)
        self.is_given_up = False
        if is_away:
            self.lost_seconds += time.monotonic() - began
        return output
