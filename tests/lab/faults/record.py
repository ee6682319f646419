"""A life without any fault: what each run does, and what it makes of the node."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from nodeprov.runtimes.gvisor.software import PROGRAMS
from tests.conftest import RUN
from tests.lab.faults.judge import CURRENT_OF_CANARY, KEPT, State
from tests.lab.faults.releases import NEWER, OLDER, small_releases
from tests.lab.faults.table import (
    ABORT,
    ACTIONS,
    ADOPT,
    GC,
    GIVE_BACK,
    INSTALL,
    PROMOTE,
    ROLLBACK,
    START,
    SUDO,
    TRYING,
    UNINSTALL,
    UPGRADE,
)
from tests.lab.faults.watching import Point, Watching
from tests.lab.machines import ADMIN, CONFIG, CURRENT, Machine, released
from tests.lab.running import variant

USER = "faults"
THEIRS = b"""
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]
  runtime_type = "io.containerd.runsc.v1"
"""
RELEASE = {
    INSTALL: OLDER,
    UPGRADE: NEWER,
    ROLLBACK: NEWER,
    GC: OLDER,
    UNINSTALL: OLDER,
    ADOPT: NEWER,
    GIVE_BACK: NEWER,
    TRYING[0]: OLDER,
    START: OLDER,
    PROMOTE: NEWER,
    ABORT: NEWER,
    TRYING[-1]: NEWER,
}


@dataclass(frozen=True)
class Record:
    """The points of each action; what is in force before the first and after each; and the released files."""

    points: Mapping[str, tuple[Point, ...]]
    states: tuple[State, ...]
    sums: Mapping[str, str]
    actions: tuple[str, ...] = ACTIONS

    def before(self, action: str) -> State:
        """Return what is in force before an action."""
        return self.states[self.actions.index(action)]

    def wanted(self, action: str) -> State:
        """Return what is in force after an action."""
        return self.states[self.actions.index(action) + 1]


def arguments(action: str, node: str) -> list[str]:
    """Write the command of an action."""
    if action in (UNINSTALL, GIVE_BACK, TRYING[-1]):
        return [UNINSTALL, node, "--yes", "--json"]
    if action in (START, PROMOTE, ABORT):
        release = ["--release", NEWER] if action == START else []
        return [*action.split(), *release, node, "--yes", "--json"]
    if action in (ROLLBACK, ADOPT):
        return [action, node, "--yes", "--json"]
    if action == GC:
        return [action, node, "--yes", "--json", "--keep", "0"]
    # Whether an earlier run remembers the node must not decide which points a run has.
    return ["install", node, "--yes", "--json", "--deep"]


def inventory(action: str, node: str, group: str = "") -> Path:
    """Write the inventory of an action: a small release, short timeouts, no pod as a proof."""
    url = _url()
    more = {f"nodes.{node}__user": f'"{USER}"'} if group == SUDO else {}
    if action in TRYING:  # a second RuntimeClass is beyond the least rights
        more["cluster__kubeconfig"] = f'"{ADMIN}"'
    return variant(
        Path(tempfile.mkdtemp(dir=RUN)),
        proof__pod="false",
        release__version=f'"{RELEASE[action]}"',
        release__base_url=f'"{url}"',
        ssh__connect_timeout_seconds="3",
        ssh__command_timeout_seconds="12",
        **more,
    )


def _url() -> str:
    """Make the releases once for all processes of a run of the tests."""
    folder = RUN / "small-releases"
    with FileLock(RUN / "small-releases.lock"):
        if not folder.exists():
            made = folder.with_name(f"{folder.name}.{Path(tempfile.mkdtemp(dir=RUN)).name}")
            small_releases(released(OLDER), made)
            made.rename(folder)
    return f"file://{folder}"


def record(node: Machine, actions: tuple[str, ...] = ACTIONS) -> Record:
    """Take a node through a life without faults."""
    points, states, sums = {}, [_state(node)], {}
    for action in actions:
        run = Watching(arguments(action, node.name), inventory(action, node.name))
        ended = run.end()
        assert ended.returncode == 0, ended.stdout + ended.stderr
        points[action] = tuple(run.points())
        states.append(_state(node))
        if action in (ROLLBACK, ADOPT, PROMOTE):
            sums = _sums(node)
    assert states[0] == states[-1]
    return Record(points, tuple(states), sums, actions)


def theirs(node: Machine) -> str:
    """Install gVisor as the tutorial does, with a table that is made by hand; return what takes it away again."""
    programs = Path(unquote(urlsplit(_url()).path)) / "release" / OLDER / platform.machine()
    for name in PROGRAMS:
        node.host.sh(
            f"cat > /usr/local/bin/{name}; chmod 755 /usr/local/bin/{name}", stdin=(programs / name).read_bytes()
        )
    node.host.sh(f"cat >> {CONFIG}", stdin=THEIRS)
    node.run("systemctl restart containerd")
    return "rm -f " + " ".join(f"/usr/local/bin/{name}" for name in PROGRAMS)


def _state(node: Machine) -> State:
    kept = tuple(node.run(f"{KEPT} || true").splitlines())
    current, tried = (node.run(f"readlink {link} || true").strip() for link in (CURRENT, CURRENT_OF_CANARY))
    return State(node.config(), current, kept, tried)


def _sums(node: Machine) -> dict[str, str]:
    lines = node.run("cd /opt/nodeprov/releases && find . -type f -exec sha256sum {} +").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def is_nothing_to_do(stdout: str) -> bool:
    """Tell from a run's JSON whether it found nothing to change."""
    return not any(outcome["steps"] for outcome in json.loads(stdout)["outcomes"])
