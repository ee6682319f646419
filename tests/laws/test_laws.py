"""The three laws of a state, on a host in memory, on this machine and on a real node of the lab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nodeprov import errors
from nodeprov.engine.apply import apply
from nodeprov.errors import Cancelled, NodeprovError, RolledBack
from nodeprov.hosts.base import Host, Place, Reader
from nodeprov.hosts.local import LocalHost
from nodeprov.plan.files import File, Folder, Link, Tree
from nodeprov.plan.goal import Change, Goal, Resource, constant, decide
from nodeprov.plan.plan import INSTALL, UNINSTALL, Action, Outcome, Plan
from nodeprov.plan.steps import Event, Probes, Proof, Restart, Serving, Step, Swap, parts
from nodeprov.states import FileState, LinkState, PresentState, State
from tests.lab.machines import WORKER, lab_host
from tests.support.memory_host import MemoryHost, snapshot, tree_of
from tests.support.samples import a_run


@dataclass
class Ground:
    """A host and a folder of it that a test may do with as it likes."""

    host: Any
    folder: str


def observe(readers: Mapping[Place, Reader], resources: Iterable[Resource]) -> dict[str, State | None]:
    """Read the states of many resources: one round trip for each place."""
    states: dict[str, State | None] = {}
    wanted = list(resources)
    for place in Place:
        here = [resource for resource in wanted if resource.place is place]
        if here:
            answers = readers[place].ask([resource.query for resource in here])
            states.update(zip((resource.key for resource in here), answers, strict=True))
    return states


@pytest.fixture(params=["memory", "local", pytest.param("node", marks=pytest.mark.lab)])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "memory":
        yield Ground(MemoryHost(), "/somewhere")
    elif request.param == "local":
        yield Ground(LocalHost(), str(tmp_path))
    else:
        request.getfixturevalue("lab")
        host = lab_host(WORKER)
        folder = host.sh("mktemp -d /opt/laws-XXXXXX").text.strip()
        yield Ground(host, folder)
        host.sh(f"rm -rf -- {folder}")
        host.close()


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    (folder / "runsc").write_bytes(b"\x7fELF one")
    (folder / "gvisor-bin").mkdir()
    (folder / "gvisor-bin" / "gvisor sentry").write_bytes(b"\x7fELF two" * 1000)
    return folder


def wanted(ground: Ground, source: Path) -> list[tuple[Any, State | None]]:
    """A state of each kind that can be written, and each kind's absence."""
    f = ground.folder
    return [
        (Tree(f"{f}/releases/r1", source=source, within=f), tree_of(source)),
        (
            File(f"{f}/handlers/runsc/d1/runsc.toml", collected=True, within=f),
            FileState(b"binary_name = 'x'\n", 0o644),
        ),
        (File(f"{f}/a file"), FileState(b"\x00\xff\r\nno line end", 0o600)),
        (File(f"{f}/empty"), FileState(b"", 0o640)),
        (Link(f"{f}/handlers/runsc/current", within=f), LinkState("d1")),
        (Link(f"{f}/it's a link"), LinkState('/opt/$HOME/`x` "y"')),
        (File(f"{f}/gone"), None),
        (Link(f"{f}/gone too"), None),
        (Folder(f"{f}/never there"), None),
    ]


def read(ground: Ground, resource: Any) -> State | None:
    answer: State | None = ground.host.ask([resource.query])[0]
    return answer


def test_what_was_written_is_read_back(ground: Ground, source: Path) -> None:
    for resource, state in wanted(ground, source):
        resource.write(ground.host, state)
        assert read(ground, resource) == state
    for resource, _ in wanted(ground, source):
        resource.write(ground.host, None)
        assert read(ground, resource) is None


def test_writing_over_another_state_leaves_only_the_new_one(ground: Ground) -> None:
    file, link = File(f"{ground.folder}/f"), Link(f"{ground.folder}/l")
    for content in (b"first", b"second and longer", b""):
        file.write(ground.host, FileState(content, 0o644))
        assert read(ground, file) == FileState(content, 0o644)
    for target in ("one", "two", "one"):
        link.write(ground.host, LinkState(target))
        assert read(ground, link) == LinkState(target)


def test_a_damaged_tree_is_replaced_whole(ground: Ground, source: Path) -> None:
    tree = Tree(f"{ground.folder}/releases/r1", source=source)
    damaged = tree_of(source)
    (source / "runsc").write_bytes(b"\x7fELF other")
    tree.write(ground.host, tree_of(source))
    assert read(ground, tree) != damaged
    (source / "runsc").write_bytes(b"\x7fELF one")
    tree.write(ground.host, damaged)
    assert read(ground, tree) == damaged


def test_a_reached_goal_gives_no_change(ground: Ground, source: Path) -> None:
    goals = [Goal(resource, constant(state)) for resource, state in wanted(ground, source)]
    hosts = {Place.NODE: ground.host}
    resources = [goal.resource for goal in goals]
    for change in decide(goals, observe(hosts, resources)):
        change.resource.write(ground.host, change.after)
    assert decide(goals, observe(hosts, resources)) == ()


class Broken(NodeprovError):
    """A write that was made to fail."""


class BreaksAt:
    """A host whose n-th write fails, before it is made or after."""

    def __init__(self, host: Any, number: int, *, after: bool) -> None:
        self._host, self._left, self._after = host, number, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._host, name)
        if not name.startswith(("write_", "remove")):
            return method

        def broken(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Broken(f"{name} was made to fail")
            result = method(*args, **named)
            if self._left == 0:
                raise Broken(f"{name} was made to fail after it was done")
            return result

        return broken


@dataclass(frozen=True, slots=True)
class Config(File):
    """A file that the node itself swaps."""

    swapped: ClassVar[bool] = True

    def allow(self, host: Host, state: FileState | None) -> None:
        """Have no daemon that would refuse it."""


class Watched:
    """Acts that are only counted; a swap is made as a node makes it."""

    def __init__(self, host: Any = None, used: Mapping[str, str] | None = None) -> None:
        self.restarts, self.tries, self.proofs, self.used, self.host = 0, 0, 0, used or {}, host
        self.otherwise: tuple[str, ...] = ()

    def try_start(self, swap: Swap) -> None:
        self.tries += bool(swap.changes)

    def swap(self, swap: Swap) -> None:
        for change in swap.changes:
            change.resource.write(self.host, change.after)
        self.restarts += 1

    def made_otherwise(self) -> tuple[str, ...]:
        return self.otherwise

    def settle(self) -> None:
        """Nothing is under way."""

    def serving(self) -> str:
        self.proofs += 1
        return "seen"

    def made(self, handler: str) -> str:
        raise AssertionError("no distribution is here")

    def sandbox(self, generation: str) -> str:
        raise AssertionError("no sandbox is here")

    def unused(self) -> str:
        raise AssertionError("nothing is in use here")

    def handler(self, name: str = "") -> str:
        raise AssertionError("no cluster is here")

    def pod(self, handler: str = "") -> str:
        raise AssertionError("no cluster is here")

    def drain(self, _step: Any, _on_waiting: Any) -> None:
        raise AssertionError("nothing is drained here")

    def in_use(self) -> Mapping[str, str]:
        return self.used


def installation(ground: Ground, source: Path) -> tuple[Step, ...]:
    """A plan over all kinds, with something there before, a restart and a proof."""
    f = ground.folder
    config = Config(f"{f}/etc/config.toml")
    Link(f"{f}/bin/runsc").write(ground.host, LinkState("/somewhere/else"))
    config.write(ground.host, FileState(b"version = 3\n", 0o640))
    states = wanted(ground, source)
    goals = [Goal(resource, constant(state)) for resource, state in states]
    goals.append(Goal(Link(f"{f}/bin/runsc"), constant(LinkState(f"{f}/handlers/runsc/current/runsc"))))
    goals.append(Goal(config, constant(FileState(b"version = 3\n# ours\n", 0o640))))
    *changes, last = decide(goals, observe({Place.NODE: ground.host}, [goal.resource for goal in goals]))
    return (*changes, Swap((last,), Restart("containerd.service", ("to serve",)), Serving("it serves")))


@pytest.mark.parametrize("after", [False, True], ids=["before-it-is-made", "after-it-is-made"])
def test_a_failure_at_any_write_leaves_the_node_as_it_was(ground: Ground, source: Path, after: bool) -> None:
    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    writes = len([part for part in parts(steps) if isinstance(part, Change)])
    for number in range(1, writes + 1):
        hosts: dict[Place, Host] = {Place.NODE: BreaksAt(ground.host, number, after=after)}
        outcome = apply(Plan("n", INSTALL, steps), hosts, Watched(hosts[Place.NODE]), a_run())
        assert isinstance(outcome.error, Broken), number
        assert outcome.left == outcome.kept == ()
        assert snapshot(ground.folder, ground.host) == before, number


def test_a_failed_proof_takes_everything_back_and_restarts_again(ground: Ground, source: Path) -> None:
    class NotServing(Watched):
        def serving(self) -> str:
            if super().serving() and self.proofs == 1:
                raise Broken("it does not serve")
            return "seen"

    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    conduct = NotServing(ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, conduct, a_run())
    assert outcome.exit_code == 1
    assert snapshot(ground.folder, ground.host) == before
    assert conduct.restarts == 2
    assert conduct.proofs == 2


def test_a_swap_is_not_begun_with_files_with_which_the_daemon_does_not_start(ground: Ground, source: Path) -> None:
    class Refusing(Watched):
        def try_start(self, swap: Swap) -> None:
            raise Broken(f"it does not start with {len(swap.changes)} files")

    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    conduct = Refusing(ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, conduct, a_run())
    assert (outcome.exit_code, conduct.restarts) == (1, 0)
    assert snapshot(ground.folder, ground.host) == before


def test_a_node_is_not_as_before_where_a_distribution_has_made_its_configuration_otherwise(
    ground: Ground, source: Path
) -> None:
    class NotServing(Watched):
        def serving(self) -> str:
            raise Broken("it does not serve")

    conduct = NotServing(ground.host)
    conduct.otherwise = ("/etc/config.toml is not as before",)
    outcome = apply(Plan("n", INSTALL, installation(ground, source)), {Place.NODE: ground.host}, conduct, a_run())
    assert outcome.exit_code == 4
    assert conduct.otherwise[0] in outcome.left


@pytest.mark.parametrize(("action", "exit_code"), [(INSTALL, 0), (UNINSTALL, 4)])
def test_what_cannot_be_removed_stays_an_uninstalls_task(
    ground: Ground, source: Path, action: Action, exit_code: int
) -> None:
    """What an upgrade leaves, the next run removes; but an uninstall is over only when all is gone."""
    folder = Folder(f"{ground.folder}/releases/old", within=ground.folder)
    Link(f"{folder.path}/runsc").write(ground.host, LinkState("/somewhere"))
    steps = (Change(folder, PresentState(), None),)

    run = a_run()
    run.cancel.cancel()
    outcome = apply(Plan("n", action, steps), {Place.NODE: ground.host}, Watched(ground.host), run)
    said = (f"folder:{folder.path} stays: interrupted",)
    assert (outcome.kept, outcome.left) == ((said, ()) if action is INSTALL else ((), said))
    assert outcome.exit_code == exit_code


def test_what_a_node_has_taken_back_by_itself_is_not_restarted_again(ground: Ground, source: Path) -> None:
    class GoesBack(Watched):
        def swap(self, swap: Swap) -> None:
            self.restarts += 1
            raise RolledBack("it did not serve")

    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    conduct = GoesBack(ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, conduct, a_run())
    assert isinstance(outcome.error, RolledBack)
    assert (outcome.exit_code, outcome.left, conduct.restarts) == (1, (), 1)
    assert snapshot(ground.folder, ground.host) == before


def test_a_node_that_serves_with_neither_is_told_as_left_between_two_states(ground: Ground, source: Path) -> None:
    class ServesNoMore(Watched):
        def swap(self, swap: Swap) -> None:
            self.restarts += 1
            raise errors.RollbackFailed("it serves with neither")

    steps = installation(ground, source)
    conduct = ServesNoMore(ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, conduct, a_run())
    (restart,) = [part for part in parts(steps) if isinstance(part, Restart)]
    assert (outcome.exit_code, outcome.left) == (
        4,
        (f"{restart.unit} does not serve with its old configuration, or cannot be given it back",),
    )


@pytest.mark.parametrize("went_back", [True, False])
def test_after_a_swap_whose_end_nobody_has_seen_the_node_is_as_before(
    ground: Ground, source: Path, went_back: bool
) -> None:
    class Lost(Watched):
        is_lost = False

        def swap(self, swap: Swap) -> None:
            if self.is_lost or not went_back:
                super().swap(swap)
            if not self.is_lost:
                self.is_lost = True
                raise Broken("the connection is lost")

    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    conduct = Lost(ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, conduct, a_run())
    assert isinstance(outcome.error, Broken)
    assert outcome.left == ()
    assert snapshot(ground.folder, ground.host) == before


def test_a_swap_that_the_node_begins_after_its_connection_was_lost_is_waited_for_and_taken_back(
    ground: Ground, source: Path
) -> None:
    class Late(Watched):
        handed_over: Swap | None = None

        def swap(self, swap: Swap) -> None:
            if self.restarts:
                super().swap(swap)
                return
            self.restarts, self.handed_over = 1, swap
            raise NodeprovError("the connection is lost")

        def settle(self) -> None:
            if self.handed_over is not None:
                super().swap(self.handed_over)
                self.handed_over = None

    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    conduct = Late(ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, conduct, a_run())
    assert (outcome.exit_code, outcome.left) == (1, ())
    assert snapshot(ground.folder, ground.host) == before


def test_what_containerd_may_be_told_of_stays_where_a_swap_cannot_be_taken_back(
    ground: Ground, source: Path
) -> None:
    class Gone(Watched):
        def settle(self) -> None:
            raise NodeprovError("no answer")

        def serving(self) -> str:
            raise NodeprovError("the connection is lost")

    steps = installation(ground, source)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, Gone(ground.host), a_run())
    assert outcome.exit_code == 4
    assert outcome.left[0] == "containerd.service: no answer"
    assert any(each.endswith("current: stays until that is settled") for each in outcome.left)
    assert read(ground, Link(f"{ground.folder}/handlers/runsc/current")) is not None
    assert read(ground, Tree(f"{ground.folder}/releases/r1")) is not None


def failing_with(ground: Ground, source: Path, used: str) -> Outcome:
    """An install that breaks at its last write, while a container needs a path below the ground."""
    steps = installation(ground, source)
    hosts: dict[Place, Host] = {Place.NODE: BreaksAt(ground.host, len(steps), after=False)}
    used = f"{ground.folder}/{used}"
    outcome = apply(
        Plan("n", INSTALL, steps), hosts, Watched(hosts[Place.NODE], {used: "pod default/app"}), a_run()
    )
    assert isinstance(outcome.error, Broken)
    return outcome


@pytest.mark.parametrize("used", ["releases/r1/runsc", "handlers/runsc/d1/shim"])
def test_what_a_sandbox_uses_by_now_is_not_taken_away(ground: Ground, source: Path, used: str) -> None:
    outcome = failing_with(ground, source, used)
    assert read(ground, Tree(f"{ground.folder}/releases/r1")) == tree_of(source)
    assert read(ground, File(f"{ground.folder}/handlers/runsc/d1/runsc.toml")) is not None
    assert read(ground, Link(f"{ground.folder}/handlers/runsc/current")) is None
    assert any("releases/r1 is kept: in use by pod default/app" in each for each in outcome.kept)


@pytest.mark.parametrize(
    "used", ["releases/r0/runsc", "releases/r10/runsc", "handlers/runsc/current/shim", "handlers/runsc/d10/shim"]
)
def test_what_a_sandbox_of_another_generation_needs_keeps_nothing_of_a_run_that_failed(
    ground: Ground, source: Path, used: str
) -> None:
    outcome = failing_with(ground, source, used)
    assert (outcome.kept, outcome.left) == ((), ())
    assert read(ground, Tree(f"{ground.folder}/releases/r1")) is None
    assert read(ground, File(f"{ground.folder}/handlers/runsc/d1/runsc.toml")) is None


def test_an_old_release_is_collected_though_a_sandbox_of_the_new_one_runs(ground: Ground) -> None:
    releases = f"{ground.folder}/releases"
    File(f"{releases}/old/runsc").write(ground.host, FileState(b"x", 0o755))
    if isinstance(ground.host, MemoryHost):
        ground.host.members[f"{releases}/old"] = FileState(b"", 0o755)
    old = Folder(f"{releases}/old")
    outcome = apply(
        Plan("n", INSTALL, (Change(old, PresentState(), None),)),
        {Place.NODE: ground.host},
        Watched(used={f"{releases}/new/runsc": "pod default/app"}),
        a_run(),
    )
    assert (outcome.error, outcome.kept) == (None, ())
    assert read(ground, old) is None


def test_a_resource_that_changed_since_the_plan_is_not_overwritten(ground: Ground) -> None:
    file = File(f"{ground.folder}/config.toml")
    change = Change(file, None, FileState(b"ours", 0o644))
    file.write(ground.host, FileState(b"somebody was quicker", 0o644))
    outcome = apply(Plan("n", INSTALL, (change,)), {Place.NODE: ground.host}, Watched(), a_run())
    assert outcome.error is not None
    assert "has changed since it was read" in outcome.error.message
    assert read(ground, file) == FileState(b"somebody was quicker", 0o644)


def test_what_reads_back_otherwise_than_it_was_written_is_an_error_and_nobody_else_is_overwritten(
    ground: Ground,
) -> None:
    class Raced:
        """A host on which somebody else is quicker than our look at what we wrote."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ground.host, name)

        def write_file(self, path: str, state: FileState) -> None:
            ground.host.write_file(path, state)
            ground.host.write_file(path, FileState(b"theirs", 0o644))

    file = File(f"{ground.folder}/config.toml")
    change = Change(file, None, FileState(b"ours", 0o644))
    hosts: dict[Place, Host] = {Place.NODE: Raced()}
    outcome = apply(Plan("n", INSTALL, (change,)), hosts, Watched(), a_run())
    assert outcome.error is not None
    assert "was written, and reads back differently" in outcome.error.message
    assert outcome.left == (f"{file.key}: somebody else has changed it since",)
    assert read(ground, file) == FileState(b"theirs", 0o644)


@pytest.mark.parametrize("how", [Cancelled, KeyboardInterrupt])
def test_an_interruption_undoes(ground: Ground, source: Path, how: type[BaseException]) -> None:
    """Where signals are left to Python it is a KeyboardInterrupt, and may come anywhere."""

    class Later(Proof):
        name = "later"

        def see(self, probes: Probes) -> str:
            raise how

    steps = (*installation(ground, source), Later("a pod runs"))
    before = snapshot(ground.folder, ground.host)
    outcome = apply(Plan("n", INSTALL, steps), {Place.NODE: ground.host}, Watched(ground.host), a_run())
    assert outcome.error is not None
    assert outcome.error.message == "interrupted"
    assert snapshot(ground.folder, ground.host) == before


def test_a_run_that_is_cancelled_ends_its_step_and_begins_no_other_one(ground: Ground, source: Path) -> None:
    run = a_run()
    heard: list[str] = []

    def on_event(event: Event) -> None:
        heard.append(event.phase)
        run.cancel.cancel()

    steps = installation(ground, source)
    before = snapshot(ground.folder, ground.host)
    hosts: dict[Place, Host] = {Place.NODE: ground.host}
    outcome = apply(Plan("n", INSTALL, steps), hosts, Watched(ground.host), replace(run, on_event=on_event))
    assert isinstance(outcome.error, Cancelled)
    assert (outcome.exit_code, outcome.left, heard) == (1, (), ["begun", "done", "undone"])
    assert snapshot(ground.folder, ground.host) == before


def test_a_listener_that_fails_ends_the_run_and_keeps_nothing_from_being_taken_back(
    ground: Ground, source: Path
) -> None:
    """As one that prints to a pipe at whose other end nobody reads any more."""

    def on_event(event: Event) -> None:
        if event.phase != "begun":
            raise BrokenPipeError

    plan = Plan("n", INSTALL, installation(ground, source))
    before = snapshot(ground.folder, ground.host)
    hosts: dict[Place, Host] = {Place.NODE: ground.host}
    outcome = apply(plan, hosts, Watched(ground.host), a_run(on_event))
    assert outcome.error is not None
    assert "an error in nodeprov itself: BrokenPipeError" in outcome.error.message
    assert (outcome.exit_code, outcome.left) == (1, ())
    assert snapshot(ground.folder, ground.host) == before


def test_only_our_own_empty_folders_go_with_the_last_thing_in_them(tmp_path: Path) -> None:
    host = LocalHost()
    theirs = tmp_path / "usr" / "local" / "bin"
    theirs.mkdir(parents=True)
    Link(f"{theirs}/runsc").write(host, LinkState("x"))
    Link(f"{theirs}/runsc").write(host, None)
    assert theirs.is_dir(), "an empty folder of somebody else was removed"
    ours = Link(f"{tmp_path}/opt/nodeprov/handlers/runsc/current", within=f"{tmp_path}/opt")
    (tmp_path / "opt").mkdir()
    ours.write(host, LinkState("x"))
    ours.write(host, None)
    assert list((tmp_path / "opt").iterdir()) == []


def test_what_is_removed_may_be_removed_twice(ground: Ground) -> None:
    folder = Folder(f"{ground.folder}/releases/old")
    File(f"{ground.folder}/releases/old/runsc").write(ground.host, FileState(b"x", 0o755))
    if not isinstance(ground.host, MemoryHost):
        assert read(ground, folder) == PresentState()
    folder.write(ground.host, None)
    folder.write(ground.host, None)
    assert read(ground, folder) is None


def test_what_somebody_else_has_done_by_now_is_neither_done_again_nor_taken_back(ground: Ground) -> None:
    shared, mine = File(f"{ground.folder}/shared"), File(f"{ground.folder}/mine")
    wanted_state = FileState(b"ours", 0o644)
    steps = (Change(shared, None, wanted_state), Change(mine, None, wanted_state))
    shared.write(ground.host, wanted_state)
    hosts: dict[Place, Host] = {Place.NODE: BreaksAt(ground.host, 1, after=False)}
    outcome = apply(Plan("n", INSTALL, steps), hosts, Watched(), a_run())
    assert isinstance(outcome.error, Broken)
    assert read(ground, shared) == wanted_state
    assert read(ground, mine) is None
