"""Staging: of an install, what nobody sees and nothing restarts, before the maintenance window."""

from dataclasses import replace

from nodeprov.engine.handlers import together
from nodeprov.engine.planner import Planned
from nodeprov.plan.goal import Change
from nodeprov.plan.plan import STAGE
from nodeprov.plan.steps import Part, Sandbox, Step


def staged(planned: Planned) -> Planned:
    """Keep of an install's plan the release and the generation, and the proof that a sandbox runs with them.

    The receipt of such a run names them, so that an uninstall takes them away; an install finds them there, and
    one that wants something else collects them.
    """
    if planned.parts:
        return together(planned.as_read, [staged(each) for each in planned.parts])
    plan = planned.plan
    unseen = [step for step in plan.steps if _is_unseen(step)]
    proof = [step for step in plan.steps if isinstance(step, Sandbox)][:1]
    left = [part for part in plan.parts if isinstance(part, Change) and not (part.collects or _is_unseen(part))]
    said = f"to be done by nodeprov install {plan.node}: {len(left)} changes, "
    said += "containerd restarts" if plan.restart else "no restart"
    notes = (*plan.notes, said) if left or plan.restart else plan.notes
    steps = (*unseen, *proof) if unseen else ()
    return replace(planned, plan=replace(plan, action=STAGE, steps=steps, notes=notes))


def _is_unseen(step: Step | Part) -> bool:
    return isinstance(step, Change) and step.resource.collected and not step.collects
