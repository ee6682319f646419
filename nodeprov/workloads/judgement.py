"""What the answers of two pods mean: whether a behaviour is met on a node, and whether that is as recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from nodeprov.workloads.catalogue import Behaviour, catalogue, recorded_releases
from nodeprov.workloads.probes import SAME, UNMADE, Probe, matches

NOT_ASKED = f"{UNMADE}it was not asked"


class Verdict(Enum):
    """What is found of a behaviour."""

    DIFFERS = "differs"
    """It is met, as recorded."""
    NEW = "new"
    """It is met, and that, or how, is not recorded for this release, these flags and the node's cgroups."""
    GONE = "gone"
    """It is recorded, and not met."""
    SAME = "same"
    """It is not met, as recorded: a flag cures it, or it concerns another release."""
    NOT_TOLD = "not told"
    """The pod without the sandbox does not answer as it is to, so the question tells nothing on this node."""
    FAILED = "failed"
    """There is no answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found of one behaviour, and the answers of both pods."""

    behaviour: Behaviour
    verdict: Verdict
    runc: str
    sandbox: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What both pods answered, by the behaviours' names."""

    runc: Mapping[str, str]
    sandbox: Mapping[str, str]


def judged(answers: Answers, release: str, flags: Mapping[str, str], cgroup_version: int) -> list[Finding]:
    """Judge all behaviours of the catalogue that have a probe, for a release and the flags that it runs with."""
    return [
        finding(each, each.probe.on(cgroup_version), answers, release, flags)
        for each in catalogue().values()
        if each.probe is not None
    ]


def finding(
    behaviour: Behaviour, probe: Probe, answers: Answers, release: str, flags: Mapping[str, str]
) -> Finding:
    """Judge one behaviour."""
    runc, sandbox = (side.get(behaviour.id, NOT_ASKED) for side in (answers.runc, answers.sandbox))
    return Finding(behaviour, verdict(probe, runc, sandbox, probe.recorded(release, flags)), runc, sandbox)


def verdict(probe: Probe, runc: str, sandbox: str, recorded: str) -> Verdict:
    """Judge two answers by what is recorded of the second."""
    if UNMADE in (runc[:1], sandbox[:1]):
        return Verdict.FAILED
    if not matches(probe.runc, runc):
        return Verdict.NOT_TOLD
    if matches(probe.runc, sandbox):
        return Verdict.SAME if recorded == SAME else Verdict.GONE
    return Verdict.DIFFERS if recorded != SAME and matches(recorded, sandbox) else Verdict.NEW


def changes(old: str, new: str, flags: Mapping[str, str], cgroup_version: int) -> Iterator[str]:
    """Say what is otherwise for pods from one release to another, as far as both are recorded."""
    if not {old, new} <= {*recorded_releases()}:
        return
    for each in catalogue().values():
        if each.probe is not None:
            probe = each.probe.on(cgroup_version)
            was, becomes = (probe.recorded(release, flags) for release in (old, new))
            if was != becomes:
                yield f"{each.title} ({each.id}): {_change(each, was, becomes)}"


def _change(behaviour: Behaviour, was: str, becomes: str) -> str:
    if becomes == SAME:
        return f"as without the sandbox from now on: {behaviour.runc}"
    if was == SAME:
        return f"otherwise from now on: {behaviour.sandbox}"
    return f"{becomes}, in place of {was}"
