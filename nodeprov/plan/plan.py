"""A plan as a value: what it is for, its steps in their order, and how the carrying out of it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeprov.errors import NodeprovError
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Adopt, Part, Proof, Restart, Step, parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a run is for, and what that means for how it is carried out.

    A new one is a value in ACTIONS; nothing compares names.
    """

    name: str
    """Its name in receipts, in JSON and on the command line."""
    serves: bool
    """Whether containerd serves our runtime when it is done."""
    removes_all: bool
    """Whether it has failed as long as something is left to remove; else the next run removes that."""
    sweeps_first: bool
    """Whether it begins with removing what runs that were killed may have left."""
    ends_installation: bool
    """Whether nothing of earlier receipts is installed any more when it is done."""
    uses_cluster: bool = True
    """Whether it reads and changes the cluster; else it works where the API server does not answer."""
    is_timed: bool = False
    """Whether it is reported how long the node took, by the node's own clock."""
    builds_on_broken: bool = False
    """Whether what an interrupted run of another action had changed stays changed when this one changes more."""
    installs: bool = False
    """Whether it makes all true that is to be: it finishes an interrupted run of another such action too."""
    is_beside: bool = False
    """Whether it leaves alone what is in force: an interrupted run that installs stays open beside it."""
    command: str = ""
    """What a person types for it, where that is not its name."""
    of_cluster: bool = False
    """Whether it changes objects of a cluster alone, and no node."""

    @property
    def typed(self) -> str:
        """What a person types for it."""
        return self.command or self.name


INSTALL = Action(
    name="install", serves=True, removes_all=False, sweeps_first=False, ends_installation=False, installs=True
)
UNINSTALL = Action(name="uninstall", serves=False, removes_all=True, sweeps_first=True, ends_installation=True)
STAGE = Action(
    name="stage",
    serves=True,
    removes_all=False,
    sweeps_first=False,
    ends_installation=False,
    is_beside=True,
    command="install --stage",
)
"""What of an install needs no restart, done beforehand."""
ROLLBACK = Action(
    name="rollback",
    serves=True,
    removes_all=False,
    sweeps_first=False,
    ends_installation=False,
    uses_cluster=False,
    is_timed=True,
    builds_on_broken=True,
)
"""A generation that is on the node still is in force again."""
GC = Action(
    name="gc",
    serves=True,
    removes_all=True,
    sweeps_first=False,
    ends_installation=False,
    uses_cluster=False,
)
"""What nothing needs any more is removed."""
ADOPT = Action(
    name="adopt", serves=True, removes_all=False, sweeps_first=False, ends_installation=False, installs=True
)
"""An install in the place of what somebody else has installed."""
CANARY = Action(
    name="canary",
    serves=True,
    removes_all=False,
    sweeps_first=False,
    ends_installation=False,
    installs=True,
    command="canary start",
)
"""An install of another release beside the main one, under a handler of its own."""
ACTIONS = (INSTALL, UNINSTALL, STAGE, ROLLBACK, GC, ADOPT, CANARY)


def action_named(name: object) -> Action | None:
    """Find an action by its name; None if no action has it."""
    return next((action for action in ACTIONS if action.name == name), None)


@dataclass(frozen=True, slots=True)
class HandlerPlan:
    """What a plan does for one of several handlers: the resources that it changes, by their keys."""

    handler: str
    release: str
    changes: tuple[str, ...]
    restarts: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one run will do to one node, in order; no steps means nothing to do."""

    node: str
    action: Action
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    upload_bytes: int = 0
    handlers: tuple[HandlerPlan, ...] = ()
    """Of a plan for several handlers what it does for each; () where it is for one."""
    releases: tuple[str, str] = ("", "")
    """The release in force, and the one that this puts in force, by the names of their folders; "" for none."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The steps one by one, as they are reported: a swap as its changes, its restart and its proof."""
        return parts(self.steps)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes alone."""
        return tuple(part for part in self.parts if isinstance(part, Change))

    @property
    def adopted(self) -> tuple[Change, ...]:
        """The changes that somebody has made already."""
        return tuple(change for step in self.steps if isinstance(step, Adopt) for change in step.changes)

    @property
    def restart(self) -> Restart | None:
        """The restart, if the plan has one."""
        return next((part for part in self.parts if isinstance(part, Restart)), None)

    @property
    def pending(self) -> bool:
        """Tell whether anything would be changed or restarted."""
        return any(not isinstance(step, Proof) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the carrying out of a plan ended.

    `error` is why it stopped; `undone` are the changes taken back then; `left` is what could not be taken
    back, in the operator's words: empty means the node is as the plan wanted it, or as it was. `kept` is what
    was to be removed and stays, unseen and harmless. `later` is what failed when the node's run had ended: the
    node stays as it is then. `notes` are what a person should know besides.
    """

    plan: Plan
    done: tuple[Part, ...] = ()
    error: NodeprovError | None = None
    undone: tuple[Change, ...] = ()
    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    proofs: Mapping[str, str] = field(default_factory=dict)
    later: NodeprovError | None = None
    notes: tuple[str, ...] = ()
    hit: tuple[str, ...] = ()
    """Those of the notes that name containers of others which a restart has cut off."""
    node_seconds: float | None = None
    """How long the node took, by its own clock, where that is reported: from the lock to the closed receipt."""

    @property
    def made(self) -> tuple[Change, ...]:
        """The changes that were made: this is what is counted, wherever changes of a run are."""
        return tuple(part for part in self.done if isinstance(part, Change))

    @property
    def made_by_others(self) -> tuple[Change, ...]:
        """The changes of a run that has ended well which somebody else had made when it was their turn."""
        made = {change.resource.key for change in self.made}
        return tuple(each for each in self.plan.changes if not each.collects and each.resource.key not in made)

    @property
    def exit_code(self) -> int:
        """What the process ends with: 0 done, 1 failed and as before, or later, 4 left between two states."""
        if self.left:
            return 4
        failed = self.error or self.later
        return failed.exit_code if failed else 0
