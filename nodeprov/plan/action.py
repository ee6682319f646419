"""What a run is for: an install, an uninstall."""

from __future__ import annotations

from dataclasses import dataclass


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


INSTALL = Action(name="install", serves=True, removes_all=False, sweeps_first=False, ends_installation=False)
UNINSTALL = Action(name="uninstall", serves=False, removes_all=True, sweeps_first=True, ends_installation=True)
ACTIONS = (INSTALL, UNINSTALL)


def action_named(name: object) -> Action | None:
    """Find an action by its name; None if no action has it."""
    return next((action for action in ACTIONS if action.name == name), None)
