"""The dispatcher: gives each node its turn, and sees to it that every run of a node that was begun ends."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from nodeprov.dispatch.actor import Actor, Told
from nodeprov.dispatch.api import Api, ApiError
from nodeprov.dispatch.known import Known
from nodeprov.dispatch.lease import Leadership, NotLeading
from nodeprov.dispatch.marks import DONE, FAILED
from nodeprov.dispatch.steps import Case, Ended, Step, next_step
from nodeprov.dispatch.turns import Standing, Turn, turn
from nodeprov.dispatch.views import COMPONENT, PROOF, NodeView, PodView
from nodeprov.dispatch.wanted import INSTALL, Wanted
from nodeprov.dispatch.watch import Change, Watch
from nodeprov.engine.context import utc_now
from nodeprov.engine.window import Experience, Schedule
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.pod import RUN_LABEL
from nodeprov.inventory import Settings

WORKERS = 16
LOOK_SECONDS = 1.0
"""How often what is waited for is looked at: whether it takes too long."""
BEGIN_SECONDS, MOST_OF_TIME = 0.25, 0.05
"""How often nodes are begun, and what of the time that may take: to put ten thousand in order takes 60 ms."""
AGAIN_SECONDS = 2.0
"""When a step is tried again that the API server could not be asked for."""


@dataclass(frozen=True, slots=True)
class NodeEnd:
    """How the run of a node has ended, and how long it took."""

    node: str
    ended: Ended
    seconds: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a dispatcher is handed.

    Args:
        namespace: where the engines' pods are made.
        identity: names this process.
        kernel_line: finds in what a proof's pod says by what its kernel is known as a sandbox's.
        on_told: hears what becomes of nodes; called by several threads.
        on_end: hears how the run of a node has ended.
        on_error: hears what does not concern one node.
        now: tells the time, UTC in ISO 8601.
        monotonic: tells the seconds of a clock that nobody sets.
        stop: ends it.
    """

    namespace: str
    identity: str
    kernel_line: Callable[[str], str]
    on_told: Callable[[Told], None] = lambda _told: None
    on_end: Callable[[NodeEnd], None] = lambda _end: None
    on_error: Callable[[NodeprovError], None] = lambda _error: None
    now: Callable[[], str] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class _Did:
    """What came of a step: a node or a pod as it is now, how the node's run has ended, or an error."""

    node: str
    made: NodeView | PodView | None = None
    ended: Ended | None = None
    error: BaseException | None = None


_Came = tuple[str, "Change[NodeView] | Change[PodView]"]


class Dispatcher:
    """One dispatcher, with its watches, until it is stopped or all is done.

    Attributes:
        known: what it knows of the cluster.
        ends: how runs of nodes have ended that it has seen to their end.
        turn: what was begun last, and why no more.
        is_ready: whether it has read the cluster.
        api: what it speaks to the cluster by.
    """

    def __init__(self, api: Api, lease: Leadership, wanted: Wanted, around: Surroundings) -> None:
        """Take what is wanted; raise UsageError for faults of the inventory. `api` must insist on the lease."""
        self.known = Known(wanted)
        self.ends: list[NodeEnd] = []
        self.turn = Turn()
        self.is_ready = False
        self.api = api
        self._lease, self._around = lease, around
        self._actor = Actor(api, around.namespace, around.now, around.identity)
        self._events: queue.SimpleQueue[_Came | _Did | Wanted] = queue.SimpleQueue()
        self._listed: set[str] = set()
        self._busy: set[str] = set()
        self._pods_made: Counter[str] = Counter()
        self._since: dict[str, tuple[object, float]] = {}
        self._not_before: dict[str, float] = {}
        self._begun_at: dict[str, float] = {}
        self._schedule = Schedule(self.known.members.rollout, Experience({}, INSTALL))
        self._next_look = self._next_begin = 0.0
        self._watches = self._watched(api)

    @property
    def lists(self) -> dict[str, int]:
        """How often all objects of each kind were listed."""
        return {kind: watch.lists for kind, watch in self._watches.items()}

    def want(self, wanted: Wanted) -> None:
        """Take what is wanted from now on; nodes that were begun are finished as they were begun."""
        self._events.put(wanted)

    def run(self, *, once: bool) -> None:
        """Dispatch until it is stopped, or `once`: until no node is left that may be begun."""
        for kind, watch in self._watches.items():
            threading.Thread(target=self._follow, args=(kind, watch), daemon=True).start()
        with ThreadPoolExecutor(WORKERS) as workers:
            while not self._around.stop.is_set():
                names = {name for event in self._arrived() for name in self._taken(event)}
                if len(self._listed) < len(self._watches) or not self._lease.is_leading:
                    continue
                self.is_ready = True
                self._go_on(names, workers)
                if once and self._is_done():
                    return

    def _watched(self, api: Api) -> dict[str, Watch[NodeView] | Watch[PodView]]:
        stop, on_error = self._around.stop, self._around.on_error
        proofs = self.known.members.proof_namespaces
        engines = f"/api/v1/namespaces/{self._around.namespace}/pods"
        watches: dict[str, Watch[NodeView] | Watch[PodView]] = {
            "nodes": Watch(api, "/api/v1/nodes", NodeView.of, stop=stop, on_error=on_error),
            "pods": Watch(api, engines, PodView.of, label_selector=RUN_LABEL, stop=stop, on_error=on_error),
        }
        for namespace in sorted(proofs):
            path, labels = f"/api/v1/namespaces/{namespace}/pods", f"{RUN_LABEL},{COMPONENT}={PROOF}"
            watch = Watch(api, path, PodView.of, label_selector=labels, stop=stop, on_error=on_error)
            watches[f"proofs in {namespace}"] = watch
        return watches

    def _follow(self, kind: str, watch: Watch[NodeView] | Watch[PodView]) -> None:
        for change in watch.changes():
            self._events.put((kind, change))

    def _arrived(self) -> Iterator[_Came | _Did | Wanted]:
        """Yield what has come, and wait for it a moment."""
        with suppress(queue.Empty):
            yield self._events.get(timeout=0.1)
            while True:
                yield self._events.get_nowait()

    def _taken(self, event: _Came | _Did | Wanted) -> Iterator[str]:
        """Take what has come; name the nodes that it concerns."""
        if isinstance(event, Wanted):
            self._take_wanted(event)
        elif isinstance(event, _Did):
            self._take_end(event)
            yield event.node
        else:
            kind, change = event
            self._listed.add(kind)
            if kind == "nodes":
                yield from self.known.node_changed(change)  # type: ignore[arg-type]
            else:
                yield from self.known.pod_changed(change, proofs=kind != "pods")  # type: ignore[arg-type]

    def _take_wanted(self, wanted: Wanted) -> None:
        try:
            self.known.want(wanted)
            self._schedule = Schedule(self.known.members.rollout, Experience({}, INSTALL))
        except NodeprovError as error:
            self._around.on_error(error)

    def _take_end(self, did: _Did) -> None:
        """Take what came of a step."""
        self._busy.discard(did.node)
        if did.error is not None:
            self._take_error(did)
        elif isinstance(did.made, NodeView):
            self.known.put_node(did.made)
        elif isinstance(did.made, PodView):
            self.known.put_pod(did.made)
        if did.ended is not None:
            self._take_finished(did.node, did.ended)

    def _take_error(self, did: _Did) -> None:
        error = did.error
        if not isinstance(error, NodeprovError):
            raise error or AssertionError
        is_conflict = isinstance(error, ApiError) and error.status in (404, 409)
        self._not_before[did.node] = self._around.monotonic() + (0.1 if is_conflict else AGAIN_SECONDS)
        if not is_conflict and not isinstance(error, NotLeading):
            self._around.on_error(error.at(did.node))

    def _take_finished(self, name: str, ended: Ended) -> None:
        began = self._begun_at.pop(name, None)  # None: another dispatcher has begun it
        took = 0.0 if began is None else self._around.monotonic() - began
        end = NodeEnd(name, ended, took)
        self.ends.append(end)
        self._around.on_end(end)
        if ended.result == DONE and began is not None:
            self._schedule.experience.learn(took)
        self._pods_made.pop(name, None)
        self._since.pop(name, None)

    def _go_on(self, names: set[str], workers: ThreadPoolExecutor) -> None:
        """Have the next step taken for nodes of which something is new, and begin others."""
        now = self._around.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            names = {*names, *self.known.in_work()}
        for name in names:
            self._consider(name, workers)
        if now >= self._next_begin:
            self._begin(workers)
            after = self._around.monotonic()
            self._next_begin = after + max(BEGIN_SECONDS, (after - now) / MOST_OF_TIME)

    def _consider(self, name: str, workers: ThreadPoolExecutor) -> None:
        if name in self._busy:
            return
        now = self._around.monotonic()
        if now < self._not_before.get(name, 0.0):
            return
        case = self._case(name, now)
        if case is None:
            return
        step = next_step(case)
        if step.doing != "wait":
            self._submit(workers, name, step, case.node)

    def _case(self, name: str, now: float) -> Case | None:
        """Put together what is known of a node that is in work; None if it is not."""
        node = self.known.nodes.get(name)
        claim = node.claim if node else ""
        engine, proof = (self.known.pod(name, claim, is_proof=each) for each in (False, True))
        if not (claim or engine or proof):
            self._since.pop(name, None)
            self._not_before.pop(name, None)
            return None
        settings = self.known.members.settings(name)
        state = (claim, engine and (engine.uid, engine.message), proof and proof.uid)
        before, since = self._since.get(name, (None, now))
        if before != state:
            since = now
            self._since[name] = (state, now)
        return Case(
            node,
            engine,
            proof,
            self.known.wanted.run,
            settings.runtime.handler,
            settings.proof.pod,
            self._around.kernel_line,
            self._pods_made[name],
            now - since,
            self.known.wanted.deadline_seconds,
            settings.proof.timeout_seconds,
        )

    def _begin(self, workers: ThreadPoolExecutor) -> None:
        """Claim the nodes whose turn it is."""
        known = self.known
        due = [name for name in known.due if known.nodes[name].is_ready and name not in self._busy]
        changing = list({*known.changing, *(name for name in self._busy if name in known.meant)})
        standing = Standing(known.meant, due, changing, known.wanted.run)
        self.turn = turn(standing, known.members.rollout, self._schedule, self._around.now())
        now = self._around.monotonic()
        for name in self.turn.nodes:
            if name not in self._busy and now >= self._not_before.get(name, 0.0):
                self._begun_at[name] = now
                self._submit(workers, name, Step("claim"), known.nodes[name])

    def _submit(self, workers: ThreadPoolExecutor, name: str, step: Step, node: NodeView | None) -> None:
        self._busy.add(name)
        if step.doing == "make the pod":
            self._pods_made[name] += 1
        workers.submit(self._do, name, step, node)

    def _do(self, name: str, step: Step, node: NodeView | None) -> None:
        """Take a step, in a thread; what comes of it is handed to the loop."""
        try:
            did = _Did(name)
            if step.pod is not None:
                self._actor.remove(step.pod, at_once=step.at_once)
            elif node is not None:
                did = self._done(node, step)
        except BaseException as error:  # the loop must hear of it, whatever it is
            did = _Did(name, error=error)
        self._events.put(did)

    def _done(self, node: NodeView, step: Step) -> _Did:
        wanted, settings = self.known.wanted, self.known.members.settings(node.name)
        action = self.known.action(node)
        if step.ended is not None:
            return self._finished(node, settings, step.ended)
        try:
            if step.doing == "claim":
                return _Did(node.name, self._actor.claim(node, wanted, settings, action))
            if step.doing == "make the pod":
                return _Did(node.name, self._actor.make_engine(node, wanted, settings, action))
            return _Did(node.name, self._actor.make_proof(node, wanted, settings))
        except ApiError as error:
            if error.status == 409:
                return _Did(node.name, self._actor.read(node))
            if error.status not in (400, 403, 422) or step.doing == "claim":
                raise
            refused = Ended(FAILED, error.message, error.hint, action=action, want=wanted.digest)
        return self._finished(node, settings, refused)

    def _finished(self, node: NodeView, settings: Settings, ended: Ended) -> _Did:
        """Write down how a node's run has ended, unless it is another node, or another run's, by now."""
        now = node
        while (now.uid, now.claim) == (node.uid, node.claim):
            try:
                made = self._actor.finish(now, settings, ended)
            except ApiError as error:
                if error.status != 409:
                    raise
                now = self._actor.read(node)
            else:
                self._tell(node, ended)
                return _Did(node.name, made, ended)
        return _Did(node.name, now)

    def _tell(self, node: NodeView, ended: Ended) -> None:
        if ended.result == DONE:
            return
        said = "\n".join(filter(None, (ended.why, ended.hint and f"hint: {ended.hint}")))
        told = Told(node.name, "NodeprovFailed", said, is_warning=True)
        self._around.on_told(told)
        try:
            self._actor.tell(told, node)
        except NodeprovError as error:  # the annotation says it too
            self._around.on_error(error)

    def _is_done(self) -> bool:
        """Tell whether nothing is in work, and no node is left that may be begun."""
        if self._busy or any(True for _ in self.known.in_work()) or self.turn.nodes:
            return False
        return self.turn.is_over or not any(self.known.nodes[name].is_ready for name in self.known.due)
