"""The dispatcher: gives each node its turn, and sees to it that every run of a node that was begun ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from nodeprov.dispatch.actor import Actor
from nodeprov.dispatch.api import Api, ApiError
from nodeprov.dispatch.case import Case, Ended, Step
from nodeprov.dispatch.doing import Did, Doer, NotYet
from nodeprov.dispatch.evictions import Evictions
from nodeprov.dispatch.faults import Faults, result_of
from nodeprov.dispatch.known import Known
from nodeprov.dispatch.lease import Leadership, NotLeading
from nodeprov.dispatch.marks import DONE
from nodeprov.dispatch.progress import Progress
from nodeprov.dispatch.steps import next_step
from nodeprov.dispatch.surroundings import NodeEnd, Surroundings
from nodeprov.dispatch.turns import Standing, Turn, turn
from nodeprov.dispatch.views import COMPONENT, PROOF, NodeView, PodView
from nodeprov.dispatch.wanted import INSTALL, STAGE, Wanted
from nodeprov.dispatch.watch import Change, Watch
from nodeprov.dispatch.workers import Workers
from nodeprov.engine.window import Experience, Schedule
from nodeprov.errors import NodeprovError
from nodeprov.in_cluster.pod import RUN_LABEL
from nodeprov.inventory import RolloutSettings

WORKERS = 16
LOOK_SECONDS = 1.0
"""How often what is waited for is looked at: whether it takes too long."""
BEGIN_SECONDS, MOST_OF_TIME = 0.25, 0.05
"""How often nodes are begun, and what of the time that may take: to put ten thousand in order takes 15 ms."""
AGAIN_SECONDS = 2.0
"""When a step is tried again that the API server could not be asked for."""
END_SECONDS = 2.0
"""How long steps that are being taken are waited for where it is stopped; each is a few requests."""


_Came = tuple[str, "Change[NodeView] | Change[PodView]"]


class Dispatcher:
    """One dispatcher, with its watches, until it is stopped or all is done.

    Attributes:
        known: what it knows of the cluster.
        ends: how runs of nodes have ended that it has seen to their end.
        turn: what was begun last, and why no more.
        faults: the nodes for which nodeprov itself has failed.
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
        self._events: queue.SimpleQueue[_Came | Did | Wanted] = queue.SimpleQueue()
        actor = Actor(api, around.namespace, around.now, around.identity)
        self._doer = Doer(
            actor, Evictions(api, around.namespace, around.stop), self.known, around, self._events.put
        )
        self.faults = Faults(around.on_fault)
        self._listed: set[str] = set()
        self._progress = Progress(around.monotonic)
        self._schedule = _schedule(self.known.members.rollout)
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
        workers = Workers(WORKERS)
        try:
            while not self._around.stop.is_set():
                names = {name for event in self._arrived() for name in self._taken(event)}
                if len(self._listed) < len(self._watches) or not self._lease.is_leading:
                    continue
                self.is_ready = True
                self._go_on(names, workers)
                if once and self._is_done():
                    return
        finally:
            workers.close()
            workers.wait(END_SECONDS, self._around.at_once)
        self._take_last()

    @property
    def may_have_engines(self) -> frozenset[str]:
        """Name the nodes whose engine's pod was asked for, and for which no answer has come."""
        return frozenset(self._doer.asked)

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
        try:
            for change in watch.changes():
                self._events.put((kind, change))
        except BaseException as error:  # without its eyes it must not go on: the loop ends by it
            self._events.put(Did("", error=error))

    def _arrived(self) -> Iterator[_Came | Did | Wanted]:
        """Yield what has come, and wait for it a moment."""
        with suppress(queue.Empty):
            yield self._events.get(timeout=0.1)
            while True:
                yield self._events.get_nowait()

    def _taken(self, event: _Came | Did | Wanted) -> Iterator[str]:
        """Take what has come; name the nodes that it concerns."""
        if isinstance(event, Wanted):
            self._take_wanted(event)
        elif isinstance(event, Did):
            self._take_end(event)
            yield event.node
        else:
            kind, change = event
            self._listed.add(kind)
            if kind == "nodes":
                yield from self.known.node_changed(change)  # type: ignore[arg-type]
            else:
                yield from self.known.pod_changed(change, proofs=kind != "pods")  # type: ignore[arg-type]

    def _take_last(self) -> None:
        """Take what has come since it was stopped; a step that was broken off is no news."""
        while not self._events.empty():
            event = self._events.get()
            if not (isinstance(event, Did) and isinstance(event.error, NodeprovError)):
                list(self._taken(event))

    def _take_wanted(self, wanted: Wanted) -> None:
        try:
            self.known.want(wanted)
            self.faults.forget()
            self._schedule = _schedule(self.known.members.rollout)
        except NodeprovError as error:
            self._around.on_error(error)

    def _take_end(self, did: Did) -> None:
        """Take what came of a step."""
        self._progress.busy.discard(did.node)
        if did.error is not None:
            self._take_error(did)
        elif isinstance(did.made, NodeView):
            self.known.put_node(did.made)
        elif isinstance(did.made, PodView):
            self.known.put_pod(did.made)
            self._progress.pods_made[did.node] += not did.made.is_proof
        elif did.waits:
            self._progress.postpone(did.node, did.again_seconds)
            if (node := self.known.nodes.get(did.node)) and node.waiting:
                self._progress.held_up.add(did.node)
            if self._progress.is_news(did.node, did.waits):
                self._around.on_wait(did.node, did.waits)
        if did.is_refused:
            self.faults.refuse(did.node)
        if did.ended is not None:
            self._take_finished(did.node, did.ended)

    def _take_error(self, did: Did) -> None:
        error = did.error
        if isinstance(error, Exception) and not isinstance(error, NodeprovError) and did.node:
            self._take_fault(did.node, error)
            return
        if not isinstance(error, NodeprovError):
            raise error or AssertionError
        is_conflict = isinstance(error, ApiError) and error.status in (404, 409)
        self._progress.postpone(did.node, 0.1 if is_conflict else AGAIN_SECONDS)
        if not is_conflict and not isinstance(error, NotLeading | NotYet):
            self._around.on_error(error.at(did.node))

    def _take_fault(self, name: str, error: Exception) -> None:
        """Fail one node for what no one has foreseen; it is looked at again at once."""
        node, wanted = self.known.nodes.get(name), self.known.wanted
        engine = self.known.pod(name, node.claim if node else "")
        action = self.known.action(node) if node else wanted.action
        how = Ended(result_of(engine), action=action, want=wanted.digest, run=wanted.run)
        ended = self.faults.take(name, error, how)
        if name in self.faults.given_up:
            self._take_finished(name, ended)

    def _take_finished(self, name: str, ended: Ended) -> None:
        was_held_up = name in self._progress.held_up
        took = self._progress.finish(name)
        self.faults.finish(name)
        end = NodeEnd(name, ended, took or 0.0)
        self.ends.append(end)
        self._around.on_end(end)
        if ended.result == DONE and took is not None and not was_held_up:
            self._schedule.experience.learn(took)

    def _go_on(self, names: set[str], workers: Workers) -> None:
        """Have the next step taken for nodes of which something is new, and begin others."""
        now = self._around.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            names = {*names, *self.known.in_work(), *self.faults.failing}
        for name in names:
            self._consider(name, workers)
        if now >= self._next_begin:
            self._begin(workers)
            after = self._around.monotonic()
            self._next_begin = after + max(BEGIN_SECONDS, (after - now) / MOST_OF_TIME)

    def _consider(self, name: str, workers: Workers) -> None:
        if not self._progress.may_go_on(name) or name in self.faults.given_up:
            return
        try:
            self._take_step(name, workers)
        except Exception as error:
            self._take_fault(name, error)

    def _take_step(self, name: str, workers: Workers) -> None:
        """Have the next step taken for a node, if there is any."""
        if ended := self.faults.failing.get(name):
            if node := self.known.nodes.get(name):
                self._submit(workers, name, Step("finish", ended=ended), node)
            else:
                self._take_finished(name, ended)
            return
        case = self._case(name)
        if case is None:
            self._progress.leave(name)
            return
        step = next_step(case)
        if step.doing != "wait":
            self._submit(workers, name, step, case.node)
        elif (
            (pod := case.proof or case.engine or case.staged)
            and pod.trouble
            and self._progress.is_news(name, pod.uid)
        ):
            self._around.on_wait(name, f"its pod does not start yet: {pod.trouble}")

    def _case(self, name: str) -> Case | None:
        """Put together what is known of a node that is in work; None if it is not."""
        node = self.known.nodes.get(name)
        claim = node.claim if node else ""
        engine, proof = (self.known.pod(name, claim, is_proof=each) for each in (False, True))
        staged = self.known.pod(name, claim, is_before_drain=True)
        if not (claim or engine or proof or staged or (node and node.is_being_emptied)):
            return None
        members = self.known.members
        settings = members.settings(name) if node else members.of_unnamed  # a pod's annotation may name anything
        pods = [each and (each.uid, each.message) for each in (engine, staged)]
        state = (claim, *pods, proof and proof.uid)
        return Case(
            node,
            engine,
            proof,
            self.known.wanted.run,
            settings.runtime.handler,
            settings.proof.pod,
            self._around.kernel_line,
            staged,
            self.known.action(node) if node else INSTALL,
            self.known.wanted.digest,
            self._empties(node),
            self._progress.pods_made[name],
            self._progress.waited(name, state),
            self.known.wanted.deadline_seconds,
            settings.proof.timeout_seconds,
        )

    def _empties(self, node: NodeView | None) -> bool:
        """Tell whether pods are to leave a node, or to end, before its restart; what only stages has none."""
        known = self.known
        return node is not None and known.members.empties and known.action(node) != STAGE

    def _begin(self, workers: Workers) -> None:
        """Claim the nodes whose turn it is."""
        known, busy = self.known, self._progress.busy
        left_out = busy | self.faults.failing.keys() | self.faults.given_up.keys()
        due = [name for name in known.due if known.nodes[name].is_ready and name not in left_out]
        changing = known.changing | {name for name in busy if name in known.meant}
        stages = known.wanted.action == STAGE
        standing = Standing(known.meant, due, changing, known.wanted.run, stages)
        self.turn = turn(standing, known.members.rollout, self._schedule, self._around.now())
        if len(self.faults.given_up) >= known.members.rollout.max_failures:
            why = "; ".join(f"{name}: {why}" for name, why in sorted(self.faults.given_up.items())[:3])
            self.turn = Turn(why_not=why, is_over=True)
        for name in self.turn.nodes:
            if self._progress.may_go_on(name):
                self._progress.begin(name)
                self._submit(workers, name, Step("claim"), known.nodes[name])

    def _submit(self, workers: Workers, name: str, step: Step, node: NodeView | None) -> None:
        self._progress.busy.add(name)
        workers.submit(partial(self._doer.do, name, step, node))

    def _is_done(self) -> bool:
        """Tell whether nothing is in work, and no node is left that may be begun."""
        given_up = self.faults.given_up
        if self._progress.busy or self.faults.failing or self.turn.nodes:
            return False
        if any(name not in given_up for name in self.known.in_work()):
            return False
        left = (name for name in self.known.due if name not in given_up)
        return self.turn.is_over or not any(self.known.nodes[name].is_ready for name in left)


def _schedule(rollout: RolloutSettings) -> Schedule:
    """Say when nodes are begun: any node may have pods that are waited for, which is not looked at before."""
    waits = 0.0 if rollout.wait_for is None else float(rollout.wait_timeout_seconds)
    return Schedule(rollout, Experience({}, INSTALL, waits_each=waits))
