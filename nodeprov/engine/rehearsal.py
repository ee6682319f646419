"""Every command of a plan, in its order: the very run, on hosts on which nothing runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nodeprov import containerd
from nodeprov.containerd import Config, takeover
from nodeprov.engine.context import Cancellation, RunContext
from nodeprov.engine.look import Install
from nodeprov.engine.planner import Planned
from nodeprov.engine.transaction import apply
from nodeprov.errors import Cancelled, NodeprovError
from nodeprov.hosts.base import A, Guard, NothingHeld, Output, Place, Query, Reader, Script, plain
from nodeprov.hosts.shell import ShellHost, ask_script
from nodeprov.kubernetes.draining import NodePodsQuery
from nodeprov.kubernetes.init_containers import InitContainersQuery
from nodeprov.kubernetes.kubectl import Get, kubectl
from nodeprov.kubernetes.proof_pods import Pod
from nodeprov.node.facts import FactsQuery, OfRuns, OfRunsQuery
from nodeprov.node.receipts import Author, to_json
from nodeprov.node.state import Facts
from nodeprov.plan import containerd_config
from nodeprov.plan.containerd_config import ContainerdConfig
from nodeprov.plan.files import FileAt, Tree
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Adopt, Event, Step, parts
from nodeprov.plan.steps import Pod as PodProof
from nodeprov.reports.commands import UNKNOWN, Command, Commands, comparable
from nodeprov.reports.plan import part_text


class RehearsedFailure(NodeprovError):
    """What goes wrong on purpose, so that it is seen what would be done then."""


def rehearse(planned: Planned, readers: Mapping[Place, Reader], author: Author) -> Commands:
    """Carry a plan out on hosts that write down every command and run none; only questions are really asked.

    What depends on the moment is written as X: random names, the time, and the digest of a receipt.
    """
    stage = _Stage(planned, readers)
    doing = stage.play(author)
    kept = [step for step in planned.plan.steps if not (isinstance(step, Change) and step.collects)]
    last = kept[-1] if kept else None
    failing = [_Stage(_with_one_more(planned, last), readers, cancelled_after=last).play(author)] if last else []
    if any(isinstance(change.resource, Tree) and change.after for change in planned.plan.changes):
        failing.append(_Stage(planned, readers, fails_in_upload=True).play(author))
    known = {(each.host, each.script) for each in doing}
    undoing: list[Command] = []
    for some in failing:  # of the second one what the first has not; in each one a look as often as it is made
        more = [each for each in some if (each.host, each.script) not in known]
        undoing += more
        known |= {(each.host, each.script) for each in more}
    return Commands((), stage.guarding, doing, _waiting(planned, readers), undoing=tuple(undoing))


def _with_one_more(planned: Planned, last: Step) -> Planned:
    """Add a step that does nothing behind the last one: a run can be cancelled only before a step."""
    steps = planned.plan.steps
    behind = steps.index(last) + 1
    return replace(planned, plan=replace(planned.plan, steps=(*steps[:behind], Adopt(()), *steps[behind:])))


def _waiting(planned: Planned, readers: Mapping[Place, Reader]) -> tuple[Command, ...]:
    """Ask what is asked of a pod that does not get on."""
    if not any(isinstance(step, PodProof) for step in planned.plan.steps):
        return ()
    stage = _Stage(planned, readers)
    settings, name = planned.settings, f"nodeprov-proof-{UNKNOWN * 8}"
    pod = Pod(stage.hosts[Place.CLUSTER], kubectl(settings.cluster), settings.proof.namespace, name, "")
    pod.phase()
    pod.trouble()
    return tuple(replace(each, what="while a pod is waited for") for each in stage.commands)


class _Stage:
    """Hosts for one rehearsal, which answer as if all went well, or as if one thing did not."""

    def __init__(
        self,
        planned: Planned,
        readers: Mapping[Place, Reader],
        *,
        cancelled_after: Step | None = None,
        fails_in_upload: bool = False,
    ) -> None:
        self.commands: list[Command] = []
        self.guarding: tuple[Command, ...] = ()
        self.hosts = {place: _RehearsedHost(reader, self) for place, reader in readers.items()}
        self.fails_in_upload = fails_in_upload
        self._cancelled_after = parts([cancelled_after])[-1] if cancelled_after else None
        self._cancel = _NoTime()
        self._failed_at: int | None = None
        self._planned = planned
        self.state = planned.settings.paths.state
        self._what = "the lock"
        self._states: dict[Any, list[Any]] = {
            change.resource.query: [change.before] for change in planned.plan.changes
        }
        self._facts = _well(planned)
        self._links = {each.layout.handler: each.footprint.links for each in planned.as_read}
        # What the run makes is also looked at by another path, through the link `current`.
        self._made = {
            f"{folder}/{name}": state
            for each in planned.views
            if each.want.release
            for made in [each.want.family.generation(each.state, each.want.release)]
            for name, state in made.files.items()
            for folder in (made.folder, each.state.layout.current)
        }
        self._unconfirmed = planned.settings.proof.unconfirmed == "restore"

    def play(self, author: Author) -> tuple[Command, ...]:
        """Carry the plan out; raise NodeprovError if it cannot be, which is a fault of the rehearsal."""
        run = RunContext(author, lambda: UNKNOWN, self._on_event, self._cancel)
        outcome = apply(self._planned, self.hosts, run)
        if isinstance(outcome.error, RehearsedFailure | Cancelled):
            return tuple(self.commands[self._failed_at :])
        if outcome.error is not None or outcome.left:
            said = outcome.error.message if outcome.error else "; ".join(outcome.left)
            hint = "report it; `-vv` shows the commands when they run"
            raise NodeprovError(f"the commands cannot be listed: {said}", hint, where=self._planned.node.name)
        return tuple(self.commands)

    def note(self, host: str, script: Script[Any], *, stdin: str = "", what: str = "") -> None:
        what = "a receipt" if f"path={self.state}/receipts/" in script.text else what or self._what
        self.commands.append(Command(host, what, comparable(script.text, self.state), stdin))

    def fail(self) -> None:
        """Have it go wrong from here on."""
        self._failed_at = len(self.commands)
        raise RehearsedFailure("a rehearsed failure")

    def answer(self, query: Query[Any], reader: Reader) -> Any:
        """Answer a question as if all went well, by what the plan knows; ask the host what it does not."""
        match query:
            case FactsQuery():
                return self._facts
            case OfRunsQuery(layout=layout):
                return replace(OfRuns.among(self._facts), links=self._links[layout.handler])
            case NodePodsQuery():
                return ()
            case InitContainersQuery():
                return frozenset()
            case Get(kind="node"):
                names = [{"name": each.settings.runtime.handler} for each in self._planned.views]
                return {"status": {"runtimeHandlers": names}}
            case Get(kind="runtimeclass"):
                cluster = self._planned.state.cluster
                return cluster.runtime_class if cluster else None
        if states := self._states.get(query):
            return states.pop(0) if len(states) > 1 else states[0]
        if isinstance(query, FileAt) and query.path in self._made:
            return self._made[query.path]
        return reader.ask([query])[0]

    def answered(self, script: Script[A]) -> A:
        """Read what a script would print if all went well: it has that itself, but for what the plan knows."""
        printed = script.when_well
        match script.name:
            case containerd_config.GATE:
                daemons = self._planned.state.daemon, self._facts.running_daemon
                printed = containerd_config.reading_text(*(daemon.dump for daemon in daemons))
            case "kubectl logs":
                printed = self._planned.want.family.kernel_example
            case "switched" if not printed:  # else it is asked whether containerd answers again
                # The dead man's switch waits for a confirmation first, where one is asked for.
                printed = b"proven\n" if self._unconfirmed else b"kept\n"
                self._unconfirmed = False
        return script.read(Output(0, printed, b""))

    def _on_event(self, event: Event) -> None:
        self._what = part_text(event.step) if event.phase == "begun" else self._what
        if isinstance(event.step, Change):
            query, change = event.step.resource.query, event.step
            if event.phase in ("begun", "done"):  # of a swap only its restart is reported as begun
                self._states[query] = [change.after]
            if event.phase == "undone":
                self._what = f"taking back {change.resource.title}"
                self._states[query] = [change.after, change.before]
        elif event.phase == "undone":
            self._what = f"{part_text(event.step)}, with its configuration as before"
        if event.phase == "done" and event.step is self._cancelled_after:
            self._failed_at = len(self.commands)
            self._cancel.cancel()


class _NoTime(Cancellation):
    """Waits for nothing."""

    def wait(self, seconds: float) -> None:
        pass


class _RehearsedHost(ShellHost):
    """A host on which nothing runs; what would is written down."""

    def __init__(self, reader: Reader, stage: _Stage) -> None:
        super().__init__(reader.name)
        self._reader = reader
        self._stage = stage

    def guard(self, guard: Guard | None) -> None:
        if guard is not None:
            script = comparable(guard(), self._stage.state)
            self._stage.guarding = (Command(self.name, "see that this run has the lock still", script),)

    def ask(self, queries: Sequence[Query[Any]]) -> list[Any]:
        if not queries:  # as ShellHost
            return []
        self._stage.note(self.name, ask_script(queries), what="look")
        return [self._stage.answer(query, self._reader) for query in queries]

    def run(self, script: Script[A], *, stdin: bytes = b"", timeout_seconds: float | None = None) -> A:  # noqa: ARG002  nothing takes time
        self._stage.note(self.name, script, stdin=f"{len(stdin)} bytes" if stdin else "")
        return self._stage.answered(script)

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        raise AssertionError(f"nothing runs in a rehearsal: {script!r}, {stdin!r}, {timeout_seconds}")

    def upload_file(self, source: Path, script: str, on_sent: Callable[[int], None]) -> Output:  # noqa: ARG002
        if self._stage.fails_in_upload:
            self._stage.fail()
        stdin = f"the file {source.name} of the release, {source.stat().st_size} bytes"
        self._stage.note(self.name, plain("upload", script), stdin=stdin)
        return Output(0, b"", b"")

    def hold(self, script: Script[Any], *, heartbeat_seconds: float = 0) -> NothingHeld:  # noqa: ARG002  as it does
        self._stage.note(self.name, script)
        return NothingHeld()


def _well(planned: Planned) -> Facts:
    """Describe how the node would look in its run: nothing needs our files, and containerd has our table."""
    state, daemon, want = planned.as_read[0], planned.as_read[0].daemon, planned.want
    edit = containerd.add_runtime if planned.plan.action.serves else containerd.remove_runtime
    edited = [each.resource for each in planned.plan.changes if isinstance(each.resource, ContainerdConfig)]
    dump = daemon.dump
    for runtime in dict.fromkeys(runtime for resource in edited for runtime in resource.runtimes):
        if isinstance(want, Install) and want.adopts:
            dump = takeover.taken_over(Config(dump, daemon.config_path), runtime, daemon.version_to_start).text
        dump = edit(dump, runtime)
    daemon = replace(daemon, dump=dump, config_changed_at=None)
    footprint = replace(state.footprint, processes={}, bundles=())
    receipts = tuple(to_json(each) for each in state.history.on_disk)
    return Facts(state.node.name, state.machine, daemon, footprint, receipts, unit_state="")
