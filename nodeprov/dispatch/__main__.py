"""The dispatcher in the cluster: `python3 -m nodeprov.dispatch`, in a pod with its service account."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from nodeprov.dispatch.access import SERVICE_ACCOUNT, in_cluster
from nodeprov.dispatch.actor import Told
from nodeprov.dispatch.api import Api, sleeping_until
from nodeprov.dispatch.dispatcher import Dispatcher
from nodeprov.dispatch.lease import Leadership
from nodeprov.dispatch.numbers import numbers
from nodeprov.dispatch.objects import PORT
from nodeprov.dispatch.serving import serve
from nodeprov.dispatch.surroundings import Surroundings
from nodeprov.dispatch.wanted import Members, Wanted, read_wanted
from nodeprov.engine.context import utc_now
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.pod import NAMESPACE
from nodeprov.runtimes import FAMILY

LOOK_SECONDS = 10.0
"""How often it is looked whether something else is wanted."""


class Resident:
    """A dispatcher that stays, and does what the ConfigMap says."""

    def __init__(
        self,
        environment: Mapping[str, str],
        stop: threading.Event,
        folder: Path = SERVICE_ACCOUNT,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Read what is wanted; raise NodeprovError where that cannot be. It is read again all `look_seconds`."""
        self.namespace = environment.get("NODEPROV_NAMESPACE", NAMESPACE)
        identity = environment.get("NODEPROV_IDENTITY", f"pid-{os.getpid()}")
        access = in_cluster(environment, folder)
        self.stop, self.look_seconds = stop, look_seconds
        self.lease = Leadership(Api(access, patience_seconds=0, timeout_seconds=5), self.namespace, identity)
        self.reading = Api(access, sleep=sleeping_until(stop))
        self.wanted = self._read()
        around = Surroundings(
            self.namespace,
            identity,
            FAMILY.kernel_line,
            on_told=_tell,
            on_wait=_tell_wait,
            on_error=_log,
            on_fault=_tell_fault,
            stop=stop,
        )
        api = Api(access, sleep=sleeping_until(stop), before_write=self.lease.insist)
        self.dispatcher = Dispatcher(api, self.lease, self.wanted, around)

    def run(self) -> None:
        """Work until it is stopped, or something is wanted that only a new process can do."""
        for target in (self._look, self._hold):
            threading.Thread(target=target, daemon=True).start()
        self.dispatcher.run(once=False)
        self.lease.release()

    def metrics(self) -> tuple[int, str]:
        """Answer with the numbers."""
        return 200, numbers(self.dispatcher, leads=self.lease.is_leading)

    def readiness(self) -> tuple[int, str]:
        """Tell whether it leads and has read the cluster."""
        is_ready = self.lease.is_leading and self.dispatcher.is_ready
        return (200, "ready\n") if is_ready else (503, f"waiting; {self.lease.holder or 'nobody'} leads\n")

    def _hold(self) -> None:
        self.lease.hold(self.stop, _log)

    def _look(self) -> None:
        while not self.stop.wait(self.look_seconds):
            try:
                found = self._read()
                namespaces = Members(found).proof_namespaces
            except NodeprovError as error:
                _log(error)
                continue
            if namespaces != self.dispatcher.known.members.proof_namespaces:
                self.stop.set()  # the next process watches those
            if found != self.wanted:
                _say("wanted", run=found.run, action=found.action, digest=found.digest)
                self.wanted = found
                self.dispatcher.want(found)

    def _read(self) -> Wanted:
        found = read_wanted(self.reading, self.namespace)
        if found is None:
            raise NodeprovError(f"nothing is wanted in {self.namespace} yet", "nodeprov cluster install")
        return found


def _tell(told: Told) -> None:
    _say(told.reason, node=told.node, said=told.said)


def _tell_wait(node: str, why: str) -> None:
    _say("waiting", node=node, said=why)


def _tell_fault(node: str, traceback: str) -> None:
    _say("fault", node=node, traceback=traceback)


def _log(error: NodeprovError) -> None:
    _say("error", where=error.where, said=error.message, hint=error.hint)


def _say(what: str, **fields: str) -> None:
    """Write a line of the log, as JSON."""
    sys.stderr.write(json.dumps({"at": utc_now(), "what": what, **fields}) + "\n")


def main(environment: Mapping[str, str]) -> int:
    """Run until a signal; return the exit code."""
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    found: list[Resident] = []
    pages: dict[str, Callable[[], tuple[int, str]]] = {
        "/healthz": lambda: (200, "ok\n"),
        "/readyz": lambda: found[0].readiness() if found else (503, "the API server is waited for\n"),
        "/metrics": lambda: found[0].metrics() if found else (503, ""),
    }
    with serve(pages, PORT):  # before the API server is asked: one that is away is no reason to be killed
        try:
            found.append(Resident(environment, stop))
            found[0].run()
        except NodeprovError as error:
            _log(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
