"""The program in the pod: reads what is asked, has it done, and leaves the result where kubelet reads it."""

import os
import posixpath
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeprov import __version__
from nodeprov.engine import Cancellation, RunContext
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, Place
from nodeprov.hosts.namespaces import ENTER
from nodeprov.hosts.provider import LocalNode
from nodeprov.in_cluster import pod
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.result import NodeResult
from nodeprov.in_cluster.settings import on_node, with_nodes
from nodeprov.inventory import Node
from nodeprov.inventory.locked import locked
from nodeprov.local_files import read_bounded
from nodeprov.node.receipts import Author
from nodeprov.on_node.incoming import Incoming
from nodeprov.on_node.outcome import failed
from nodeprov.on_node.run import NodeRun
from nodeprov.plan.steps import Event
from nodeprov.releases.lock import Lock
from nodeprov.releases.lock_text import from_text
from nodeprov.reports.outcome import event_text
from nodeprov.runtimes import SOFTWARE

_UNKNOWN = Assignment("", "", "", "", "")
_OF_CONFIG = "look at the ConfigMap that the pod has: nodeprov cluster status"
STALE_SECONDS = 24 * 3600.0
"""So old is what a pod has brought that was deleted before its end; no run takes as long."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are in the container, and what leads out of it."""

    config: Path = Path(pod.CONFIG_FOLDER)
    releases: Path = Path(pod.RELEASES_FOLDER)
    message: Path = Path(pod.MESSAGE_PATH)
    enter: Sequence[str] = ENTER
    cancel: Cancellation = field(default_factory=Cancellation)

    def leave(self, found: NodeResult) -> None:
        """Leave the result where kubelet reads it."""
        self.message.write_bytes(found.to_json())
        _log(f"{found.outcome}: {found.error.what}" if found.error else found.outcome)


def main(environment: Mapping[str, str], places: Places) -> int:
    """Do what the environment asks for, and leave the result; return 0, whatever it is.

    Another status would have kubelet start it again, as it does when it was killed.
    """
    assignment = _UNKNOWN
    try:
        assignment = Assignment.from_environment(environment)
        _insist_on_the_node(assignment, environment)
        _run(assignment, places)
    except NodeprovError as error:
        places.leave(failed(assignment, error, 0))
    except Exception as error:
        traceback.print_exc()
        fault = NodeprovError(f"a fault of nodeprov: {type(error).__name__}: {error}", "kubectl logs of this pod")
        places.leave(failed(assignment, fault, 0))
    return 0


def _insist_on_the_node(assignment: Assignment, environment: Mapping[str, str]) -> None:
    placed = environment.get(pod.PLACED_VARIABLE, assignment.node)
    if placed != assignment.node:
        raise NodeprovError(
            f"this pod is on {placed}, and was made for {assignment.node}",
            "does anything in the cluster change pods that are made? kubectl get mutatingwebhookconfigurations",
        )


def _run(assignment: Assignment, places: Places) -> None:
    """Carry it out, leave the result, and only then remove what was brought for it."""
    node, lock = _settings(assignment, places.config)
    prefix, cancel = node.settings.paths.prefix, places.cancel
    name, where = pod.incoming_name(assignment.run), str(places.config / pod.LOCK)
    incoming = Incoming(places.releases, name, lock, where, cancel.check)
    author = Author("nodeprov", f"run-{assignment.run}", __version__)
    context = RunContext(author=author, on_event=_tell, cancel=cancel)
    with LocalNode(node.name, enter=places.enter, mounted={places.releases: f"{prefix}/releases"}) as provider:
        places.leave(NodeRun(assignment, node, provider, incoming.obtained, context, time.monotonic).result())
        _remove(provider.of(node)[Place.NODE], prefix, [name, *incoming.older_than(time.time() - STALE_SECONDS)])


def _remove(host: Host, prefix: str, names: Sequence[str]) -> None:
    """Remove what was brought; what stays of it harms nothing, and goes with an uninstall."""
    for name in names:
        try:
            host.remove(f"{prefix}/releases/{name}", below=posixpath.dirname(prefix))
        except NodeprovError as error:
            _log(str(error))


def _settings(assignment: Assignment, folder: Path) -> tuple[Node, Lock]:
    """Read the node's settings, and the lock that is laid over them."""
    inventory, lock_path = folder / pod.INVENTORY, folder / pod.LOCK
    whole = with_nodes(read_bounded(inventory, "inventory", _OF_CONFIG), str(inventory), [assignment.node])
    lock = from_text(read_bounded(lock_path, "lock", _OF_CONFIG), SOFTWARE, where=str(lock_path))
    whole = locked(whole, lock.release, {name: build.pins for name, build in lock.builds.items()})
    [node] = [each for each in whole.nodes if each.name == assignment.node]
    return on_node(node), lock


def _tell(event: Event) -> None:
    if text := event_text(event):
        _log(text)


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    here = Places()
    signal.signal(signal.SIGTERM, lambda *_: here.cancel.cancel())
    sys.exit(main(os.environ, here))
