"""What a run gives back that is stopped: the nodes on which nothing has restarted yet, and that only wait."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from nodeprov.dispatch.actor import NODES, Actor
from nodeprov.dispatch.api import Api, ApiError
from nodeprov.dispatch.dispatcher import WORKERS, Dispatcher
from nodeprov.dispatch.marks import CLAIM
from nodeprov.dispatch.surroundings import Surroundings
from nodeprov.dispatch.views import NodeView, PodView
from nodeprov.dispatch.workers import Workers
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.pod import RUN_LABEL

AT_WORK = "its engine's pod was made, and goes on"
NOT_KNOWN = "the API server has not answered whether its engine's pod was made"
NO_ANSWER = "the API server has not answered in time"
AT_ONCE = "it was interrupted once more"


@dataclass(slots=True)
class GivenBack:
    """What came of it.

    Args:
        nodes: those that were given back, as they are now.
        kept: those that were not, and why.
    """

    nodes: dict[str, NodeView] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


class GivingBack:
    """Gives nodes back after a dispatcher was stopped, by what the cluster has and not by what that one knew.

    A node whose engine's pod was made is left to it. Each of the others is one write, so that who is killed in
    between leaves nodes that the next run finds as they were, or given back.
    """

    def __init__(self, api: Api, stopped: Dispatcher, around: Surroundings) -> None:
        """Speak to a cluster by `api`, which must insist on the lease and be impatient."""
        self._api, self._stopped, self._around = api, stopped, around
        self._actor = Actor(api, around.namespace, around.now, around.identity)
        self._workers = Workers(WORKERS)
        self._engines: dict[str, list[PodView]] = {}
        self._staged: dict[str, list[PodView]] = {}
        self._came = GivenBack()
        self._changing = threading.Lock()
        self._killed: BaseException | None = None

    def within(self, seconds: float) -> GivenBack:
        """Give back what can be given back in so many seconds, or until it is to end at once."""
        known = self._stopped.known
        for name in known.in_work():
            if (node := known.nodes.get(name)) and _is_held(node, known.wanted.run):
                self._keep(name, NO_ANSWER)
        self._submit("", self._look)
        has_ended = self._workers.wait(seconds, self._around.at_once)
        self._workers.close()
        if self._killed is not None:
            raise self._killed
        with self._changing:
            came = GivenBack(dict(self._came.nodes), dict(self._came.kept))
        if not has_ended and self._around.at_once.is_set():
            came.kept = {name: AT_ONCE if why == NO_ANSWER else why for name, why in came.kept.items()}
        return came

    def _submit(self, name: str, task: Callable[[], None]) -> None:
        self._workers.submit(partial(self._tried, name, task))

    def _tried(self, name: str, task: Callable[[], None]) -> None:
        """Do something for a node, or for all of them; what it is hindered by is the reason why they are kept."""
        try:
            task()
        except NodeprovError as error:
            if isinstance(error, ApiError) and error.status == 404:
                self._forget(name)  # it has left the cluster
            self._hindered(name, error.message)
        except Exception as error:
            self._around.on_fault(name or "the nodes", "".join(traceback.format_exception(error)))
            self._hindered(name, f"a fault of nodeprov: {type(error).__name__}: {error}")
        except BaseException as error:
            self._killed = error

    def _hindered(self, name: str, why: str) -> None:
        """Say why a node is kept, or all that are still to be given back."""
        with self._changing:
            for each in [name] if name else [*self._came.kept]:
                if each in self._came.kept:
                    self._came.kept[each] = why

    def _look(self) -> None:
        """Find the pods and the nodes of this run as they are now; pods first, for none is made any more."""
        path = f"/api/v1/namespaces/{self._around.namespace}/pods"
        for page in self._api.pages(path, labelSelector=RUN_LABEL):
            for pod in map(PodView.of, page["items"]):
                if pod.is_before_drain:
                    self._staged.setdefault(pod.node_uid, []).append(pod)
                elif not pod.is_proof:
                    self._engines.setdefault(pod.node_uid, []).append(pod)
        held = [*self._held()]
        with self._changing:
            self._came.kept = {each.name: NO_ANSWER for each in held}
        for node in held:
            self._submit(node.name, partial(self._consider, node))

    def _held(self) -> Iterator[NodeView]:
        """Yield the nodes that a run has, and those that have marks of a drain without one."""
        known, names = self._stopped.known, set()
        for page in self._api.pages(NODES, labelSelector=CLAIM):
            for node in map(NodeView.of, page["items"]):
                names.add(node.name)
                if _is_held(node, known.wanted.run):
                    yield node
        # These may be others by now: a write of what was read before is refused, and it is read again.
        yield from (each for each in known.nodes.values() if each.is_being_emptied and each.name not in names)

    def _consider(self, node: NodeView) -> None:
        engines = self._engines.get(node.uid, ())
        if any(each.run == node.claim or not each.has_ended for each in engines):
            self._keep(node.name, AT_WORK)
        elif node.name in self._stopped.may_have_engines:
            self._keep(node.name, NOT_KNOWN)
        else:
            self._give_back(node)

    def _give_back(self, node: NodeView) -> None:
        known, now = self._stopped.known, node
        settings, action = known.members.settings(node.name), known.action(node)
        while now.uid == node.uid and _is_held(now, known.wanted.run):
            try:
                made = self._actor.give_back(now, known.wanted, settings, action)
            except ApiError as error:
                if error.status != 409:
                    raise
                now = self._actor.read(node)
            else:
                with self._changing:
                    self._came.nodes[node.name] = made
                break
        self._forget(node.name)
        for pod in self._staged.get(node.uid, ()):
            self._actor.remove(pod)

    def _keep(self, name: str, why: str) -> None:
        with self._changing:
            self._came.kept[name] = why

    def _forget(self, name: str) -> None:
        with self._changing:
            self._came.kept.pop(name, None)


def _is_held(node: NodeView, run: str) -> bool:
    """Tell whether something can be given back: an earlier run's claim stays, for the next run takes it over."""
    return node.claim == run or node.is_being_emptied
