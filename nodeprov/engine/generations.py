"""The generations on a node: what was in force before, which one a person means, and who went back from which."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.errors import NodeprovError
from nodeprov.node.receipts import DONE, Receipt
from nodeprov.node.state import NodeState
from nodeprov.plan.files import Link
from nodeprov.plan.plan import ROLLBACK, STAGE
from nodeprov.states import LinkState


@dataclass(frozen=True, slots=True)
class Standing:
    """A generation on a node, by its folder, and the folder of its release."""

    folder: str
    release: str

    @property
    def digest(self) -> str:
        """The name of its folder."""
        return posixpath.basename(self.folder)

    @property
    def said(self) -> str:
        """Name it for a person."""
        return f"{posixpath.basename(self.release)} (generation {self.digest})"


def of_handler(state: NodeState) -> tuple[Standing, ...]:
    """List the handler's generations below today's prefix."""
    found = state.footprint.generations.items()
    return tuple(Standing(*each) for each in found if posixpath.dirname(each[0]) == state.layout.handler_folder)


def in_force(state: NodeState) -> str:
    """Return the name of the generation in force; "" if none is."""
    return state.footprint.links.get(state.layout.current, "")


def release_in_force(state: NodeState) -> str:
    """Return the name of the release in force; "" if none is."""
    folder = f"{state.layout.handler_folder}/{in_force(state)}"
    return posixpath.basename(state.footprint.generations.get(folder, ""))


def former(state: NodeState) -> tuple[str, ...]:
    """Name the generations that were in force before, the latest first, whether they are on the node or not."""
    left = [
        each.target
        for receipt, change in state.history.changes_of(_key(state))
        for each in ((change.after, change.before) if receipt.state == DONE else (change.before,))
        if isinstance(each, LinkState)
    ]
    return tuple(each for each in dict.fromkeys(left) if each != in_force(state))


def staged(state: NodeState) -> Mapping[str, Receipt]:
    """Name the generations that were staged since `current` was last changed, and the runs that did it."""
    changed = next((receipt.number for receipt, _ in state.history.changes_of(_key(state))), 0)
    runs = [each for each in state.history.installed if each.number > changed and each.action == STAGE.name]
    below = f":{state.layout.handler_folder}/"
    return {
        change.key.partition(below)[2].partition("/")[0]: receipt
        for receipt in runs
        for change in receipt.changes
        if below in change.key
    }


def left_behind(state: NodeState) -> Mapping[str, Receipt]:
    """Name the generations that somebody has gone back from, and has not gone forward again since."""
    found: dict[str, Receipt] = {}
    for receipt, change in state.history.changes_of(_key(state)):
        if receipt.action != ROLLBACK.name or (not found and change.after != LinkState(in_force(state))):
            break
        if isinstance(change.before, LinkState):
            found.setdefault(change.before.target, receipt)
    return {name: receipt for name, receipt in found.items() if name != in_force(state)}


def meant(state: NodeState, to: str) -> Standing:
    """Find the generation to go back to: the one before, or that of a release or a name.

    The one before is what the last run that went forward has replaced; who has gone back already stays there. Of
    several generations of a release the one counts that was in force last.
    Raises NodeprovError if there is none, or it is not on the node any more.
    """
    there = of_handler(state)
    if not to:
        return _before(state, there)
    order = [in_force(state), *former(state)]
    fitting = [each for each in there if _fits(each, to)]
    if not fitting:
        raise NodeprovError(
            f"{to} is not on the node, and a rollback fetches nothing", _others(state, f"={_version(to)}")
        )
    return min(fitting, key=lambda each: order.index(each.digest) if each.digest in order else len(order))


def _before(state: NodeState, there: tuple[Standing, ...]) -> Standing:
    changes = state.history.changes_of(_key(state))
    if not changes:
        raise NodeprovError(
            "no receipt on the node names the generation that was in force before", _others(state, "=RELEASE")
        )
    receipt, change = changes[0]
    wanted = change.after if receipt.action == ROLLBACK.name else change.before
    if not isinstance(wanted, LinkState):
        raise NodeprovError(
            f"there is no generation before {in_force(state) or 'this one'}: it is the first one on this node",
            f"nodeprov uninstall {state.node.name} takes it away; or install another release",
        )
    found = next((each for each in there if each.digest == wanted.target), None)
    if found is None:
        release = next((r.release for r, c in changes if c.after == wanted), "")
        said = (
            f"generation {wanted.target}{f' of release {release}' if release else ''}, which was in force before,"
        )
        raise NodeprovError(
            f"{said} is not on the node any more", _others(state, f"={_version(release) or 'RELEASE'}")
        )
    return found


def _others(state: NodeState, version: str) -> str:
    """Say what can be gone back to, and how what is not on the node comes there."""
    name = state.node.name
    here = [each.said for each in of_handler(state) if each.digest != in_force(state)]
    found = f"on the node are: {', '.join(here)}: nodeprov rollback {name} --to RELEASE; or " if here else ""
    return f"{found}nodeprov install {name} --set release.version{version}"


def _version(release: str) -> str:
    """Return the version in the name of a release's folder."""
    return release.partition("-")[0]


def _fits(each: Standing, to: str) -> bool:
    release = posixpath.basename(each.release)
    return to in (release, _version(release), each.digest)


def _key(state: NodeState) -> str:
    return Link(state.layout.current).key
